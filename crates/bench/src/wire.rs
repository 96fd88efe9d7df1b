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
        match (self, path) {
            (Self::Bulk(bytes), []) => Ok(bytes),
            (Self::Line(line), []) => Ok(line.as_bytes()),
            (Self::Array(items), [first, rest @ ..]) if *first < items.len() => {
                items[*first].at(rest)
            }
            _ => Err(Error::new(ErrorKind::InvalidData, "another reply was expected")),
        }
    }

    /// How many items an array has.
    pub fn len(&self) -> usize {
        match self {
            Self::Array(items) => items.len(),
            _ => 0,
        }
    }
}

/// A connection on which commands are collected and sent together.
pub struct Wire {
    reader: BufReader<TcpStream>,
    pending: Vec<u8>,
}

impl Wire {
    /// Connects to a port of this machine.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 16, stream);
        Ok(Self { reader, pending: Vec::new() })
    }

    /// Adds a command to what is sent next.
    pub fn add(&mut self, arguments: &[&[u8]]) {
        let out = &mut self.pending;
        out.extend(format!("*{}\r\n", arguments.len()).bytes());
        for argument in arguments {
            out.extend(format!("${}\r\n", argument.len()).bytes());
            out.extend_from_slice(argument);
            out.extend_from_slice(b"\r\n");
        }
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
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at(1);
        let len = rest.parse::<i64>().unwrap_or(-1);
        Ok(match kind {
            "$" if len >= 0 => {
                let mut bytes = vec![0; len as usize + 2];
                self.reader.read_exact(&mut bytes)?;
                bytes.truncate(len as usize);
                Reply::Bulk(bytes)
            }
            "*" if len >= 0 => Reply::Array((0..len).map(|_| self.read()).collect::<Result<_>>()?),
            "-" => return Err(Error::other(rest.to_string())),
            _ => Reply::Line(rest.to_string()),
        })
    }

    /// Reads this many answers and forgets them.
    pub fn skip(&mut self, answers: usize) -> Result<()> {
        (0..answers).try_for_each(|_| self.read().map(drop))
    }
}
