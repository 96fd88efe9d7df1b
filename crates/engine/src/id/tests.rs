use super::*;

#[test]
fn made_ids_ascend_within_a_millisecond_and_over_milliseconds() {
    let mut generator = Generator::new(7);
    let mut last = Ulid::ZERO;
    for n in 0..10_000 {
        let id = Ulid::next(last, UnixMillis(1_000 + n / 100), &mut generator);
        assert!(last < id && last.text() < id.text());
        last = id;
    }
    assert_eq!(last.millis(), UnixMillis(1_099));
}

#[test]
fn an_id_made_while_the_clock_stands_keeps_ascending() {
    let mut generator = Generator::new(7);
    let late = Ulid::next(Ulid::ZERO, UnixMillis(5_000), &mut generator);
    assert!(Ulid::next(late, UnixMillis(4_000), &mut generator) > late);
}

#[test]
fn a_ulid_survives_being_written_and_read() {
    let id = Ulid::next(Ulid::ZERO, UnixMillis(1_763_700_000_000), &mut Generator::new(1));
    assert_eq!(Ulid::parse(&id.text()), Some(id));
    assert_eq!(Ulid::parse(id.to_string().to_lowercase().as_bytes()), Some(id));
    let all = Ulid::from_bits(u128::MAX);
    assert_eq!(&all.text(), b"7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    assert_eq!(Ulid::parse(&all.text()), Some(all));
    for bit in 0..128 {
        let id = Ulid::from_bits(1 << bit);
        assert_eq!(Ulid::parse(&id.text()), Some(id), "bit {bit}");
    }
    assert_eq!(Ulid::parse(b"8ZZZZZZZZZZZZZZZZZZZZZZZZZ"), None, "129 bits");
    assert_eq!(Ulid::parse(b"0000000000000000000000000U"), None, "no such digit");
}

#[test]
fn a_receipt_is_an_id_and_a_decimal_token() {
    let parse = |text: &'static str| JobRef::parse(text.as_bytes());
    let read = |text| parse(text).map(|job| (job.id(), job.token, job.ulid.is_some()));
    assert_eq!(read("a-1"), Some(("a-1", None, false)));
    assert_eq!(read("a-1@17"), Some(("a-1", Some(Token(17)), false)));
    let made = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(read(made), Some((made, None, true)));
    assert_eq!(read("01ARZ3NDEKTSV4RRFFQ69G5FAV@7"), Some((made, Some(Token(7)), true)));
    // Longer than a made id, and of its length but no such number.
    let longer = "01ARZ3NDEKTSV4RRFFQ69G5FAV0";
    assert_eq!(read(longer), Some((longer, None, false)));
    let other = "81ARZ3NDEKTSV4RRFFQ69G5FAV";
    assert_eq!(read(other), Some((other, None, false)));
    for bad in ["", "@1", "a@", "a@x", "a@+1", "a@1@2", "a b", "a@99999999999999999999"] {
        assert_eq!(parse(bad), None, "{bad:?}");
    }
    assert_eq!(parse("x".repeat(65).leak()), None);
}

#[test]
fn the_text_of_an_id_or_receipt_is_what_is_read_again() {
    let made = Ulid::next(Ulid::ZERO, UnixMillis(1_763_700_000_000), &mut Generator::new(1));
    let longest = "x".repeat(GIVEN_ID_BYTES_MAX);
    for id in [JobId::Made(made), JobId::Given("a"), JobId::Given(&longest)] {
        assert_eq!(id.text().as_bytes(), id.to_string().as_bytes());
        for token in [0, 7, 10, u64::MAX].map(Token) {
            let receipt = id.receipt(token);
            let read = JobRef::parse(receipt.as_bytes()).expect("a receipt");
            assert_eq!((read.id(), read.token), (id.to_string().as_str(), Some(token)));
        }
    }
}
