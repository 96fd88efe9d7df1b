use super::*;
use crate::{range, table::find};

fn read<T: TryFrom<i128>>(range: &Range, text: &str) -> Result<T, String> {
    range.read(text.as_bytes()).map_err(|refused| refused.to_string())
}

#[test]
fn integers_are_strict_decimals_within_their_range() {
    assert_eq!(read::<u64>(&range::DELAY, "0"), Ok(0));
    assert_eq!(read::<u64>(&range::DELAY, "3155760000000"), Ok(3_155_760_000_000));
    assert_eq!(read::<i8>(&range::PRIORITY, "-20"), Ok(-20));
    assert_eq!(read::<u64>(&range::TOKENS, "4611686018427387903"), Ok((1 << 62) - 1));
    let huge = "9".repeat(100);
    for text in ["", "-", "+5", " 5", "5 ", "5.0", "1e3", "0x10", "--5", "5-", "five", "٣", &huge]
    {
        assert!(read::<u64>(&range::DELAY, text).is_err(), "{text}");
    }
    for (range, outside) in [
        (range::TTR, "0"),
        (range::DELAY, "-1"),
        (range::DELAY, "3155760000001"),
        (range::AT, "253402300800000"),
        (range::PRIORITY, "21"),
        (range::PRIORITY, "-21"),
        (range::COUNT, "10001"),
        (range::NAMES, "0"),
        (range::HEADERS, "1001"),
        (range::RETAIN, "3155760000001"),
        (range::DEADLINE, "253402300800000"),
        (range::MOVED, "9223372036854775808"),
        (range::TRIES, "4294967296"),
        (range::WEIGHT, "1001"),
        (range::PAUSE, "0"),
        (range::VERSION, "0"),
        (range::VERSION, "9223372036854775808"),
    ] {
        assert!(read::<i128>(&range, outside).is_err(), "{} {outside}", range.name);
    }
}

#[test]
fn a_range_error_names_the_word_the_limits_and_the_text() {
    assert_eq!(
        read::<u64>(&range::DELAY, "-5").unwrap_err(),
        "RANGE DELAY is 0 to 3155760000000 milliseconds, not '-5'"
    );
    assert_eq!(read::<u32>(&range::TRIES, "x\n").unwrap_err(), {
        r"RANGE TRIES is 1 to 4294967295, not 'x\n'"
    });
}

#[test]
fn a_value_that_does_not_fit_its_type_is_refused_and_never_cut() {
    assert!(read::<u8>(&range::DELAY, "256").is_err());
}

#[test]
fn ids_run_until_the_first_word_of_the_command() {
    let nack = find(b"JQ.NACK").unwrap();
    let argv: [&[u8]; 5] = [b"JQ.NACK", b"a", b"b@7", b"delay", b"5"];
    let mut args = Args::new(nack, &argv);
    let ids = args.ids().unwrap();
    assert_eq!(ids.iter().map(|job| job.id()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(ids[1].token.map(|token| token.0), Some(7));
    assert_eq!(args.word().unwrap(), Some("DELAY"));
}

#[test]
fn a_single_id_may_be_a_word_of_the_command() {
    let update = find(b"JQ.UPDATE").unwrap();
    let argv: [&[u8]; 4] = [b"JQ.UPDATE", b"ttl", b"TTL", b"5"];
    let mut args = Args::new(update, &argv);
    assert_eq!(args.id("id").unwrap().id(), "ttl");
    assert_eq!(args.word().unwrap(), Some("TTL"));
    assert!(args.id("id").is_ok());
    let refused = args.id("id").unwrap_err().to_string();
    assert!(refused.starts_with("SYNTAX no value for id; usage: "));
}

#[test]
fn a_word_comes_once_and_as_the_table_spells_it() {
    let peek = find(b"JQ.PEEK").unwrap();
    let argv: [&[u8]; 3] = [b"JQ.PEEK", b"count", b"Count"];
    let mut args = Args::new(peek, &argv);
    assert_eq!(args.word().unwrap(), Some("COUNT"));
    let refused = args.word().unwrap_err().to_string();
    assert_eq!(refused, "SYNTAX COUNT is given twice; usage: JQ.PEEK queue [COUNT n]");
}

#[test]
fn an_empty_vector_has_no_values() {
    let len = find(b"JQ.LEN").unwrap();
    assert!(Args::new(len, &[]).value("queue").is_err());
    assert_eq!(Args::new(len, &[]).word().unwrap(), None);
}
