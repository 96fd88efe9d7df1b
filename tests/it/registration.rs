//! What the server knows of the commands is what the table says: names, arities, flags, keys,
//! categories and documentation; and its access control goes by it.

use std::collections::{BTreeMap, BTreeSet};

use jobq_protocol::{Access, Arg, Command, Keys, Kind, COMMANDS};

use crate::{
    replies::names,
    support::{Client, Reply, Server},
};

fn texts(reply: &Reply) -> BTreeSet<String> {
    reply.items().iter().map(Reply::text).collect()
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|word| word.to_string()).collect()
}

/// Nested maps, which RESP2 flattens, as a client of RESP3 sees them.
fn client_of_resp3(server: &Server) -> Client {
    let mut client = server.client();
    client.run("HELLO 3");
    client
}

#[test]
fn the_server_has_the_commands_of_the_table_and_no_others() {
    let server = Server::plain();
    let mut client = server.client();
    let listed = client.run("COMMAND LIST FILTERBY MODULE jobq");
    let table = COMMANDS.iter().map(|command| command.name.to_lowercase());
    assert_eq!(texts(&listed), table.collect());
}

#[test]
fn arity_flags_and_keys_are_those_of_the_table() {
    let server = Server::plain();
    let mut client = client_of_resp3(&server);
    for command in COMMANDS {
        let info = client.call(&["COMMAND", "INFO", command.name]);
        let info = info.items()[0].items();
        assert_eq!(info[0].text(), command.name.to_lowercase());
        assert_eq!(info[1], Reply::Int(command.arity.into()), "{}", command.name);
        assert_eq!(texts(&info[2]), flags(command), "{}", command.name);
        let place = i64::from(command.keys != Keys::None);
        assert_eq!(info[3..6], [place; 3].map(Reply::Int), "{}: first key", command.name);
        let specs: Vec<_> = info[8].items().iter().map(key_spec).collect();
        assert_eq!(specs, key_specs(command), "{}", command.name);
        assert_eq!(info[9], Reply::Array(Vec::new()), "{}: no subcommands", command.name);
    }
}

fn flags(command: &Command) -> BTreeSet<String> {
    let mut flags = vec!["module"];
    flags.extend(match command.access {
        Access::Read => &["readonly"][..],
        Access::Write => &["write"],
        Access::WriteGrowing => &["write", "denyoom"],
    });
    flags.extend(command.fast.then_some("fast"));
    flags.extend(command.blocking.then_some("blocking"));
    flags.extend(command.dangerous.then_some("admin"));
    let are_told = matches!(command.keys, Keys::FirstAndAfter(_) | Keys::FirstIfOdd);
    flags.extend(are_told.then_some("movablekeys"));
    set(&flags)
}

/// Flags, where the search begins, and where it ends.
type KeySpec = (BTreeSet<String>, (String, String), i64);

fn key_spec(spec: &Reply) -> KeySpec {
    let begin = spec.field("begin_search");
    let begun = match begin.field("type").text().as_str() {
        "index" => ("index".into(), begin.field("spec").field("index").int().to_string()),
        _ => {
            let spec = begin.field("spec");
            assert_eq!(spec.field("startfrom"), Reply::Int(2), "the word is searched forward");
            ("keyword".into(), spec.field("keyword").text())
        }
    };
    let found = spec.field("find_keys");
    assert_eq!(found.field("type").text(), "range");
    let found = found.field("spec");
    assert_eq!(found.field("keystep"), Reply::Int(1));
    assert_eq!(found.field("limit"), Reply::Int(0));
    (texts(&spec.field("flags")), begun, found.field("lastkey").int())
}

fn key_specs(command: &Command) -> Vec<KeySpec> {
    let flags = match command.access {
        Access::Read if command.keys == Keys::FirstIfOdd => {
            set(&["RO", "access", "variable_flags"])
        }
        Access::Read => set(&["RO", "access"]),
        Access::Write => set(&["RW", "access", "update"]),
        Access::WriteGrowing => set(&["RW", "insert"]),
    };
    let first = (flags.clone(), ("index".into(), "1".into()), 0);
    let mut specs = if command.keys == Keys::None { Vec::new() } else { vec![first] };
    if let Keys::FirstAndAfter(word) = command.keys {
        specs.push((flags, ("keyword".into(), word.into()), -1));
    }
    specs
}

#[test]
fn the_documentation_is_that_of_the_table() {
    let server = Server::plain();
    let mut client = client_of_resp3(&server);
    for command in COMMANDS {
        let docs = client.call(&["COMMAND", "DOCS", command.name]);
        let docs = docs.field(&command.name.to_lowercase());
        assert_eq!(docs.field("summary").text(), command.summary);
        assert_eq!(docs.field("complexity").text(), command.complexity);
        assert_eq!(docs.field("since").text(), command.since);
        assert_eq!(docs.field("group").text(), "module");
        assert_eq!(docs.field("module").text(), "jobq");
        same_arguments(command.name, &docs.field("arguments"), command.args);
    }
}

#[track_caller]
fn same_arguments(place: &str, docs: &Reply, args: &[Arg]) {
    assert_eq!(docs.items().len(), args.len(), "{place}");
    for (docs, arg) in docs.items().iter().zip(args) {
        let place = format!("{place} {}", arg.name);
        let docs: BTreeMap<_, _> = docs.pairs().into_iter().collect();
        let text = |field: &str| docs.get(field).map(Reply::text);
        assert_eq!(text("name").as_deref(), Some(arg.name), "{place}");
        assert_eq!(text("type").as_deref(), Some(kind(arg.kind)), "{place}");
        assert_eq!(text("token").as_deref(), arg.token, "{place}");
        assert_eq!(text("summary").unwrap_or_default(), arg.about, "{place}");
        // 7.0 does not tell it of arguments; later servers repeat the name where there is none.
        if let (Some(shown), false) = (text("display_text"), matches!(arg.kind, Kind::PureToken)) {
            assert_eq!(shown, arg.display.unwrap_or(arg.name), "{place}");
        }
        let spec = match arg.kind {
            Kind::Key(spec) => Some(Reply::Int(spec as i64)),
            _ => None,
        };
        assert_eq!(docs.get("key_spec_index").cloned(), spec, "{place}");
        let flags = [
            (arg.optional, "optional"),
            (arg.multiple, "multiple"),
            (arg.multiple_token, "multiple_token"),
        ];
        let flags: Vec<_> = flags.iter().filter(|(is, _)| *is).map(|(_, flag)| *flag).collect();
        assert_eq!(docs.get("flags").map(texts).unwrap_or_default(), set(&flags), "{place}");
        match docs.get("arguments") {
            Some(parts) => same_arguments(&place, parts, arg.subargs),
            None => assert!(arg.subargs.is_empty(), "{place}"),
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Key(_) => "key",
        Kind::String => "string",
        Kind::Integer => "integer",
        Kind::UnixTime => "unix-time",
        Kind::PureToken => "pure-token",
        Kind::OneOf => "oneof",
        Kind::Block => "block",
    }
}

#[test]
fn the_server_finds_the_keys_of_every_command() {
    let server = Server::plain();
    let mut client = server.client();
    let mut keys = |line: &str| {
        let found = client.run(&format!("COMMAND GETKEYS {line}"));
        found.items().iter().map(Reply::text).collect::<Vec<_>>()
    };
    for command in COMMANDS.iter().filter(|command| command.keys != Keys::None) {
        let len = command.arity.unsigned_abs().max(2) as usize;
        let mut line = vec![command.name, "q"];
        line.resize(len, "1");
        assert_eq!(keys(&line.join(" ")), ["q"], "{}", command.name);
    }
    assert_eq!(keys("JQ.CONSUME a ALSO b"), ["a", "b"]);
    assert_eq!(keys("JQ.CONSUME a COUNT 3 BLOCK 0 also b c d"), ["a", "b", "c", "d"]);
    assert_eq!(keys("JQ.CONSUME ALSO ALSO b"), ["ALSO", "b"]);
    assert_eq!(keys("JQ.CONSUME a"), ["a"]);
    let hidden = keys("JQ.CONSUME a WORKER ALSO ALSO b");
    assert!(hidden.contains(&"b".into()), "no key escapes: {hidden:?}");
    let hidden = keys("JQ.CONSUME a ALSO b ALSO c");
    assert!(hidden.contains(&"b".into()) && hidden.contains(&"c".into()), "{hidden:?}");
    assert_eq!(keys("JQ.PUBLISH a ALSO ID ALSO"), ["a"], "a body is no key");
}

/// A server with some queues, and a client that is this user.
fn user(rules: &str) -> (Server, Client) {
    let server = Server::plain();
    let mut client = server.client();
    for queue in ["billing:a", "billing:b", "mail"] {
        client.run(&format!("JQ.MPUBLISH {queue} 3 x y z"));
    }
    let set = client.run(&format!("ACL SETUSER someone on nopass {rules}"));
    assert_eq!(set.text(), "OK", "{rules}: {set:?}");
    client.run("AUTH someone x").text();
    (server, client)
}

#[track_caller]
fn allows(client: &mut Client, line: &str) {
    let reply = client.run(line);
    assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
}

#[track_caller]
fn forbids(client: &mut Client, line: &str) {
    let reply = client.run(line);
    assert_eq!(reply.error_word(), "NOPERM", "{line}: {reply:?}");
}

#[test]
fn a_producer_can_be_kept_to_publishing_into_its_queues() {
    let (server, mut client) = user("-@all +jq.publish ~billing:*");
    allows(&mut client, "JQ.PUBLISH billing:a x");
    allows(&mut client, "JQ.PUBLISH billing:new x");
    for line in [
        "JQ.PUBLISH mail x",
        "JQ.MPUBLISH billing:a 1 x",
        "JQ.CONSUME billing:a",
        "JQ.PEEK billing:a",
        "JQ.DELETE billing:a a",
        "JQ.CANCEL billing:a a",
        "JQ.APPLY billing:a steps",
        "DEL billing:a",
    ] {
        forbids(&mut client, line);
    }
    assert_eq!(server.run("JQ.LEN mail"), Reply::Int(3));
    assert_eq!(server.run("JQ.LEN billing:a"), Reply::Int(4));
}

#[test]
fn key_patterns_hold_for_the_further_queues_too() {
    let (server, mut client) = user("+@all ~billing:*");
    allows(&mut client, "JQ.CONSUME billing:a ALSO billing:b");
    for line in [
        "JQ.CONSUME mail",
        "JQ.CONSUME billing:a ALSO mail",
        "JQ.CONSUME billing:a also billing:b mail",
        "JQ.CONSUME billing:a WORKER ALSO ALSO mail",
        "JQ.CONSUME billing:a BLOCK 0 ALSO billing:b mail billing:c",
    ] {
        forbids(&mut client, line);
    }
    assert_eq!(server.run("JQ.LEN mail ready"), Reply::Int(3));
    assert_eq!(server.run("JQ.LEN billing:a ready"), Reply::Int(2));
}

#[test]
fn who_may_only_read_a_key_can_look_but_not_take() {
    let (_server, mut client) = user("+@all %R~billing:*");
    for line in
        ["JQ.PEEK billing:a", "JQ.LEN billing:a", "JQ.STATS billing:a", "JQ.DIGEST billing:a"]
    {
        allows(&mut client, line);
    }
    for line in [
        "JQ.CONSUME billing:a",
        "JQ.CONSUME billing:a ALSO billing:b",
        "JQ.PUBLISH billing:a x",
        "JQ.ACK billing:a x",
        "JQ.KICK billing:a COUNT 1",
        "JQ.CONFIG billing:a SET tries 3",
        "JQ.PEEK mail",
    ] {
        forbids(&mut client, line);
    }
}

#[test]
fn who_may_only_write_a_key_can_publish_but_not_look() {
    let (_server, mut client) = user("+@all %W~billing:*");
    allows(&mut client, "JQ.PUBLISH billing:a x");
    allows(&mut client, "JQ.MPUBLISH billing:a 2 x y");
    for line in ["JQ.CONSUME billing:a", "JQ.PEEK billing:a", "JQ.LEN billing:a"] {
        forbids(&mut client, line);
    }
}

#[test]
fn a_consumer_that_waits_needs_no_more_rights_when_it_is_served() {
    let (server, mut client) = user("-@all +jq.consume ~billing:*");
    client.send(&"JQ.CONSUME billing:new BLOCK 0".split(' ').collect::<Vec<_>>());
    server.wait_for_blocked(1);
    server.run("JQ.PUBLISH billing:new x ID a");
    assert_eq!(names(&client.read()), ["a@1"]);
}

#[test]
fn a_script_has_the_rights_of_its_user() {
    let (_server, mut client) = user("+@all -jq.delete ~billing:*");
    let mut eval = |call: &str| {
        let script = format!("return redis.call({call})");
        client.call(&["EVAL", &script, "0"])
    };
    assert!(!matches!(eval("'JQ.PUBLISH', 'billing:a', 'x'"), Reply::Error(_)));
    assert!(matches!(eval("'JQ.PUBLISH', 'mail', 'x'"), Reply::Error(_)));
    assert!(matches!(eval("'JQ.DELETE', 'billing:a', 'x'"), Reply::Error(_)));
}

/// The categories of a command in `COMMAND INFO`.
fn categories(client: &mut Client, name: &str) -> BTreeSet<String> {
    let info = client.call(&["COMMAND", "INFO", name]);
    let categories = texts(&info.items()[0].items()[6]);
    categories.iter().map(|category| category.trim_start_matches('@').to_string()).collect()
}

#[test]
fn commands_are_in_the_categories_of_the_table_where_the_server_lets_modules_have_any() {
    let server = Server::plain();
    let mut client = server.client();
    let listed = texts(&client.run("ACL CAT"));
    for command in COMMANDS {
        let told = categories(&mut client, command.name);
        if listed.contains("jobqueue") {
            let table = command.categories();
            assert_eq!(told, table.split(' ').map(String::from).collect(), "{}", command.name);
        } else {
            assert!(told.is_empty(), "{}: {told:?}", command.name);
        }
    }
    let answer = client.run("ACL CAT jobqueue");
    if listed.contains("jobqueue") {
        let public = COMMANDS.iter().filter(|command| !command.dangerous);
        let public = public.map(|command| command.name.to_lowercase()).collect();
        assert_eq!(texts(&answer), public);
    } else {
        assert!(matches!(answer, Reply::Error(_)), "{answer:?}");
    }
}

#[test]
fn a_user_can_be_given_categories_where_the_server_lets_modules_have_any() {
    let server = Server::plain();
    let mut client = server.client();
    let has_categories = texts(&client.run("ACL CAT")).contains("jobqueue");
    client.run("JQ.PUBLISH mail x");
    let mut may = |rules: &str, line: &str| {
        client.run("ACL DELUSER someone");
        client.run(&format!("ACL SETUSER someone {rules} ~*")).text();
        let call =
            [&["ACL", "DRYRUN", "someone"], &line.split(' ').collect::<Vec<_>>()[..]].concat();
        client.call(&call).text() == "OK"
    };
    let mut checked = |rules: &str, line: &str, allowed: bool| {
        // Without categories of their own, commands of modules are in none but `@all`.
        let is_all = rules.contains("+@all");
        let expected = if has_categories { allowed } else { is_all };
        assert_eq!(may(rules, line), expected, "{rules}: {line}");
    };
    checked("-@all +@write", "JQ.PUBLISH mail x", true);
    checked("-@all +@write", "JQ.CONSUME mail", true);
    checked("-@all +@write", "JQ.PEEK mail", false);
    checked("-@all +@write", "JQ.APPLY mail steps", false);
    checked("-@all +@read", "JQ.PEEK mail", true);
    checked("-@all +@read", "JQ.ACK mail a", false);
    checked("+@all -@blocking", "JQ.CONSUME mail", false);
    checked("+@all -@dangerous", "JQ.LOAD mail frame", false);
    checked("+@all -@dangerous", "JQ.KICK mail COUNT 1", true);
    checked("-@all +@fast", "JQ.ACK mail a", true);
    checked("-@all +@fast", "JQ.DIGEST mail", false);
}
