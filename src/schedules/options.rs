//! The options of a schedule's jobs, as they go behind `JQ.SCHEDULE … SET`.

use jobq_engine::{gates, Conditions, Due, LimitName, Millis, Publish, Unique, Until, Wishes};

use crate::details::Bytes;

/// A list of arguments, and what may be added to it.
#[derive(Default)]
struct Arguments<'a>(Vec<Bytes<'a>>);

impl<'a> Arguments<'a> {
    fn add(&mut self, word: &'a str, values: impl IntoIterator<Item = Bytes<'a>>) {
        self.0.push(word.as_bytes().into());
        self.0.extend(values);
    }

    fn add_bytes(&mut self, word: &'a str, value: Option<&'a [u8]>) {
        if let Some(value) = value {
            self.add(word, [value.into()]);
        }
    }

    fn add_text(&mut self, word: &'a str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.add(word, [text(value)]);
        }
    }
}

fn text<'a>(value: impl ToString) -> Bytes<'a> {
    value.to_string().into_bytes().into()
}

/// The options of a job that were named, in the order of the command.
pub fn of<'a>(publish: &Publish<'a>) -> Vec<Bytes<'a>> {
    let mut all = Arguments::default();
    let Wishes { tries, ttr, ttl, backoff, retain, priority, job_type, group } = publish.wishes;
    all.add_bytes("TYPE", job_type);
    if !publish.headers.is_empty() {
        let pairs = publish.headers.iter().flat_map(|&(name, value)| [name.into(), value.into()]);
        all.add("HEADERS", [text(publish.headers.len())].into_iter().chain(pairs));
    }
    if let Due::In(delay) = publish.due {
        all.add_text("DELAY", Some(delay));
    }
    all.add_text("TTL", ttl);
    all.add_text("TTR", ttr);
    all.add_text("TRIES", tries);
    all.add_text("BACKOFF", backoff);
    all.add_text("RETAIN", retain);
    all.add_text("PRIORITY", priority);
    all.add_bytes("GROUP", group);
    if let Some(conditions) = publish.conditions.as_deref() {
        add_conditions(&mut all, conditions);
    }
    all.0
}

fn add_conditions<'a>(all: &mut Arguments<'a>, conditions: &Conditions<'a>) {
    for wanted in &conditions.uses {
        match wanted.limit {
            LimitName::Named(name) => all.add("USES", [name.into(), text(wanted.weight)]),
            LimitName::Mutex(name) => all.add("MUTEX", [name.into()]),
            // That of its group, which nobody names.
            LimitName::Group(_) => {}
        }
    }
    if let Some(Unique { key, lasts, until, .. }) = conditions.unique {
        all.add("UNIQUE", [key.into()]);
        all.add_text("FOR", Some(lasts).filter(|&lasts| lasts != Millis::ZERO));
        match until {
            Until::Gone => {}
            Until::Done => all.add_text("UNTIL", Some("DONE")),
            Until::Start => all.add_text("UNTIL", Some("START")),
        }
    }
    for clause in &conditions.when {
        all.add("WHEN", [clause.join(&gates::OR).into()]);
    }
    all.add_bytes("BATCH", Some(conditions.batch).filter(|key| !key.is_empty()));
}
