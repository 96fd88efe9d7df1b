//! A primary is cut off from its replica and from some of its clients, and goes on with the
//! others. The replica is promoted meanwhile: two servers decide, until the old one learns of it.

use std::time::Instant;

use super::{
    caller::Place,
    crew::Crew,
    failover::{all_replicated, follow},
    history::{Done, Fact, Loss, What},
    judge::{judge, QUEUES},
    tally::Tally,
};
use crate::support::{
    likeness::assert_replica_is_alike,
    load::{many, seed},
    wait_for, Options, Proxy, Reply, Server,
};

/// Jobs that each crew finishes between two steps.
const WORK: usize = 60;

fn is_refused(primary: &Server) -> bool {
    let reply = primary.run("JQ.CONFIG mail SET tries 25");
    matches!(&reply, Reply::Error(line) if line.starts_with("NOREPLICAS"))
}

#[test]
fn an_isolated_primary_soon_takes_nothing_more_and_what_the_other_side_did_holds() {
    let mut tally = Tally::of("partition, both sides at work");
    for round in 0..many(10, 1) as u64 {
        let options = "--min-replicas-to-write 1 --min-replicas-max-lag 1";
        let old = Server::start(Options::new().with(options));
        let (link, far_link) = (Proxy::to(old.port()), Proxy::to(old.port()));
        let new =
            Server::start(Options::new().with(&format!("--replicaof 127.0.0.1 {}", link.port())));
        wait_for("the replica", || (!is_refused(&old)).then_some(()));
        let near = Crew::start(Place::of(&old), &QUEUES, 1, seed() + 2 * round);
        let far = Crew::start(Place::at(far_link.port()), &QUEUES, 1, seed() + 2 * round + 1);
        near.do_some_work(WORK);
        far.do_some_work(WORK);

        let from = all_replicated(&old, 1);
        link.cut();
        far_link.cut();
        new.run("REPLICAOF NO ONE");
        far.place().set(new.port());
        far_link.sever();
        far.do_some_work(WORK);
        wait_for("the primary to miss its replica", || is_refused(&old).then_some(()));
        let refused_from = Instant::now();
        far.do_some_work(WORK);

        near.place().set(new.port());
        follow(&old, &new);
        let until = Instant::now();
        near.do_some_work(WORK);
        let mut history = near.stop();
        history.join(far.stop());
        assert_replica_is_alike(&new, &old);

        let of_the_old = |fact: &&Fact| {
            let published = matches!(fact.what, What::Publish { done: Done::Yes, .. });
            published && fact.server == old.port()
        };
        let late = |sent: Instant| sent > refused_from && sent < until;
        let published: Vec<_> = history.facts.iter().filter(of_the_old).collect();
        assert!(
            !published.iter().any(|fact| late(fact.sent)),
            "nothing is taken without a replica"
        );
        let isolated = published.iter().filter(|fact| fact.sent > from).count();
        tally.add("publishes acknowledged by the isolated primary", isolated);
        let loss = |port| Loss { from, until, server: Some(port) };
        history.losses = vec![loss(old.port()), loss(far_link.port())];
        tally.add("partitions", 1);
        judge(&mut history, &new, &mut tally);
    }
}
