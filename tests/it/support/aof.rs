//! What is in an append-only file.

use std::path::Path;

/// The commands of an append-only file, in order.
#[derive(Debug)]
pub struct Aof {
    /// Each command as its arguments.
    pub commands: Vec<Vec<Vec<u8>>>,
}

impl Aof {
    /// Reads all files that hold commands, base before increments.
    pub fn read(directory: &Path) -> Self {
        let mut files: Vec<_> = std::fs::read_dir(directory)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "aof"));
        files.sort();
        let commands = files.iter().flat_map(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            parse(&bytes)
        });
        Self { commands: commands.collect() }
    }

    /// Each command as one line, arguments separated by spaces.
    pub fn lines(&self) -> Vec<String> {
        let line = |command: &Vec<Vec<u8>>| {
            let words = command.iter().map(|word| String::from_utf8_lossy(word));
            words.collect::<Vec<_>>().join(" ")
        };
        self.commands.iter().map(line).collect()
    }

    /// How many commands have this name.
    pub fn count(&self, name: &str) -> usize {
        let named = |command: &&Vec<Vec<u8>>| {
            command.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
        };
        self.commands.iter().filter(named).count()
    }
}

fn parse(mut bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    std::iter::from_fn(|| {
        let arguments = header(&mut bytes, b'*')?;
        (0..arguments)
            .map(|_| {
                let len = header(&mut bytes, b'$')?;
                let argument = bytes.get(..len)?.to_vec();
                bytes = bytes.get(len + 2..)?;
                Some(argument)
            })
            .collect()
    })
    .collect()
}

fn header(bytes: &mut &[u8], kind: u8) -> Option<usize> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let line = bytes.get(..end)?.strip_prefix(&[kind])?;
    *bytes = &bytes[end + 2..];
    std::str::from_utf8(line).ok()?.parse().ok()
}
