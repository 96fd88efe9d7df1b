//! The examples of the command table answer what the table says, in the form of `redis-cli`.

use jobq_protocol::COMMANDS;

use crate::support::{
    transcript::{likened, printed, words},
    Server,
};

#[test]
fn every_example_answers_as_documented() {
    let server = Server::plain();
    for command in COMMANDS {
        server.run("FLUSHALL");
        let mut client = server.client();
        for example in command.examples {
            let reply = printed(&client.call(&words(example.command)));
            assert!(
                likened(example.reply, &reply).is_some(),
                "an example of {} answers differently\n> {}\n{reply}\ninstead of\n{}",
                command.name,
                example.command,
                example.reply
            );
        }
    }
}
