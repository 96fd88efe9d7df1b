//! The form of an argument: a tree of constants that says enough for a usage line, for the server's
//! `COMMAND DOCS` and for a test that makes up commands.

use crate::range::Range;

/// What sort of argument it is, in the server's own classes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// The name of a key, found by the key specification of this index.
    Key(usize),
    /// Any bytes, unless [`Arg::about`] says more.
    String,
    /// A decimal number within [`Arg::range`].
    Integer,
    /// An instant, in milliseconds since the epoch.
    UnixTime,
    /// A word that stands for itself.
    PureToken,
    /// Exactly one of [`Arg::subargs`].
    OneOf,
    /// All of [`Arg::subargs`] in order.
    Block,
}

/// One argument, or a group of them.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its name in `COMMAND DOCS`, unique among its siblings.
    pub name: &'static str,
    /// What sort it is.
    pub kind: Kind,
    /// The word before it, or the word that it is.
    pub token: Option<&'static str>,
    /// What a usage line shows for it, if not its name.
    pub display: Option<&'static str>,
    /// What it means, as a sentence; empty for a group whose parts speak for themselves.
    pub about: &'static str,
    /// The values of an integer.
    pub range: Option<Range>,
    /// Whether it may be left out.
    pub optional: bool,
    /// Whether it may be repeated.
    pub multiple: bool,
    /// Whether the word is repeated with it.
    pub multiple_token: bool,
    /// The parts of a group.
    pub subargs: &'static [Arg],
}

impl Arg {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            token: None,
            display: None,
            about: "",
            range: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            subargs: &[],
        }
    }

    /// A key, found by the key specification `spec`.
    pub const fn key(name: &'static str, spec: usize) -> Self {
        Self::new(name, Kind::Key(spec))
    }

    /// A string.
    pub const fn string(name: &'static str) -> Self {
        Self::new(name, Kind::String)
    }

    /// An integer within `range`.
    pub const fn integer(name: &'static str, range: Range) -> Self {
        let mut arg = Self::new(name, Kind::Integer);
        arg.range = Some(range);
        arg
    }

    /// An instant within `range`.
    pub const fn instant(name: &'static str, range: Range) -> Self {
        let mut arg = Self::new(name, Kind::UnixTime);
        arg.range = Some(range);
        arg
    }

    /// A word that stands for itself.
    pub const fn word(name: &'static str, token: &'static str) -> Self {
        Self::new(name, Kind::PureToken).after(token)
    }

    /// Exactly one of `subargs`.
    pub const fn one_of(name: &'static str, subargs: &'static [Self]) -> Self {
        let mut arg = Self::new(name, Kind::OneOf);
        arg.subargs = subargs;
        arg
    }

    /// All of `subargs` in order.
    pub const fn block(name: &'static str, subargs: &'static [Self]) -> Self {
        let mut arg = Self::new(name, Kind::Block);
        arg.subargs = subargs;
        arg
    }

    /// The same behind the word `token`.
    #[must_use]
    pub const fn after(mut self, token: &'static str) -> Self {
        self.token = Some(token);
        self
    }

    /// The same, shown as `display` in a usage line.
    #[must_use]
    pub const fn shown(mut self, display: &'static str) -> Self {
        self.display = Some(display);
        self
    }

    /// The same with its meaning.
    #[must_use]
    pub const fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// The same, which may be left out.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The same, which may be repeated; the word before it is not.
    #[must_use]
    pub const fn multiple(mut self) -> Self {
        self.multiple = true;
        self
    }

    /// The same, which may be repeated, with the word before it.
    #[must_use]
    pub const fn repeated(mut self) -> Self {
        self.multiple = true;
        self.multiple_token = true;
        self
    }

    /// The argument as a usage line shows it.
    pub fn syntax(&self) -> String {
        let one = self.once();
        let choice = matches!(self.kind, Kind::OneOf);
        match self.optional {
            true => format!("[{one}]"),
            false if choice => format!("({one})"),
            false => one,
        }
    }

    /// The argument without the brackets that say it may be left out.
    pub(crate) fn once(&self) -> String {
        let value = match self.kind {
            Kind::PureToken => return self.token.unwrap_or(self.name).to_string(),
            Kind::OneOf => {
                let plain = self.subargs.iter().all(|arg| matches!(arg.kind, Kind::PureToken));
                self.parts().join(if plain { "|" } else { " | " })
            }
            Kind::Block => self.parts().join(" "),
            _ => self.display.unwrap_or(self.name).to_string(),
        };
        let prefix = self.token.map(|token| format!("{token} ")).unwrap_or_default();
        match (self.multiple, self.multiple_token) {
            (false, _) => format!("{prefix}{value}"),
            (true, false) => format!("{prefix}{value} [{value} ...]"),
            (true, true) => format!("{prefix}{value} [{prefix}{value} ...]"),
        }
    }

    fn parts(&self) -> Vec<String> {
        self.subargs.iter().map(Self::syntax).collect()
    }
}

/// The longest word of any command, in bytes. Ids and bodies are longer and need no search.
pub(crate) const WORD_BYTES_MAX: usize = 11;

/// Finds the word `text` among `args`, in either case, and counts the words before it in `index`.
pub(crate) fn find_word<'a>(args: &'a [Arg], text: &[u8], index: &mut u32) -> Option<&'a Arg> {
    for arg in args {
        if let Some(token) = arg.token {
            if token.as_bytes().eq_ignore_ascii_case(text) {
                return Some(arg);
            }
            *index += 1;
        }
        if let Some(found) = find_word(arg.subargs, text, index) {
            return Some(found);
        }
    }
    None
}
