//! A client that finds its server again, whatever became of it, and says what it was told and when.

use std::{
    io::ErrorKind,
    sync::atomic::{AtomicBool, AtomicU16, Ordering},
    time::{Duration, Instant},
};

use crate::support::{Client, Reply, Server, PATIENCE};

/// Where clients find the server that takes their requests. Changes with a failover.
#[derive(Debug)]
pub struct Place(AtomicU16);

impl Place {
    /// The place of a server.
    pub fn of(server: &Server) -> Self {
        Self::at(server.port())
    }

    /// A port of this machine.
    pub fn at(port: u16) -> Self {
        Self(AtomicU16::new(port))
    }

    /// From now on clients that connect go to this port.
    pub fn set(&self, port: u16) {
        self.0.store(port, Ordering::SeqCst);
    }

    fn port(&self) -> u16 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A request and what came of it.
#[derive(Debug)]
pub struct Call {
    /// The port of the server that was asked.
    pub server: u16,
    pub sent: Instant,
    pub answered: Option<Instant>,
    /// What was answered. An error is a refusal: the server changed nothing.
    pub reply: Option<Reply>,
}

/// What a server in some other role or state says. Nothing is wrong with the request: the client
/// connects again, to the place of then.
const ELSEWHERE: [&str; 6] =
    ["READONLY", "UNBLOCKED", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"];

/// What a server says that cannot take more just now.
const NOT_NOW: [&str; 3] = ["NOREPLICAS", "OOM", "MISCONF"];

/// A connection that is made again when it is lost.
pub struct Caller<'a> {
    place: &'a Place,
    stop: &'a AtomicBool,
    client: Option<(u16, Client)>,
}

impl<'a> Caller<'a> {
    /// Goes to `place` until `stop` is set.
    pub fn new(place: &'a Place, stop: &'a AtomicBool) -> Self {
        Self { place, stop, client: None }
    }

    /// Whether there is to be no further request.
    pub fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Sends a request, following the servers of a cluster. None if it could not even be sent and
    /// the load is over.
    ///
    /// # Panics
    /// If a server takes a request and answers nothing, or with an error that is no refusal.
    pub fn call(&mut self, words: &[String]) -> Option<Call> {
        loop {
            let (server, client) = self.connection()?;
            let sent = Instant::now();
            let reply = client.try_send(words).and_then(|()| client.try_read());
            let answered = Instant::now();
            let line = match &reply {
                Ok(Reply::Error(line)) => line.clone(),
                Ok(_) => String::new(),
                Err(error) => {
                    let is_silent =
                        matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                    assert!(!is_silent, "{server} answers nothing to {words:?}");
                    self.client = None;
                    return Some(Call { server, sent, answered: None, reply: None });
                }
            };
            let mut said = line.split(' ');
            match said.next().unwrap_or_default() {
                // Where nobody answers there, the cluster is asked again, at the place of then.
                "MOVED" => {
                    if self.connect_to(port_in(&line)).is_none() {
                        if self.is_over() {
                            return None;
                        }
                        std::thread::park_timeout(Duration::from_millis(2));
                    }
                }
                "ASK" => {
                    let asked = self.connect_to(port_in(&line)).map(|(_, client)| {
                        client.try_send(&["ASKING"]).and_then(|()| client.try_read())
                    });
                    if !matches!(asked, Some(Ok(_))) {
                        self.client = None;
                    }
                }
                word => {
                    if ELSEWHERE.contains(&word) {
                        self.client = None;
                    }
                    return Some(Call {
                        server,
                        sent,
                        answered: Some(answered),
                        reply: reply.ok(),
                    });
                }
            }
        }
    }

    /// Whether so many replicas have all that this connection has written.
    pub fn is_replicated(&mut self, replicas: usize) -> bool {
        let Some((_, client)) = &mut self.client else { return false };
        let words = ["WAIT", &replicas.to_string(), "1000"];
        let reply = client.try_send(&words).and_then(|()| client.try_read());
        if reply.is_err() {
            self.client = None;
        }
        matches!(reply, Ok(Reply::Int(told)) if told >= replicas as i64)
    }

    fn connection(&mut self) -> Option<(u16, &mut Client)> {
        if self.client.is_none() {
            let begun = Instant::now();
            while self.connect_to(self.place.port()).is_none() {
                if self.is_over() {
                    return None;
                }
                assert!(begun.elapsed() < PATIENCE, "no server takes a connection");
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
        self.client.as_mut().map(|(port, client)| (*port, client))
    }

    fn connect_to(&mut self, port: u16) -> Option<(u16, &mut Client)> {
        if self.client.as_ref().is_none_or(|(at, _)| *at != port) {
            self.client = Client::connect(port).ok().map(|client| (port, client));
        }
        self.client.as_mut().map(|(port, client)| (*port, client))
    }
}

/// Whether an error only says that this is not the server or not the moment.
pub fn is_refusal(line: &str) -> bool {
    let word = line.split(' ').next().unwrap_or_default();
    ELSEWHERE.contains(&word) || NOT_NOW.contains(&word)
}

/// The port in `MOVED 1 127.0.0.1:7000`.
fn port_in(line: &str) -> u16 {
    let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
    port.unwrap_or_else(|| panic!("no port: {line}"))
}
