//! `docs/commands.md`, printed from the tables. A test compares the two.

use crate::{
    causes::{CAUSES, EVENT_FIELDS},
    command::Command,
    error::ErrorWord,
    job_fields::JOB_FIELDS,
    settings::{KEYED_SETTINGS, SETTINGS},
    stats,
    syntax::{Arg, Kind},
    table::COMMANDS,
    worker_fields,
};

const INTRO: &str = include_str!("docs/intro.md");
const EVENTS: &str = include_str!("docs/events.md");
const NOTICES: &str = include_str!("docs/notices.md");

/// The whole page.
#[must_use]
pub fn commands_md() -> String {
    let (internal, public): (Vec<_>, Vec<_>) =
        COMMANDS.iter().partition(|command| command.internal);
    let mut page = String::from(INTRO);
    page.push_str(&index(&public));
    page.extend(public.into_iter().map(section));
    page.push_str(&settings());
    page.push_str(&statistics());
    page.push_str(&job_fields());
    page.push_str(&worker_fields());
    page.push_str(&events());
    page.push_str(NOTICES);
    page.push_str(&errors());
    page.push_str(
        "\n## Internal commands\n\nThese are what a primary tells its replicas and its log. They \
         are documented for those who read the log; a client that sends one is refused with \
         `NOPERM`.\n",
    );
    page.extend(internal.into_iter().map(section));
    page
}

fn index(commands: &[&Command]) -> String {
    let mut text = String::from("\n## Commands\n\n| command | summary |\n|---|---|\n");
    for command in commands {
        let anchor = command.name.to_lowercase().replace('.', "");
        text += &format!("| [`{}`](#{anchor}) | {} |\n", command.name, command.summary);
    }
    text
}

fn section(command: &Command) -> String {
    let mut text = format!(
        "\n### {}\n\n```text\n{}\n```\n\n{}\n\n",
        command.name,
        command.syntax(),
        command.summary
    );
    if command.internal {
        text += "**Internal.** Not for clients.\n\n";
    }
    let is_queue = |arg: &&Arg| matches!(arg.kind, Kind::Key(0));
    let options: String = command.args.iter().skip_while(is_queue).map(option).collect();
    if !options.is_empty() {
        text += &format!("{options}\n");
    }
    text += &format!("- **Reply.** {}\n", command.reply);
    text += &format!("- **Complexity.** {}.\n", command.complexity);
    for (word, when) in command.errors {
        text += &format!("- **`{}`** if {when}.\n", word.word());
    }
    text += &format!("- **Since** {}. **Categories:** {}.\n", command.since, command.categories());
    command.notes.iter().for_each(|note| text += &format!("\n{note}\n"));
    if !command.examples.is_empty() {
        text += "\n```text\n";
        for example in command.examples {
            text += &format!("> {}\n{}\n", example.command, example.reply);
        }
        text += "```\n";
    }
    text
}

fn option(arg: &Arg) -> String {
    if arg.about.is_empty() {
        return arg.subargs.iter().map(option).collect();
    }
    let range = arg.range.map(|range| format!(" Range: {range}.")).unwrap_or_default();
    format!("- `{}`: {}{range}\n", arg.once(), arg.about)
}

fn settings() -> String {
    let mut text = String::from(
        "\n## Settings\n\nOf one queue, with `JQ.CONFIG`.\n\n\
         | name | value | range | default | meaning |\n|---|---|---|---|---|\n",
    );
    for spec in SETTINGS {
        let range = spec.range.map(|range| range.to_string()).unwrap_or_default();
        let zero = spec.zero.map(|zero| format!("; 0: {zero}")).unwrap_or_default();
        let value = spec.value.replace('|', "\\|");
        text += &format!(
            "| `{}` | `{value}` | {range}{zero} | `{}` | {} |\n",
            spec.name, spec.default, spec.meaning
        );
    }
    for spec in KEYED_SETTINGS {
        text += &format!(
            "| `{}<key>` | `{}` | {} | `{}` | {} |\n",
            spec.name, spec.value, spec.range, spec.default, spec.meaning
        );
    }
    text
}

fn statistics() -> String {
    let text = String::from(
        "\n## Statistics\n\nThe fields of `JQ.STATS`. What is not said to be now is counted since \
         the queue was made.\n\n| field | meaning |\n|---|---|\n",
    );
    text + &rows(stats::FIELDS)
}

fn job_fields() -> String {
    let text = String::from(
        "\n## Job fields\n\nThe fields of `JQ.JOB`, of `JQ.LIST`, and of `JQ.CONSUME` with \
         `DETAILS`. Instants are in milliseconds since the epoch.\
         \n\n| field | meaning |\n|---|---|\n",
    );
    text + &rows(JOB_FIELDS)
}

fn worker_fields() -> String {
    let text = String::from(
        "\n## Worker fields\n\nThe fields of `JQ.WORKERS`. Instants are in milliseconds since the \
         epoch.\n\n| field | meaning |\n|---|---|\n",
    );
    text + &rows(worker_fields::FIELDS)
}

fn events() -> String {
    let text = String::from(EVENTS) + "\n| field of an event | meaning |\n|---|---|\n";
    let text = text + &rows(EVENT_FIELDS) + "\n| event | meaning |\n|---|---|\n";
    text + &rows(CAUSES)
}

fn rows(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, meaning)| format!("| `{name}` | {meaning} |\n")).collect()
}

fn errors() -> String {
    let mut text = String::from("\n## Error words\n\n| word | when | from |\n|---|---|---|\n");
    for word in ErrorWord::ALL {
        let from = if word.is_common() { "any command" } else { "those that say so" };
        text += &format!("| `{}` | {} | {from} |\n", word.word(), word.when());
    }
    text += "\nToo few arguments are the server's own error: `ERR wrong number of arguments`.\n";
    text
}

#[cfg(test)]
mod tests;
