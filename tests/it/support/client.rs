//! A client over a plain socket: what is sent and what comes back, nothing in between.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    time::Duration,
};

use super::PATIENCE;

/// What a server answers.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// `+OK`
    Status(String),
    /// `-WORD prose`
    Error(String),
    /// `:1`
    Int(i64),
    /// `$5`, or a verbatim string of RESP3
    Bulk(Vec<u8>),
    /// `$-1`, or `_` of RESP3
    Null,
    /// `*-1` of RESP2
    NullArray,
    /// `*2`, or a set of RESP3
    Array(Vec<Reply>),
    /// `%2` of RESP3
    Map(Vec<(Reply, Reply)>),
    /// `>2` of RESP3
    Push(Vec<Reply>),
    /// `#t` of RESP3
    Bool(bool),
    /// `,1.5` of RESP3
    Double(f64),
}

impl Reply {
    /// The text of a bulk string or status.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Self::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Status(text) => text.clone(),
            other => panic!("not a text: {other:?}"),
        }
    }

    /// The bytes of a bulk string.
    #[track_caller]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Bulk(bytes) => bytes,
            other => panic!("not a bulk string: {other:?}"),
        }
    }

    /// The integer.
    #[track_caller]
    pub fn int(&self) -> i64 {
        match self {
            Self::Int(n) => *n,
            other => panic!("not an integer: {other:?}"),
        }
    }

    /// The elements of an array.
    #[track_caller]
    pub fn items(&self) -> &[Reply] {
        match self {
            Self::Array(items) => items,
            other => panic!("not an array: {other:?}"),
        }
    }

    /// The error line.
    #[track_caller]
    pub fn error(&self) -> &str {
        match self {
            Self::Error(line) => line,
            other => panic!("not an error: {other:?}"),
        }
    }

    /// The first word of the error line.
    #[track_caller]
    pub fn error_word(&self) -> &str {
        self.error().split(' ').next().unwrap_or_default()
    }

    /// Whether it is nothing, in any of the forms that has.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Null | Self::NullArray)
    }

    /// The pairs of a map, or of the flat array that RESP2 has instead.
    #[track_caller]
    pub fn pairs(&self) -> Vec<(String, Reply)> {
        match self {
            Self::Map(pairs) => pairs.iter().map(|(k, v)| (k.text(), v.clone())).collect(),
            Self::Array(items) => {
                items.chunks(2).map(|pair| (pair[0].text(), pair[1].clone())).collect()
            }
            other => panic!("not a map: {other:?}"),
        }
    }

    /// A field of a map.
    #[track_caller]
    pub fn field(&self, name: &str) -> Reply {
        let found = self.pairs().into_iter().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }
}

/// A connection. One file descriptor each: crowds of them are as large as the limit allows.
pub struct Client {
    reader: BufReader<TcpStream>,
}

impl Client {
    /// Connects to a port of this machine.
    pub fn connect(port: u16) -> std::io::Result<Self> {
        Self::connect_to("127.0.0.1", port)
    }

    /// Connects to a port of another address of this machine.
    pub fn connect_to(host: &str, port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect((host, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { reader: BufReader::new(stream) })
    }

    /// Waits no longer than this for an answer.
    pub fn wait_no_longer_than(&self, patience: Duration) -> std::io::Result<()> {
        self.reader.get_ref().set_read_timeout(Some(patience))
    }

    /// Sends a command and reads the answer.
    #[track_caller]
    pub fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        self.send(arguments);
        self.read()
    }

    /// Sends a command given as words separated by spaces, and reads the answer.
    #[track_caller]
    pub fn run(&mut self, line: &str) -> Reply {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// A field of `INFO section`.
    #[track_caller]
    pub fn info(&mut self, section: &str, field: &str) -> String {
        let info = self.call(&["INFO", section]).text();
        let prefix = format!("{field}:");
        let found = info.lines().find_map(|line| line.strip_prefix(&prefix));
        found.unwrap_or_else(|| panic!("no {field} in {info}")).trim().to_string()
    }

    /// The server's wall clock, in milliseconds since the epoch.
    #[track_caller]
    pub fn time(&mut self) -> i64 {
        let time = self.run("TIME");
        let part = |n: usize| time.items()[n].text().parse::<i64>().expect("a number");
        part(0) * 1_000 + part(1) / 1_000
    }

    /// Sends a command and does not wait for the answer.
    #[track_caller]
    pub fn send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) {
        self.try_send(arguments).expect("the connection takes a command");
    }

    /// Sends a command, or says why it cannot be sent.
    pub fn try_send<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> std::io::Result<()> {
        self.reader.get_mut().write_all(&encoded(arguments))
    }

    /// Sends bytes as they are.
    #[track_caller]
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("the connection takes bytes");
    }

    /// Reads the next answer.
    ///
    /// # Panics
    /// If none comes: the connection is closed, or patience is over.
    #[track_caller]
    pub fn read(&mut self) -> Reply {
        self.try_read().expect("an answer comes")
    }

    /// Reads the next answer, or says why there is none.
    pub fn try_read(&mut self) -> std::io::Result<Reply> {
        let line = self.line()?;
        let (kind, rest) = line.split_at(1);
        let len = || rest.parse::<i64>().map_err(|_| std::io::Error::from(ErrorKind::InvalidData));
        Ok(match kind {
            "+" => Reply::Status(rest.into()),
            "-" => Reply::Error(rest.into()),
            ":" => Reply::Int(len()?),
            "_" => Reply::Null,
            "#" => Reply::Bool(rest == "t"),
            "," => Reply::Double(rest.parse().unwrap_or(f64::NAN)),
            "(" => Reply::Bulk(rest.into()),
            "$" if len()? < 0 => Reply::Null,
            "$" => Reply::Bulk(self.exactly(len()? as usize)?),
            "=" => Reply::Bulk(self.exactly(len()? as usize)?.split_off(4)),
            "*" if len()? < 0 => Reply::NullArray,
            "*" | "~" => Reply::Array(self.several(len()?)?),
            ">" => Reply::Push(self.several(len()?)?),
            "%" => {
                let pairs = self.several(2 * len()?)?;
                Reply::Map(pairs.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
            }
            _ => return Err(ErrorKind::InvalidData.into()),
        })
    }

    /// Whether nothing has been answered yet, as far as can be seen from here.
    pub fn is_waiting(&mut self) -> bool {
        if !self.reader.buffer().is_empty() {
            return false;
        }
        let (stream, mut byte) = (self.reader.get_ref(), [0]);
        stream.set_nonblocking(true).expect("a socket can be set not to block");
        let peeked = stream.peek(&mut byte);
        stream.set_nonblocking(false).expect("a socket can be set to block");
        peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    /// Closes both directions at once, without a word.
    pub fn hang_up(self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Both);
    }

    /// Closes the direction to the server, and goes on listening.
    pub fn fall_silent(&self) {
        let _ = self.reader.get_ref().shutdown(Shutdown::Write);
    }

    fn several(&mut self, len: i64) -> std::io::Result<Vec<Reply>> {
        (0..len).map(|_| self.try_read()).collect()
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\r\n") {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        line.truncate(line.len() - 2);
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    fn exactly(&mut self, len: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; len + 2];
        self.reader.read_exact(&mut bytes)?;
        bytes.truncate(len);
        Ok(bytes)
    }
}

/// A command as it is sent.
pub fn encoded<A: AsRef<[u8]>>(arguments: &[A]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        let argument = argument.as_ref();
        bytes.extend(format!("${}\r\n", argument.len()).bytes());
        bytes.extend(argument);
        bytes.extend(b"\r\n");
    }
    bytes
}
