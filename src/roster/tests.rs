use super::*;

const NOW: UnixMillis = UnixMillis(1_000_000_000);
const MAIL: &[&[u8]] = &[b"mail"];

fn nobody_waits(_: &[u8]) -> bool {
    false
}

fn names(roster: &Roster) -> Vec<String> {
    roster.list(None).map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Sweeps as often as it takes to look at all, and takes them to hold nothing where in doubt.
fn sweep_out(roster: &mut Roster, now: UnixMillis) {
    for _ in 0..100 {
        for (place, names) in roster.sweep(now, nobody_waits) {
            names.iter().for_each(|name| roster.leave(name, &place));
        }
    }
}

#[test]
fn a_worker_is_forgotten_ten_minutes_after_it_was_heard_of_and_not_before() {
    let mut roster = Roster::default();
    roster.see(b"w", NOW, None, (0, MAIL));
    roster.wish(b"w", Some(WorkerWish::Stop));
    sweep_out(&mut roster, UnixMillis(NOW.0 + KEPT.0 - 1));
    assert_eq!(names(&roster), ["w"]);
    roster.hear(b"w", UnixMillis(NOW.0 + 5));
    sweep_out(&mut roster, NOW.after(KEPT));
    assert_eq!(names(&roster), ["w"], "it was heard of again");
    sweep_out(&mut roster, UnixMillis(NOW.0 + 5 + KEPT.0));
    assert_eq!(roster.len(), 0);
    assert_eq!(roster.wish(b"w", None), None, "and what was wished of it");
    roster.hear(b"w", NOW);
    assert_eq!(roster.len(), 0, "who is not known is not heard of");
}

#[test]
fn a_worker_is_not_forgotten_while_it_waits_holds_something_or_is_connected() {
    let late = UnixMillis(NOW.0 + 10 * KEPT.0);
    let mut roster = Roster::default();
    roster.see(b"w", NOW, Some(7), (0, MAIL));
    for _ in 0..3 {
        assert!(roster.sweep(late, |name| name == b"w").is_empty());
    }
    // Nobody says that it holds nothing there.
    for _ in 0..3 {
        let doubts = roster.sweep(late, nobody_waits);
        assert_eq!(doubts.into_keys().collect::<Vec<_>>(), [(0, Box::from(&b"mail"[..]))]);
    }
    roster.set(b"w", NOW, 7, Card::default());
    sweep_out(&mut roster, late);
    assert_eq!(names(&roster), ["w"]);
    roster.close(7);
    sweep_out(&mut roster, late);
    assert_eq!(roster.len(), 0);
}

#[test]
fn a_queue_is_forgotten_of_a_worker_that_asks_in_others() {
    let mut roster = Roster::default();
    roster.see(b"w", NOW, None, (0, MAIL));
    let late = UnixMillis(NOW.0 + KEPT.0);
    roster.see(b"w", late, None, (0, &[b"fax"]));
    sweep_out(&mut roster, late);
    let (_, worker) = roster.list(None).next().expect("it was just heard of");
    assert_eq!(worker.places(0).collect::<Vec<_>>(), [(&b"fax"[..], late)]);
}

#[test]
fn a_connection_has_one_name_and_a_name_several_connections() {
    let mut roster = Roster::default();
    let of = |roster: &Roster, name: &[u8]| -> Vec<u64> {
        let found = roster.list(None).find(|(known, _)| *known == name);
        found.map_or(Vec::new(), |(_, worker)| worker.connections.iter().copied().collect())
    };
    roster.set(b"v", NOW, 1, Card::default());
    roster.set(b"v", NOW, 2, Card::default());
    assert_eq!(of(&roster, b"v"), [1, 2]);
    roster.set(b"w", NOW, 1, Card::default());
    assert_eq!((of(&roster, b"v"), of(&roster, b"w")), (vec![2], vec![1]));
    roster.close(1);
    roster.close(3);
    assert_eq!((of(&roster, b"v"), of(&roster, b"w")), (vec![2], vec![]));
}

#[test]
fn more_workers_than_one_sweep_looks_at_are_all_swept() {
    let mut roster = Roster::default();
    for n in 0..5_000u32 {
        roster.see(n.to_string().as_bytes(), NOW, None, (0, MAIL));
    }
    sweep_out(&mut roster, NOW.after(KEPT));
    assert_eq!(roster.len(), 0);
    assert!(!roster.is_sweep_due(NOW), "there is nobody to sweep out");
}

#[test]
fn the_places_of_two_databases_that_are_swapped_change_places() {
    let mut roster = Roster::default();
    roster.see(b"w", NOW, None, (0, MAIL));
    roster.swap(0, 3);
    let (_, worker) = roster.list(None).next().expect("it is there");
    assert_eq!((worker.place(0, b"mail"), worker.place(3, b"mail")), (None, Some(NOW)));
}
