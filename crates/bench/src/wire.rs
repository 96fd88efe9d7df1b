//! Just enough of the protocol to keep a server busy.

use std::{
    io::{BufRead, BufReader, Error, ErrorKind, Read, Result, Write},
    net::TcpStream,
};

/// What a server answers, as far as a benchmark cares.
pub enum Reply {
    /// A status, an integer, or nothing.
    Line(String),
    /// A bulk string.
    Bulk(Vec<u8>),
    /// An array.
    Array(Vec<Reply>),
}

impl Reply {
    /// The bytes of the string at this path of array positions.
    pub fn at(&self, path: &[usize]) -> Result<&[u8]> {
        match self.item(path)? {
            Self::Bulk(bytes) => Ok(bytes),
            Self::Line(line) => Ok(line.as_bytes()),
            Self::Array(_) => Err(unexpected()),
        }
    }

    /// What is at this path of array positions.
    pub fn item(&self, path: &[usize]) -> Result<&Self> {
        path.iter().try_fold(self, |reply, &at| match reply {
            Self::Array(items) => items.get(at).ok_or_else(unexpected),
            _ => Err(unexpected()),
        })
    }

    /// The bytes of the value behind a name, in an array of names and values.
    pub fn field(&self, name: &str) -> Result<&[u8]> {
        let mut names = (0..self.len()).step_by(2);
        let found = names.find(|&at| self.at(&[at]).is_ok_and(|it| it == name.as_bytes()));
        self.at(&[found.ok_or_else(unexpected)? + 1])
    }

    /// How many items an array has.
    pub fn len(&self) -> usize {
        match self {
            Self::Array(items) => items.len(),
            _ => 0,
        }
    }
}

fn unexpected() -> Error {
    Error::new(ErrorKind::InvalidData, "another reply was expected")
}

/// A connection on which commands are collected and sent together.
pub struct Wire {
    reader: BufReader<TcpStream>,
    pending: Vec<u8>,
    line: Vec<u8>,
}

impl Wire {
    /// Connects to a port of this machine.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 16, stream);
        Ok(Self { reader, pending: Vec::new(), line: Vec::new() })
    }

    /// Adds a command to what is sent next.
    pub fn add(&mut self, arguments: &[&[u8]]) {
        self.add_count(b'*', arguments.len());
        for argument in arguments {
            self.add_count(b'$', argument.len());
            self.add_line(argument);
        }
    }

    /// Adds bytes and the end of a line to what is sent next, for other protocols.
    pub fn add_line(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
        self.pending.extend_from_slice(b"\r\n");
    }

    fn add_count(&mut self, kind: u8, count: usize) {
        self.pending.push(kind);
        // Formatting would be a large part of what the client does.
        let mut digits = [0; 20];
        let (mut at, mut rest) = (digits.len(), count);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.add_line(&digits[at..]);
    }

    /// Sends what was added.
    pub fn flush(&mut self) -> Result<()> {
        self.reader.get_mut().write_all(&self.pending)?;
        self.pending.clear();
        Ok(())
    }

    /// Sends one command and reads its answer.
    pub fn call(&mut self, line: &str) -> Result<Reply> {
        let words: Vec<_> = line.split(' ').map(str::as_bytes).collect();
        self.add(&words);
        self.flush()?;
        self.read()
    }

    /// Reads the next answer. An error line is an error.
    pub fn read(&mut self) -> Result<Reply> {
        let (kind, len) = self.read_head()?;
        Ok(match kind {
            b'$' if len >= 0 => Reply::Bulk(self.read_bytes(len as usize)?),
            b'*' if len >= 0 => Reply::Array((0..len).map(|_| self.read()).collect::<Result<_>>()?),
            _ => Reply::Line(String::from_utf8_lossy(&self.line[1..]).into_owned()),
        })
    }

    /// Reads this many answers and forgets them.
    pub fn skip(&mut self, answers: usize) -> Result<()> {
        for _ in 0..answers {
            match self.read_head()? {
                (b'$', len) if len >= 0 => self.forget(len as usize + 2)?,
                (b'*', len) if len >= 0 => self.skip(len as usize)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a line, without its end.
    pub fn read_line(&mut self) -> Result<&[u8]> {
        self.line.clear();
        if self.reader.read_until(b'\n', &mut self.line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        while self.line.last().is_some_and(u8::is_ascii_whitespace) {
            self.line.pop();
        }
        Ok(&self.line)
    }

    /// Reads so many bytes and the end of a line after them.
    fn read_bytes(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.reader.read_exact(&mut bytes)?;
        self.forget(2)?;
        Ok(bytes)
    }

    /// Reads so many bytes and forgets them.
    pub fn forget(&mut self, mut len: usize) -> Result<()> {
        while len > 0 {
            let here = self.reader.fill_buf()?.len().min(len);
            if here == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.reader.consume(here);
            len -= here;
        }
        Ok(())
    }

    /// The kind of the next answer, and the number that follows or -1.
    fn read_head(&mut self) -> Result<(u8, i64)> {
        let line = self.read_line()?;
        let (kind, rest) = line.split_first().ok_or(ErrorKind::InvalidData)?;
        match kind {
            b'-' => Err(Error::other(String::from_utf8_lossy(rest).into_owned())),
            b'$' | b'*' => {
                let len = std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok());
                Ok((*kind, len.ok_or(ErrorKind::InvalidData)?))
            }
            _ => Ok((*kind, -1)),
        }
    }
}
