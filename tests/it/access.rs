//! Who may do what: the recipes of docs/operations.md, read out of it and given to real users. A
//! recipe allows the commands of its work on its own queues, and nothing else in any way.

use jobq_protocol::{Access, CommandId, Keys, COMMANDS};

use crate::{
    replies::{bodies, names, ok, told},
    support::{Client, Reply, Server},
};

use Role::{Operator, Producer, Reader, Worker};

/// Whom the recipes are for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Producer,
    Worker,
    Operator,
    Reader,
}

const ROLES: [Role; 4] = [Producer, Worker, Operator, Reader];

/// Who may use a command, and a line that does. `QUEUE` stands for the queue, which is [`fill`]ed.
/// A new command is given its place here, and its rights in docs/operations.md.
fn place(command: CommandId) -> (&'static [Role], &'static str) {
    match command {
        CommandId::Publish => (&[Producer, Operator], "JQ.PUBLISH QUEUE x"),
        CommandId::MPublish => (&[Producer, Operator], "JQ.MPUBLISH QUEUE 2 x y"),
        CommandId::Call => (&[Producer, Operator], "JQ.CALL QUEUE x WAIT 1"),
        CommandId::Consume => (&[Worker, Operator], "JQ.CONSUME QUEUE COUNT 2 WORKER postman"),
        CommandId::Ack => (&[Worker, Operator], "JQ.ACK QUEUE leased"),
        CommandId::Fulfill => (&[Worker, Operator], "JQ.FULFILL QUEUE leased 42"),
        CommandId::Nack => (&[Worker, Operator], "JQ.NACK QUEUE leased ERROR oops"),
        CommandId::Release => (&[Worker, Operator], "JQ.RELEASE QUEUE leased"),
        CommandId::Bury => (&[Worker, Operator], "JQ.BURY QUEUE leased"),
        CommandId::Touch => (&[Worker, Operator], "JQ.TOUCH QUEUE leased"),
        CommandId::Subscribe => (&[Producer, Operator], "JQ.SUBSCRIBE QUEUE ready ada"),
        CommandId::Unsubscribe => (&[Producer, Operator], "JQ.UNSUBSCRIBE QUEUE ready ada"),
        CommandId::Notices => (&[Worker, Operator], "JQ.NOTICES QUEUE"),
        CommandId::Delivered => (&[Worker, Operator], "JQ.DELIVERED QUEUE leased@1 ada"),
        CommandId::Update => (&[Operator], "JQ.UPDATE QUEUE ready BODY y"),
        CommandId::Kick => (&[Operator], "JQ.KICK QUEUE ID delayed"),
        CommandId::Respawn => (&[Operator], "JQ.RESPAWN QUEUE ID dead"),
        CommandId::Delete => (&[Operator], "JQ.DELETE QUEUE ready"),
        CommandId::Cancel => (&[Operator], "JQ.CANCEL QUEUE delayed"),
        CommandId::Purge => (&[Operator], "JQ.PURGE QUEUE dead"),
        CommandId::Pause => (&[Operator], "JQ.PAUSE QUEUE"),
        CommandId::Resume => (&[Operator], "JQ.RESUME QUEUE"),
        CommandId::Gate => (&[Operator], "JQ.GATE QUEUE OPEN night"),
        CommandId::Batch => (&[Operator], "JQ.BATCH QUEUE FIRE ada"),
        CommandId::Config => (&[Operator], "JQ.CONFIG QUEUE SET tries 3"),
        CommandId::Schedule => (&[Operator], "JQ.SCHEDULE QUEUE SET tick x EVERY 3600000"),
        CommandId::Limit => (&[Operator], "JQ.LIMIT QUEUE SET smtp CONCURRENCY 2"),
        CommandId::Peek => (&[Operator, Reader], "JQ.PEEK QUEUE COUNT 10"),
        CommandId::Job => (&[Operator, Reader], "JQ.JOB QUEUE ready"),
        CommandId::List => (&[Operator, Reader], "JQ.LIST QUEUE ready"),
        CommandId::Result => (&[Producer, Operator, Reader], "JQ.RESULT QUEUE ready"),
        CommandId::Len => (&[Operator, Reader], "JQ.LEN QUEUE"),
        CommandId::Events => (&[Operator, Reader], "JQ.EVENTS QUEUE SINCE 0"),
        CommandId::Stats => (&[Operator, Reader], "JQ.STATS QUEUE"),
        CommandId::Digest => (&[Operator, Reader], "JQ.DIGEST QUEUE"),
        CommandId::Queues => (&[Operator, Reader], "JQ.QUEUES MATCH *"),
        CommandId::Workers => (&[Operator, Reader], "JQ.WORKERS QUEUE"),
        CommandId::Worker => (&[Operator], "JQ.WORKER RESUME postman"),
        CommandId::Debug => (&[], "JQ.DEBUG QUEUE PANIC"),
        // One step, a tick.
        CommandId::Apply => (&[], "JQ.APPLY QUEUE \x01\x01\x05\x64"),
        CommandId::Load => (&[], "JQ.LOAD QUEUE frame"),
    }
}

/// Every command of the table once: a line that uses it on `queue`, and who may say it if the queue
/// is his.
fn lines(queue: &str) -> impl Iterator<Item = (String, &'static [Role])> + '_ {
    COMMANDS.iter().map(move |command| {
        let (roles, line) = place(command.id);
        assert_eq!(line.split(' ').next(), Some(command.name));
        (naming(line, queue), roles)
    })
}

/// A line of [`place`] about this queue.
fn naming(line: &str, queue: &str) -> String {
    line.replace(" QUEUE", &format!(" {queue}"))
}

/// The same, but for the commands that name no queue.
fn lines_with_a_queue(queue: &str) -> impl Iterator<Item = (String, &'static [Role])> + '_ {
    lines(queue).filter(move |(line, _)| line.split(' ').any(|word| word == queue))
}

/// The tables in the section Access of docs/operations.md, each with who may do what by which rules:
/// command by command, and by category.
fn documented() -> Vec<Vec<(&'static str, &'static str)>> {
    let text = include_str!("../../docs/operations.md");
    let (_, section) = text.split_once("\n## Access\n").expect("there is a section on access");
    let section = section.split("\n## ").next().unwrap_or(section);
    let paragraphs = section.split("\n\n").filter(|text| text.starts_with('|'));
    paragraphs.map(|table| table.lines().skip(2).map(recipe).collect()).collect()
}

/// A row of such a table: `| a producer | `+jq.publish ~billing:*` |`.
fn recipe(row: &'static str) -> (&'static str, &'static str) {
    let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
    let [who, rules] = cells[..] else { panic!("not two cells: {row}") };
    let rules = rules.strip_prefix('`').and_then(|rules| rules.strip_suffix('`'));
    (who, rules.unwrap_or_else(|| panic!("not only rules: {row}")))
}

impl Role {
    /// As the documentation calls it.
    fn who(self) -> &'static str {
        match self {
            Producer => "a producer",
            Worker => "a worker",
            Operator => "an operator",
            Reader => "a reader",
        }
    }

    /// The user's name.
    fn user(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn rules(self) -> &'static str {
        let tables = documented();
        let found = tables[0].iter().find(|(who, _)| *who == self.who());
        found.unwrap_or_else(|| panic!("no recipe for {}", self.who())).1
    }
}

#[track_caller]
fn set_user(client: &mut Client, name: &str, rules: &str) {
    assert_eq!(client.run(&format!("ACL SETUSER {name} on >secret {rules}")), ok(), "{rules}");
}

/// A server that has a user for each role, made by its recipe and `more`.
fn server_with_roles(more: &str) -> Server {
    let server = Server::plain();
    for role in ROLES {
        let rules = format!("{} {more}", role.rules());
        set_user(&mut server.client(), &role.user(), rules.trim());
    }
    server
}

/// Two new connections of a user: one of RESP2 and one of RESP3.
#[track_caller]
fn logins(server: &Server, name: &str) -> [Client; 2] {
    let login = |line: &str| {
        let mut client = server.client();
        let answer = client.run(line);
        assert!(!matches!(answer, Reply::Error(_)), "{line}: {answer:?}");
        client
    };
    [login(&format!("AUTH {name} secret")), login(&format!("HELLO 3 AUTH {name} secret"))]
}

/// Everybody twice: on RESP2 and on RESP3.
fn everybody(server: &Server) -> Vec<(Role, Client)> {
    let of = |role: Role| logins(server, &role.user()).map(|client| (role, client));
    ROLES.into_iter().flat_map(of).collect()
}

/// Makes this the only queue, with one job in each state, named after it.
fn fill(client: &mut Client, queue: &str) {
    client.run("FLUSHALL");
    for line in [
        "JQ.PUBLISH QUEUE x ID leased",
        "JQ.CONSUME QUEUE TTR 600000",
        "JQ.PUBLISH QUEUE x ID ready",
        "JQ.PUBLISH QUEUE x ID delayed DELAY 600000",
        "JQ.PUBLISH QUEUE x ID dead",
        "JQ.BURY QUEUE dead",
        "JQ.CONFIG QUEUE SET events 9",
    ] {
        let answer = client.run(&line.replace("QUEUE", queue));
        assert!(!matches!(answer, Reply::Error(_)), "{line}: {answer:?}");
    }
}

/// Whether an answer is a refusal for want of rights. There is to be no other error.
#[track_caller]
fn is_refused(place: &str, answer: &Reply) -> bool {
    match answer {
        Reply::Error(_) => {
            assert_eq!(answer.error_word(), "NOPERM", "{place}: {answer:?}");
            true
        }
        _ => false,
    }
}

#[track_caller]
fn forbids(client: &mut Client, line: &str) {
    let answer = client.run(line);
    assert!(is_refused(line, &answer), "{line}: {answer:?}");
}

/// What the server says that a user may do, without doing it.
fn may(server: &Server, user: &str, line: &str) -> bool {
    server.run(&format!("ACL DRYRUN {user} {line}")).text() == "OK"
}

/// Names like that of a billing queue which are not of its pattern.
const FOREIGN: [&str; 4] = ["mail", "billing", "Billing:a", "my:billing:a"];

#[test]
fn the_documentation_has_one_recipe_for_each_role() {
    let tables = documented();
    assert_eq!(tables.len(), 2, "command by command, and by category");
    let roles: Vec<_> = tables[0].iter().map(|(who, _)| *who).collect();
    assert_eq!(roles, ROLES.map(Role::who));
    let by_category: Vec<_> = tables[1].iter().map(|(who, _)| *who).collect();
    assert_eq!(by_category, [Operator, Reader].map(Role::who));
}

#[test]
fn public_commands_are_for_somebody_and_the_others_for_nobody() {
    for command in COMMANDS {
        let is_public = !command.internal && !command.dangerous;
        assert_eq!(place(command.id).0.is_empty(), !is_public, "{}", command.name);
    }
}

#[test]
fn each_role_may_use_the_commands_of_its_work_and_no_others() {
    let server = server_with_roles("");
    for (role, mut client) in everybody(&server) {
        keeps_to_its_work(&server, role, &mut client);
    }
}

/// Checks a client against [`place`], whatever the rules that made its user.
#[track_caller]
fn keeps_to_its_work(server: &Server, role: Role, client: &mut Client) {
    let mut admin = server.client();
    for (line, roles) in lines("billing:a") {
        fill(&mut admin, "billing:a");
        let before = told(&mut admin, "billing:a");
        let answer = client.run(&line);
        let refused = is_refused(&line, &answer);
        assert_eq!(refused, !roles.contains(&role), "{role:?}: {line}: {answer:?}");
        if refused {
            assert_eq!(told(&mut admin, "billing:a"), before, "{role:?}: {line}");
        }
    }
}

#[test]
fn no_role_may_use_a_queue_that_is_not_its_own() {
    let server = server_with_roles("");
    let mut admin = server.client();
    for queue in FOREIGN {
        fill(&mut admin, queue);
        let before = told(&mut admin, queue);
        for (_, mut client) in everybody(&server) {
            for (line, _) in lines_with_a_queue(queue) {
                forbids(&mut client, &line);
            }
        }
        assert_eq!(told(&mut admin, queue), before);
    }
}

#[test]
fn no_role_is_given_commands_of_the_server_itself() {
    let server = server_with_roles("");
    let mut admin = server.client();
    fill(&mut admin, "billing:a");
    let before = told(&mut admin, "billing:a");
    for (_, mut client) in everybody(&server) {
        for line in [
            "DEL billing:a",
            "RENAME billing:a billing:b",
            "COPY billing:a billing:b",
            "DUMP billing:a",
            "EXPIRE billing:a 1",
            "SET billing:b x",
            "KEYS *",
            "SCAN 0",
            "FLUSHALL",
            "CONFIG GET *",
            "ACL LIST",
            "MULTI",
            "EVAL return 0",
            "MONITOR",
            "MODULE LIST",
            "DEBUG RELOAD",
        ] {
            forbids(&mut client, line);
        }
    }
    assert_eq!(told(&mut admin, "billing:a"), before);
}

#[test]
fn internal_commands_are_for_no_role_even_with_all_commands() {
    let server = server_with_roles("+@all");
    let mut admin = server.client();
    fill(&mut admin, "billing:a");
    let before = told(&mut admin, "billing:a");
    for command in COMMANDS.iter().filter(|command| command.internal || command.dangerous) {
        let line = place(command.id).1;
        for (_, mut client) in everybody(&server) {
            forbids(&mut client, &line.replace("QUEUE", "billing:a"));
        }
    }
    assert_eq!(told(&mut admin, "billing:a"), before);
}

#[test]
fn a_reader_changes_nothing_even_with_all_commands() {
    let server = server_with_roles("+@all");
    let mut admin = server.client();
    fill(&mut admin, "billing:a");
    let before = told(&mut admin, "billing:a");
    for mut client in logins(&server, &Reader.user()) {
        for command in COMMANDS {
            let line = naming(place(command.id).1, "billing:a");
            let answer = client.run(&line);
            // Without a key there is nothing that a pattern could keep from it.
            let is_write = command.access != Access::Read && command.keys != Keys::None;
            assert_eq!(is_refused(&line, &answer), is_write, "{line}: {answer:?}");
        }
        forbids(&mut client, "JQ.CONSUME billing:a ALSO billing:b");
        forbids(&mut client, "DEL billing:a");
    }
    assert_eq!(told(&mut admin, "billing:a"), before);
}

#[test]
fn a_consumer_reaches_no_other_queue_through_also() {
    let server = server_with_roles("");
    let mut admin = server.client();
    for role in [Worker, Operator] {
        for mut client in logins(&server, &role.user()) {
            fill(&mut admin, "mail");
            admin.run("JQ.PUBLISH billing:b x ID b");
            for line in [
                "JQ.CONSUME billing:a ALSO mail",
                "JQ.CONSUME billing:a also billing:b mail",
                "JQ.CONSUME billing:a COUNT 10 WORKER ALSO ALSO mail",
                "JQ.CONSUME billing:a BLOCK 0 ALSO billing:b mail billing:c",
                "JQ.CONSUME mail ALSO billing:b",
            ] {
                forbids(&mut client, line);
                let user = role.user();
                assert!(!may(&server, &user, line), "{user}: {line}");
            }
            assert_eq!(admin.run("JQ.LEN mail ready"), Reply::Int(1));
            assert_eq!(admin.run("JQ.LEN billing:b ready"), Reply::Int(1));
            let taken = client.run("JQ.CONSUME billing:a ALSO billing:b billing:c");
            assert_eq!(names(&taken), ["b@1"]);
        }
    }
}

#[test]
fn a_worker_waits_for_a_job_and_settles_it_without_further_rights() {
    let server = server_with_roles("");
    let mut admin = server.client();
    for mut client in logins(&server, &Worker.user()) {
        for (line, queue) in [
            ("JQ.CONSUME billing:a BLOCK 0", "billing:a"),
            ("JQ.CONSUME billing:a BLOCK 0 ALSO billing:b", "billing:b"),
        ] {
            client.send(&line.split(' ').collect::<Vec<_>>());
            server.wait_for_blocked(1);
            admin.run(&format!("JQ.PUBLISH {queue} hello ID a"));
            let taken = client.read();
            assert_eq!(bodies(&taken), ["hello"]);
            let receipt = &names(&taken)[0];
            assert_eq!(client.run(&format!("JQ.ACK {queue} {receipt}")), Reply::Int(1));
        }
    }
}

#[test]
fn in_a_transaction_a_forbidden_command_is_refused_when_queued_and_nothing_is_done() {
    let server = server_with_roles("+multi +exec");
    let mut admin = server.client();
    let tried = |role: Role, client: &mut Client, line: &str, expected: bool| {
        assert_eq!(client.run("MULTI"), ok());
        let queued = client.run(line);
        assert_eq!(is_refused(line, &queued), !expected, "{role:?}: {line}: {queued:?}");
        let done = client.run("EXEC");
        if expected {
            let answer = &done.items()[0];
            assert!(!is_refused(line, answer), "{role:?}: {line}: {answer:?}");
        } else {
            assert_eq!(done.error_word(), "EXECABORT", "{role:?}: {line}");
        }
    };
    for (role, mut client) in everybody(&server) {
        for (line, roles) in lines("billing:a") {
            fill(&mut admin, "billing:a");
            tried(role, &mut client, &line, roles.contains(&role));
        }
        fill(&mut admin, "mail");
        let before = told(&mut admin, "mail");
        for (line, _) in lines_with_a_queue("mail") {
            tried(role, &mut client, &line, false);
        }
        assert_eq!(told(&mut admin, "mail"), before, "{role:?}");
    }
    for mut client in logins(&server, &Producer.user()) {
        admin.run("FLUSHALL");
        client.run("MULTI");
        client.run("JQ.PUBLISH billing:a x");
        forbids(&mut client, "JQ.PUBLISH mail x");
        assert_eq!(client.run("EXEC").error_word(), "EXECABORT");
        assert_eq!(admin.run("DBSIZE"), Reply::Int(0), "not even what is allowed is done");
    }
}

#[test]
fn a_right_that_is_taken_while_a_transaction_is_queued_is_gone_when_it_runs() {
    let server = server_with_roles("+multi +exec");
    let mut admin = server.client();
    for mut client in logins(&server, &Producer.user()) {
        client.run("MULTI");
        client.run("JQ.PUBLISH billing:a x").text();
        set_user(&mut admin, &Producer.user(), "-jq.publish");
        let done = client.run("EXEC");
        assert!(is_refused("JQ.PUBLISH", &done.items()[0]), "{done:?}");
        assert_eq!(admin.run("EXISTS billing:a"), Reply::Int(0));
        set_user(&mut admin, &Producer.user(), "+jq.publish");
    }
}

#[test]
fn a_script_may_do_what_its_user_may_and_no_more() {
    let server = server_with_roles("+eval");
    let mut admin = server.client();
    // The queue is not declared: then it is the call that is refused and not the script.
    let script = "return redis.call(unpack(ARGV))";
    let tried = |client: &mut Client, line: &str| {
        let call = [&["EVAL", script, "0"], &line.split(' ').collect::<Vec<_>>()[..]].concat();
        client.call(&call)
    };
    for (role, mut client) in everybody(&server) {
        for (line, roles) in lines("billing:a") {
            fill(&mut admin, "billing:a");
            let answer = tried(&mut client, &line);
            let refused = is_refused_to_script(&line, &answer);
            assert_eq!(refused, !roles.contains(&role), "{role:?}: {line}: {answer:?}");
        }
        fill(&mut admin, "mail");
        let before = told(&mut admin, "mail");
        for (line, _) in lines_with_a_queue("mail") {
            let answer = tried(&mut client, &line);
            assert!(is_refused_to_script(&line, &answer), "{role:?}: {line}: {answer:?}");
        }
        let declared = client.call(&["EVAL", script, "1", "mail", "JQ.LEN", "mail"]);
        assert!(is_refused("EVAL", &declared), "{declared:?}");
        assert_eq!(told(&mut admin, "mail"), before, "{role:?}");
    }
}

/// The same as [`is_refused`] for a call in a script, where the servers have words of their own.
#[track_caller]
fn is_refused_to_script(place: &str, answer: &Reply) -> bool {
    let Reply::Error(error) = answer else { return false };
    let words = ["The user executing the script can't", "ACL failure in script"];
    assert!(words.iter().any(|words| error.contains(words)), "{place}: {error}");
    true
}

#[test]
fn the_server_tells_beforehand_what_it_will_allow() {
    let server = server_with_roles("");
    for role in ROLES {
        let user = role.user();
        for (line, roles) in lines("billing:a") {
            assert_eq!(may(&server, &user, &line), roles.contains(&role), "{user}: {line}");
        }
        for queue in FOREIGN {
            for (line, _) in lines_with_a_queue(queue) {
                assert!(!may(&server, &user, &line), "{user}: {line}");
            }
        }
    }
}

#[test]
fn the_commands_that_clients_send_by_themselves_can_be_allowed_on_top() {
    let server = server_with_roles("+ping");
    for (role, mut client) in everybody(&server) {
        assert_eq!(client.run("PING").text(), "PONG");
        let set = server.run(&format!("ACL SETUSER {} +client|setinfo", role.user()));
        // Redis 7.0 has no such command.
        if set == ok() {
            assert_eq!(client.run("CLIENT SETINFO lib-name x"), ok());
        }
        forbids(&mut client, "CLIENT LIST");
    }
}

#[test]
fn recipes_by_category_allow_the_same_where_the_server_has_our_category() {
    let server = Server::plain();
    let mut admin = server.client();
    let categories = admin.run("ACL CAT");
    let has_category = categories.items().iter().any(|category| category.text() == "jobqueue");
    for (role, (_, rules)) in [Operator, Reader].into_iter().zip(&documented()[1]) {
        if !has_category {
            let refused = admin.run(&format!("ACL SETUSER someone on >secret {rules}"));
            assert!(matches!(refused, Reply::Error(_)), "{refused:?}");
            continue;
        }
        // What is dangerous is in no category of ours, so nothing changes without it.
        for rules in [rules.to_string(), format!("{rules} -@dangerous")] {
            set_user(&mut admin, &role.user(), &format!("reset on >secret {rules}"));
            for mut client in logins(&server, &role.user()) {
                keeps_to_its_work(&server, role, &mut client);
                for (line, _) in FOREIGN.into_iter().flat_map(lines_with_a_queue) {
                    forbids(&mut client, &line);
                }
            }
        }
    }
}

#[test]
fn a_worker_may_be_let_say_who_it_is_and_not_what_others_are_to_do() {
    let server = Server::plain();
    let mut client = server.client();
    client.run("JQ.CONSUME billing:a WORKER clerk");
    set_user(&mut client, "anna", "+jq.worker|set");
    for mut worker in logins(&server, "anna") {
        assert!(worker.run("JQ.WORKER SET anna").is_nothing());
        forbids(&mut worker, "JQ.WORKER STOP clerk");
        forbids(&mut worker, "JQ.WORKERS");
    }
}
