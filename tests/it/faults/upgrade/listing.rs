//! What is in the queues of a server, as text.

use std::fmt::Write;

use crate::support::{likeness::digests, Client, Reply, Server};

/// The digests of all queues, and all that can be told of them.
pub fn describe(server: &Server) -> (String, String) {
    let (mut lines, mut listing) = (String::new(), String::new());
    let mut client = server.client();
    for ((db, name), [digest, _]) in digests(server) {
        client.run(&format!("SELECT {db}"));
        writeln!(lines, "{db} {name} {digest}").expect("a string takes all");
        writeln!(listing, "queue {name} of database {db}").expect("a string takes all");
        listing.push_str(&queue(&mut client, &name));
    }
    (lines, listing)
}

fn queue(client: &mut Client, name: &str) -> String {
    let mut text = String::new();
    let mut ask = |line: &str| client.run(&line.replace('~', name));
    text.push_str(&format!("  settings{}\n", fields(&ask("JQ.CONFIG ~ GET"))));
    text.push_str(&format!("  statistics{}\n", fields(&ask("JQ.STATS ~"))));
    for state in ["delayed", "held", "gathering", "ready", "leased", "completed", "dead"] {
        let page = ask(&format!("JQ.LIST ~ {state} COUNT 10000"));
        assert_eq!(page.items()[0].text(), "0", "there is one page");
        for job in page.items()[1].items() {
            text.push_str(&format!("  job{}\n", fields(job)));
        }
    }
    text
}

/// The fields that are not null. How much memory is taken is nobody's promise.
fn fields(map: &Reply) -> String {
    let told =
        map.pairs().into_iter().filter(|(name, value)| name != "bytes" && !value.is_nothing());
    told.map(|(name, value)| format!(" {name}={}", shown(&value))).collect()
}

fn shown(value: &Reply) -> String {
    match value {
        Reply::Int(n) => n.to_string(),
        Reply::Bulk(bytes) => bytes.escape_ascii().to_string(),
        Reply::Array(items) => {
            format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" "))
        }
        other => panic!("not a value: {other:?}"),
    }
}
