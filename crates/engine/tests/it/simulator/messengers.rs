//! Subscribers, and those who tell them.

use std::collections::BTreeMap;

use crate::command::{Answer, Command};

/// What subscribers and messengers know. A target subscribes once, so each is to be told once.
#[derive(Default)]
pub struct Messengers {
    drawn: u64,
    /// Who waits to be told, by the record that holds the subscription.
    awaited: BTreeMap<Vec<u8>, u64>,
    /// Of whom the queue knows that they were told, by the record that says so.
    told: BTreeMap<Vec<u8>, u64>,
    /// Notices that somebody holds: the receipt and the targets.
    held: Vec<(String, Vec<Vec<u8>>)>,
}

impl Messengers {
    pub fn new_target(&mut self) -> Vec<u8> {
        self.drawn += 1;
        format!("target-{}", self.drawn).into_bytes()
    }

    /// A subscription was acknowledged.
    pub fn subscribed(&mut self, target: Vec<u8>, record: u64) {
        self.awaited.insert(target, record);
    }

    /// A notice was taken. Who was told for good is not among its targets.
    pub fn took(&mut self, receipt: &str, targets: Vec<Vec<u8>>) {
        for target in &targets {
            assert!(!self.told.contains_key(target), "{receipt} tells {target:?} again");
            // The messenger tells them, whatever becomes of its report.
            self.awaited.remove(target);
        }
        self.held.push((receipt.to_owned(), targets));
    }

    /// Says of a notice that is held that all its targets were told, or the first of them.
    pub fn next_report(&mut self, partly: bool) -> Option<Command> {
        let (receipt, mut targets) = self.held.pop()?;
        targets.truncate(if partly { 1 } else { targets.len() });
        Some(Command::CrossOff { receipt, targets })
    }

    /// The report was acknowledged, and its lease held.
    pub fn reported(&mut self, command: &Command, record: u64) {
        let Command::CrossOff { targets, .. } = command else { panic!("{command:?}") };
        for target in targets {
            self.told.insert(target.clone(), record);
        }
    }

    /// What came after a record has not happened.
    pub fn forget_after(&mut self, record: u64) {
        self.awaited.retain(|_, at| *at <= record);
        self.told.retain(|_, at| *at <= record);
    }

    /// Everybody is told, as far as was ever promised.
    pub fn check_all_told(&self) {
        assert!(self.awaited.is_empty(), "never told: {:?}", self.awaited);
    }
}

/// The receipts of notices that were taken.
pub fn receipts(answer: &Answer) -> &[String] {
    match answer {
        Answer::Notices(receipts) => receipts,
        other => panic!("no notices: {other:?}"),
    }
}
