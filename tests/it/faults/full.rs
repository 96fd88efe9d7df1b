//! Memory that is full: what adds is refused and leaves nothing, what drains goes through, time goes
//! on, and no copy differs.

use std::collections::BTreeSet;

use super::{jobs, pair::Pair, tally::Tally};
use crate::{
    replies::{ids, names},
    support::{load::many, wait_for, Client, Options, Reply},
};

/// What a client knows to be in the queue `mail`.
struct Known {
    client: Client,
    operator: Client,
    there: BTreeSet<String>,
    completed: BTreeSet<String>,
    given: usize,
}

impl Known {
    /// A new id.
    fn id(&mut self) -> String {
        self.given += 1;
        format!("job-{}", self.given)
    }

    fn publish(&mut self, jobs: usize, options: &str) {
        for _ in 0..jobs {
            let id = self.id();
            let line = format!("JQ.PUBLISH mail hello ID {id} {options}");
            assert_eq!(self.client.run(&line).text(), id);
            self.there.insert(id);
        }
    }

    /// Queues a transaction at a moment when there is room, which is over before it runs.
    fn queue(&mut self, lines: &[&str]) {
        self.limit("0");
        self.client.run("MULTI");
        for line in lines {
            assert_eq!(self.client.run(line).text(), "QUEUED", "{line}");
        }
        self.limit("1");
    }

    fn limit(&mut self, bytes: &str) {
        let line = format!("CONFIG SET maxmemory {bytes}");
        assert_eq!(self.operator.run(&line).text(), "OK");
    }

    fn settle(&mut self, line: &str) {
        assert_eq!(self.client.run(line), Reply::Int(1), "{line}");
    }

    /// Tries every way to add something. Tells how many there were.
    fn adds_nothing(&mut self) -> usize {
        let there = self.there.first().cloned().unwrap_or_default();
        let held = names(&self.client.run("JQ.CONSUME mail TTR 3600000")).remove(0);
        let new = self.id();
        let lines = [
            format!("JQ.PUBLISH mail x ID {new}"),
            format!("JQ.PUBLISH mail x ID {new} DELAY 5"),
            format!("JQ.PUBLISH mail x ID {new} REPLACES {there}"),
            format!("JQ.PUBLISH new x ID {new}"),
            "JQ.MPUBLISH mail 3 x y z".into(),
            format!("JQ.UPDATE mail {there} BODY longer"),
            "EVAL return{redis.call('jq.publish','mail','x','ID',ARGV[1])} 0 ".to_string() + &new,
        ];
        for line in &lines {
            let refused = self.client.run(line);
            assert!(refused.error().contains("OOM"), "{line}: {refused:?}");
        }
        // All of a transaction is refused, also what would have been let through by itself: when it
        // is queued (by Redis what drains, too), or as it should run.
        self.client.run("MULTI");
        self.client.run(&format!("JQ.ACK mail {held}"));
        assert_eq!(self.client.run(&lines[0]).error_word(), "OOM");
        assert_eq!(self.client.run("EXEC").error_word(), "EXECABORT");
        self.queue(&[&format!("JQ.ACK mail {held}"), &lines[0]]);
        let refused = self.client.run("EXEC");
        assert!(refused.error().contains("OOM"), "{refused:?}");
        self.settle(&format!("JQ.RELEASE mail {held}"));
        lines.len() + 2
    }

    /// Drains in every way, also in a transaction and a script. Tells how many jobs were settled.
    fn drains(&mut self) -> usize {
        let taken = self.client.run("JQ.CONSUME mail COUNT 9 TTR 3600000");
        let receipts = names(&taken);
        let ids = ids(&taken);
        let [acked, nacked, released, buried, kept, queued, called, dropped, kicked] =
            &receipts[..]
        else {
            panic!("{taken:?}")
        };
        self.settle(&format!("JQ.ACK mail {acked}"));
        self.settle(&format!("JQ.NACK mail {nacked} ERROR no DELAY 1"));
        self.settle(&format!("JQ.RELEASE mail {released}"));
        self.settle(&format!("JQ.BURY mail {buried} ERROR no"));
        self.settle(&format!("JQ.RESPAWN mail ID {}", ids[3]));
        self.settle(&format!("JQ.FULFILL mail {kept} result RETAIN FOREVER"));
        self.queue(&[&format!("JQ.TOUCH mail {queued}"), &format!("JQ.ACK mail {queued}")]);
        assert_eq!(self.client.run("EXEC").items()[1], Reply::Int(1));
        let script = "return redis.call('jq.ack','mail',ARGV[1])";
        assert_eq!(self.client.call(&["EVAL", script, "0", called]), Reply::Int(1));
        self.settle(&format!("JQ.DELETE mail {dropped}"));
        self.settle(&format!("JQ.NACK mail {kicked} DELAY 3600000"));
        self.settle(&format!("JQ.KICK mail ID {}", ids[8]));
        for gone in [0, 5, 6, 7] {
            assert!(self.there.remove(&ids[gone]), "{taken:?}");
        }
        self.completed.insert(ids[4].clone());
        if self.completed.len() > 5 {
            let line = "JQ.PURGE mail completed";
            assert_eq!(self.client.run(line).int() as usize, self.completed.len());
            self.there.retain(|id| !self.completed.contains(id));
            self.completed.clear();
        }
        assert_eq!(self.client.run("JQ.PAUSE mail OUT FOR 1").text(), "OK");
        assert_eq!(self.client.run("JQ.RESUME mail").text(), "OK");
        receipts.len()
    }
}

#[test]
fn a_memory_that_is_full_again_and_again_loses_no_job_and_keeps_none_that_it_refused() {
    let mut tally = Tally::of("memory full");
    let pair = Pair::start(Options::new().with("--maxmemory-policy noeviction"));
    let server = &pair.primary;
    let mut mail = Known {
        client: server.client(),
        operator: server.client(),
        there: BTreeSet::new(),
        completed: BTreeSet::new(),
        given: 0,
    };
    let mut other = server.client();
    for _ in 0..many(60, 15) {
        mail.limit("0");
        mail.publish(12, "BACKOFF none");
        mail.publish(3, "BACKOFF none DELAY 3");
        other.run("JQ.PUBLISH due hello ID due DELAY 5 TTR 5");
        let mut consumer = server.client();
        consumer.send(&["JQ.CONSUME", "due", "BLOCK", "0"]);

        mail.limit("1");
        tally.add("publishes refused", mail.adds_nothing());
        tally.add("jobs settled while full", mail.drains());
        assert_eq!(ids(&consumer.read()), ["due"], "what is due comes");
        wait_for("the lapse", || (other.run("JQ.LEN due ready") == Reply::Int(1)).then_some(()));
        consumer.send(&["JQ.CONSUME", "due", "BLOCK", "0"]);
        assert_eq!(ids(&consumer.read()), ["due"]);
        assert_eq!(other.run("JQ.FULFILL due due x"), Reply::Int(1));
        tally.add("times full", 1);
    }
    assert_eq!(other.run("EXISTS new"), Reply::Int(0));
    assert_eq!(jobs::ids(&mut mail.client, "mail"), mail.there);
    pair.assert_alike(&mut tally);
    mail.limit("0");
    mail.publish(1, "PRIORITY -20");
    let newest = format!("job-{}", mail.given);
    assert_eq!(ids(&mail.client.run("JQ.CONSUME mail")), [newest], "all is as before");
}
