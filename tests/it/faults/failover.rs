//! Primaries are demoted, killed and replaced by their replicas, again and again under load, and
//! come back as replicas.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{
    caller::Place,
    crew::Crew,
    history::Loss,
    judge::{is_well, judge, QUEUES},
    tally::Tally,
};
use crate::support::{
    likeness::assert_replica_is_alike,
    load::{many, seed},
    wait_for, Client, Options, Reply, Sentinel, Server,
};

/// Jobs that are finished between two faults.
const WORK: usize = 100;

/// Starts a replica that goes on serving while it takes what its primary has.
pub fn replica_of(primary: &Server) -> Server {
    let replica = Server::start(Options::new().with("--repl-diskless-load swapdb"));
    follow(&replica, primary);
    replica
}

/// Makes a server the replica of another, and waits until it has taken what that one has.
pub fn follow(replica: &Server, primary: &Server) {
    replica.run(&format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    replica.wait_until_it_tells("replication", "master_link_status", "up");
}

/// Waits. A server whose role changes, or that a sentinel sets right, closes its connections.
pub fn wait_for_role(server: &Server, role: &str) {
    server.wait_until_it_tells("replication", "role", role);
}

/// A moment before which all that was answered is on so many replicas.
pub fn all_replicated(primary: &Server, replicas: usize) -> Instant {
    let moment = Instant::now();
    let mut client = primary.client();
    client.run("INCR barrier");
    assert_eq!(client.run(&format!("WAIT {replicas} 0")), Reply::Int(replicas as i64));
    moment
}

/// Has a primary and its replica change places in good order, and sends clients to the new primary.
pub fn change_places(primary: &mut Server, replica: &mut Server, place: &Place) {
    wait_for("a replica that can take over", || {
        (primary.run("FAILOVER") == Reply::Status("OK".into())).then_some(())
    });
    wait_for_role(replica, "master");
    place.set(replica.port());
    wait_for_role(primary, "slave");
    std::mem::swap(primary, replica);
    follow(replica, primary);
}

/// Puts a replica in the place of its primary, which is gone. The old one comes back with nothing, and
/// takes what the new one has.
pub fn take_the_place(replica: &mut Server, primary: &mut Server, place: &Place) {
    assert_eq!(replica.run("REPLICAOF NO ONE").text(), "OK");
    place.set(replica.port());
    std::mem::swap(primary, replica);
    replica.start_again();
    follow(replica, primary);
}

#[test]
fn a_coordinated_failover_under_load_loses_nothing() {
    let mut tally = Tally::of("coordinated failover");
    let mut primary = Server::plain();
    let mut replica = replica_of(&primary);
    let crew = Crew::start(Place::of(&primary), &QUEUES, 0, seed());
    for round in 0..many(40, 4) {
        crew.do_some_work(WORK);
        change_places(&mut primary, &mut replica, crew.place());
        if round % 4 == 3 {
            assert_replica_is_alike(&primary, &replica);
            tally.add("comparisons with a replica", 1);
        }
        tally.add("failovers", 1);
    }
    crew.do_some_work(WORK);
    let mut history = crew.stop();
    is_well(&replica);
    judge(&mut history, &primary, &mut tally);
}

#[test]
fn a_promoted_replica_has_all_that_was_waited_for() {
    let mut tally = Tally::of("primary killed, replica promoted");
    let mut primary = Server::plain();
    let mut replica = replica_of(&primary);
    let crew = Crew::start(Place::of(&primary), &QUEUES, 1, seed());
    let mut losses = Vec::new();
    for round in 0..many(40, 4) {
        let from = all_replicated(&primary, 1);
        crew.do_some_work(WORK);
        primary.kill();
        losses.push(Loss { from, until: Instant::now(), server: None });
        take_the_place(&mut replica, &mut primary, crew.place());
        if round % 4 == 3 {
            assert_replica_is_alike(&primary, &replica);
            tally.add("comparisons with a replica", 1);
        }
        tally.add("failovers", 1);
    }
    crew.do_some_work(WORK);
    let mut history = crew.stop();
    history.losses = losses;
    let confirmed = history.facts.iter().filter(|fact| fact.confirmed).count();
    assert!(confirmed > 0, "some waited for the replica");
    tally.add("requests confirmed by WAIT 1", confirmed);
    judge(&mut history, &primary, &mut tally);
}

/// What a sentinel says: where the primary is, and how many failovers it has seen.
fn primary_by(sentinel: &mut Client) -> (u16, usize) {
    let told = sentinel.run("SENTINEL MASTER jobq");
    let number = |field: &str| told.field(field).text().parse().expect("a number");
    (number("port") as u16, number("config-epoch"))
}

/// Sends clients where the sentinel says, until nobody holds `asked_for` any more.
fn follow_the_sentinel(sentinel: &Sentinel, place: &Place, asked_for: &Weak<()>) {
    let mut sentinel = sentinel.client();
    while asked_for.strong_count() > 0 {
        place.set(primary_by(&mut sentinel).0);
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

fn server_at(servers: &mut [Server], port: u16) -> &mut Server {
    servers.iter_mut().find(|server| server.port() == port).expect("one of ours")
}

#[test]
fn three_sentinels_replace_a_killed_primary_and_work_goes_on() {
    let mut tally = Tally::of("primary killed, Sentinel promotes");
    let first = Server::plain();
    let mut servers = vec![replica_of(&first), replica_of(&first), first];
    let port = servers[2].port();
    let sentinels: Vec<_> = (0..3).map(|_| Sentinel::watching(port)).collect();
    Sentinel::wait_until_all_know(&sentinels, servers.len() - 1);
    let crew = Crew::start(Place::at(port), &QUEUES, 0, seed());
    let losses = std::thread::scope(|scope| {
        let is_followed = Arc::new(());
        let asked_for = Arc::downgrade(&is_followed);
        let (sentinel, place) = (&sentinels[0], crew.place());
        scope.spawn(move || follow_the_sentinel(sentinel, place, &asked_for));
        let mut losses: Vec<Loss> = Vec::new();
        let mut known = primary_by(&mut sentinel.client());
        for _ in 0..many(8, 1) {
            excuse_another(&mut known, sentinel, losses.last_mut(), &mut tally);
            losses.push(replaced(&mut servers, &mut known, sentinel, &crew, &mut tally));
        }
        (losses, known)
    });
    let (mut losses, mut known) = losses;
    let mut history = crew.stop();
    excuse_another(&mut known, &sentinels[0], losses.last_mut(), &mut tally);
    history.losses = losses;
    let (port, _) = known;
    let primary = servers.iter().find(|server| server.port() == port).expect("one of ours");
    for replica in servers.iter().filter(|server| server.port() != port) {
        assert_replica_is_alike(primary, replica);
        tally.add("comparisons with a replica", 1);
    }
    judge(&mut history, primary, &mut tally);
}

/// On a machine so busy that a primary is taken for dead, the sentinels replace it without being
/// asked, also between two rounds and behind the last one, where a replica may not have come further
/// than before the failover that was asked for.
fn excuse_another(
    known: &mut (u16, usize),
    sentinel: &Sentinel,
    last: Option<&mut Loss>,
    tally: &mut Tally,
) {
    let found = primary_by(&mut sentinel.client());
    if found != *known {
        tally.add("failovers nobody asked for", 1);
        last.into_iter().for_each(|loss| loss.until = Instant::now());
        *known = found;
    }
}

/// Kills the primary, and waits until the sentinels have put things right.
fn replaced(
    servers: &mut [Server],
    known: &mut (u16, usize),
    sentinel: &Sentinel,
    crew: &Crew,
    tally: &mut Tally,
) -> Loss {
    let mut sentinel = sentinel.client();
    let (old, epoch) = *known;
    let replicas = servers.len() - 1;
    let from = all_replicated(server_at(servers, old), replicas);
    crew.do_some_work(WORK);
    server_at(servers, old).kill();
    let mut until = Instant::now();
    let new =
        wait_for("the sentinels", || Some(primary_by(&mut sentinel).0).filter(|port| *port != old));
    crew.do_some_work(WORK);
    let old = server_at(servers, old);
    old.start_again();
    // The sentinels make it a replica.
    wait_for_role(old, "slave");
    wait_for("all replicas to be back", || {
        let (primary, _) = primary_by(&mut sentinel);
        let primary = server_at(servers, primary);
        primary.tells("replication", "connected_slaves", &replicas.to_string()).then_some(())
    });
    let (at_last, epoch_at_last) = primary_by(&mut sentinel);
    if at_last != new || epoch_at_last > epoch + 1 {
        // A machine so busy that the new primary was taken for dead: that was one more.
        tally.add("failovers nobody asked for", 1);
        until = Instant::now();
    }
    *known = (at_last, epoch_at_last);
    tally.add("failovers", 1);
    Loss { from, until, server: None }
}
