use super::*;

const NOW: UnixMillis = UnixMillis(1_000_000_000);
const MAIL: &[&[u8]] = &[b"mail"];

fn nobody_waits(_: &[u8]) -> bool {
    false
}

fn names(roster: &Roster) -> Vec<String> {
    roster.list(None).map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
}

/// Sweeps once, and takes them to hold nothing where in doubt. Tells in how many places it was.
fn sweep_out(roster: &mut Roster, now: UnixMillis) -> usize {
    let mut doubts = 0;
    loop {
        match roster.sweep(now, nobody_waits) {
            Swept::All => return doubts,
            Swept::Some => {}
            Swept::Doubt(name, place) => roster.leave(&name, &place),
        }
        doubts += 1;
        assert!(doubts < 1_000_000, "it never ends");
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
    let mail = (0, Box::from(&b"mail"[..]));
    // Nobody says that it holds nothing there.
    for _ in 0..3 {
        let doubt = Swept::Doubt(Box::from(&b"w"[..]), mail.clone());
        assert_eq!(roster.sweep(late, nobody_waits), doubt);
        assert_eq!(roster.sweep(late, nobody_waits), Swept::All);
    }
    roster.leave(b"w", &mail);
    assert_eq!(roster.sweep(late, |name| name == b"w"), Swept::All);
    assert_eq!(names(&roster), ["w"], "it waits");
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
fn one_sweep_forgets_all_workers_that_are_gone_however_many() {
    let mut roster = Roster::default();
    for n in 0..5_000u32 {
        roster.see(n.to_string().as_bytes(), NOW, None, (0, MAIL));
    }
    assert!(roster.begin_sweep(NOW.after(KEPT)) && roster.is_sweeping());
    sweep_out(&mut roster, NOW.after(KEPT));
    assert_eq!(roster.len(), 0);
    assert!(!roster.is_sweeping());
    assert!(!roster.begin_sweep(NOW), "there is nobody to sweep out");
}

#[test]
fn the_many_places_of_one_worker_are_looked_at_in_many_steps_also_while_it_waits() {
    let mut roster = Roster::default();
    let queues: Vec<_> = (0..5_000u32).map(|n| n.to_be_bytes()).collect();
    for db in [0, 3] {
        for queue in &queues {
            roster.see(b"w", NOW, None, (db, &[queue]));
        }
    }
    let late = NOW.after(KEPT);
    roster.see(b"w", late, None, (0, MAIL));
    let mut doubts = 0;
    loop {
        match roster.sweep(late, |name| name == b"w") {
            Swept::All => break,
            Swept::Some => {}
            Swept::Doubt(name, place) => {
                roster.leave(&name, &place);
                doubts += 1;
            }
        }
    }
    assert_eq!(doubts, 2 * queues.len());
    let (_, worker) = roster.list(None).next().expect("it was just heard of");
    assert_eq!((worker.places(0).count(), worker.places(3).count()), (1, 0));
    // And where it stays, each step has its end as well.
    for queue in &queues {
        roster.see(b"w", late, None, (0, &[queue]));
    }
    assert!(sweep_out(&mut roster, late) > 10);
}

#[test]
fn who_was_heard_of_is_still_known_by_the_last_place_that_it_was_at() {
    let mut roster = Roster::default();
    roster.see(b"w", NOW, None, (0, &[b"fax", b"mail"]));
    let late = NOW.after(KEPT);
    roster.hear(b"w", late);
    sweep_out(&mut roster, late);
    let (_, worker) = roster.list(None).next().expect("it was just heard of");
    assert_eq!(worker.places(0).count(), 1);
    sweep_out(&mut roster, late.after(KEPT));
    assert_eq!(roster.len(), 0);
}

#[test]
fn what_was_said_over_a_connection_goes_when_it_takes_another_name() {
    let mut roster = Roster::default();
    roster.set(b"v", NOW, 1, Card::default());
    roster.set(b"w", NOW, 1, Card::default());
    let cards: Vec<_> = roster.list(None).map(|(_, worker)| worker.card.is_some()).collect();
    assert_eq!(cards, [false, true]);
    roster.close(1);
    assert!(roster.list(None).any(|(_, worker)| worker.card.is_some()), "who was it that is gone?");
}

#[test]
fn the_places_of_two_databases_that_are_swapped_change_places() {
    let mut roster = Roster::default();
    roster.see(b"w", NOW, None, (0, MAIL));
    roster.swap(0, 3);
    let (_, worker) = roster.list(None).next().expect("it is there");
    assert_eq!((worker.place(0, b"mail"), worker.place(3, b"mail")), (None, Some(NOW)));
}
