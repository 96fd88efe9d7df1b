//! A cursor over an argument vector, the only place that counts arguments.
//!
//! Words are looked up in the command's own entry of the table: a word that is not there is
//! refused, and so is one that comes twice.

use std::fmt;

use jobq_engine::{JobRef, JobRefs, Millis, StateKind};

use crate::{
    command::Command,
    error::{shown, BadArguments, ErrorWord},
    range::Range,
};

/// What is left of an argument vector.
pub struct Args<'a, 'v> {
    command: &'v Command,
    rest: &'v [&'a [u8]],
    len: usize,
    /// A bit for each word that has come, by its place in the table.
    seen: u64,
}

impl<'a, 'v> Args<'a, 'v> {
    /// Begins after the name of the command.
    pub fn new(command: &'v Command, argv: &'v [&'a [u8]]) -> Self {
        Self { command, rest: argv.get(1..).unwrap_or_default(), len: argv.len(), seen: 0 }
    }

    /// The place of the next argument in the vector.
    pub fn place(&self) -> usize {
        self.len - self.rest.len()
    }

    /// A cursor over some of the arguments, in which each word may come again.
    pub fn within(&self, some: &'v [&'a [u8]]) -> Self {
        Self { command: self.command, rest: some, len: some.len(), seen: 0 }
    }

    /// Takes the next argument, the value of `name`.
    pub fn value(&mut self, name: &str) -> Result<&'a [u8], BadArguments> {
        let Some((&value, rest)) = self.rest.split_first() else {
            return Err(self.syntax(&format!("no value for {name}")));
        };
        self.rest = rest;
        Ok(value)
    }

    /// Takes the next argument if there is one.
    pub fn optional(&mut self) -> Option<&'a [u8]> {
        let (&value, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(value)
    }

    /// Takes the next argument as an integer.
    pub fn integer<T: TryFrom<i128>>(&mut self, range: &Range) -> Result<T, BadArguments> {
        range.read(self.value(range.name)?)
    }

    /// Takes the next argument as a span.
    pub fn span(&mut self, range: &Range) -> Result<Millis, BadArguments> {
        self.integer(range).map(Millis)
    }

    /// Takes the next argument as a span, unless it is one of the command's words or there is none.
    pub fn optional_span(&mut self, range: &Range) -> Result<Option<Millis>, BadArguments> {
        if self.rest.is_empty() || self.next_word().is_some() {
            return Ok(None);
        }
        self.span(range).map(Some)
    }

    /// Takes the next `n` arguments, which were `announced` like this.
    pub fn values(
        &mut self,
        n: usize,
        announced: fmt::Arguments<'_>,
    ) -> Result<&'v [&'a [u8]], BadArguments> {
        let Some((values, rest)) = self.rest.split_at_checked(n) else {
            let what = format!("{announced}, but {} more arguments follow", self.rest.len());
            return Err(self.syntax(&what));
        };
        self.rest = rest;
        Ok(values)
    }

    /// Takes all arguments that are left; at least one value of `name`.
    pub fn remaining(&mut self, name: &str) -> Result<&'v [&'a [u8]], BadArguments> {
        if self.rest.is_empty() {
            return Err(self.syntax(&format!("no value for {name}")));
        }
        Ok(std::mem::take(&mut self.rest))
    }

    /// Takes whatever is left.
    pub fn rest(&mut self) -> &'v [&'a [u8]] {
        std::mem::take(&mut self.rest)
    }

    /// Takes job references up to the next word of this command; at least one.
    pub fn ids(&mut self) -> Result<JobRefs<'a>, BadArguments> {
        let is_word = |text: &&[u8]| self.command.word(text).is_some();
        let end = self.rest.iter().position(is_word).unwrap_or(self.rest.len());
        let (ids, rest) = self.rest.split_at(end);
        if ids.is_empty() {
            return Err(self.syntax("at least one id is needed"));
        }
        self.rest = rest;
        ids.iter().map(|id| job_ref(id)).collect()
    }

    /// Takes the next argument, the value of `name`, as a job reference, be it a word or not.
    pub fn id(&mut self, name: &str) -> Result<JobRef<'a>, BadArguments> {
        job_ref(self.value(name)?)
    }

    /// Takes the next argument as the word for a state.
    pub fn state(&mut self) -> Result<StateKind, BadArguments> {
        let Some(word) = self.word()? else {
            return Err(self.syntax("nothing says which jobs"));
        };
        let named = StateKind::ALL.into_iter().find(|state| state.name() == word);
        named.ok_or_else(|| self.misplaced(word))
    }

    /// The next argument, if it is one of the command's words. It is not taken.
    pub fn next_word(&self) -> Option<&'static str> {
        self.rest.first().and_then(|text| self.command.word(text)?.1.token)
    }

    /// Takes the next argument, which has to be one of the command's words, and not one that came
    /// before. `None` at the end. The word is given as the table spells it.
    pub fn word(&mut self) -> Result<Option<&'static str>, BadArguments> {
        let Some((&text, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        let Some((index, arg)) = self.command.word(text) else {
            return Err(self.syntax(&format!("unexpected {}", shown(text))));
        };
        let word = arg.token.unwrap_or(arg.name);
        let bit = 1 << index;
        if self.seen & bit != 0 && !arg.multiple_token {
            return Err(self.syntax(&format!("{word} is given twice")));
        }
        self.seen |= bit;
        self.rest = rest;
        Ok(Some(word))
    }

    /// Checks that nothing is left.
    pub fn finish(mut self) -> Result<(), BadArguments> {
        match self.word()? {
            None => Ok(()),
            Some(word) => Err(self.misplaced(word)),
        }
    }

    /// The error for a word of this command that cannot stand where it does.
    pub fn misplaced(&self, word: &str) -> BadArguments {
        self.syntax(&format!("{word} cannot stand there"))
    }

    /// An error that shows how the command is used.
    pub fn syntax(&self, what: &str) -> BadArguments {
        let message = format!("{what}; usage: {}", self.command.syntax());
        BadArguments { word: ErrorWord::Syntax, message }
    }
}

/// Reads an id or a receipt.
pub fn job_ref(text: &[u8]) -> Result<JobRef<'_>, BadArguments> {
    JobRef::parse(text).ok_or_else(|| {
        let message = format!(
            "an id is 1 to 64 letters, digits or . _ : -, and a receipt is an id and @token, not \
             {}",
            shown(text)
        );
        BadArguments { word: ErrorWord::Range, message }
    })
}

#[cfg(test)]
mod tests;
