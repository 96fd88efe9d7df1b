//! A cable between clients and a server, which can be pulled.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        atomic::{AtomicBool, Ordering},
        Arc, Mutex, OnceLock, PoisonError, RwLock, Weak,
    },
    thread::JoinHandle,
    time::Duration,
};

/// How long one write may wait for room, since nobody can cut the cable meanwhile.
const WRITE_MAX: Duration = Duration::from_millis(10);

/// Takes connections and passes on what is said, both ways. Its threads end when this is dropped.
pub struct Proxy {
    cable: Arc<Cable>,
    port: u16,
    taker: Option<JoinHandle<()>>,
}

struct Cable {
    /// The port of the server at the far end.
    to: u16,
    /// Held for reading while anything passes.
    is_cut: RwLock<bool>,
    is_over: AtomicBool,
    links: Mutex<Vec<Weak<Link>>>,
}

/// One connection: its client, and its server as soon as it has got there.
struct Link {
    near: TcpStream,
    far: OnceLock<TcpStream>,
    is_closed: AtomicBool,
}

impl Link {
    fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        let _ = self.near.shutdown(Shutdown::Both);
        if let Some(far) = self.far.get() {
            let _ = far.shutdown(Shutdown::Both);
        }
    }
}

impl Proxy {
    /// A cable to a port of this machine.
    pub fn to(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let cable = Arc::new(Cable {
            to: port,
            is_cut: RwLock::new(false),
            is_over: AtomicBool::new(false),
            links: Mutex::new(Vec::new()),
        });
        let port = listener.local_addr().expect("a listener has an address").port();
        let taker = std::thread::spawn({
            let cable = Arc::clone(&cable);
            move || take_connections(&cable, &listener)
        });
        Self { cable, port, taker: Some(taker) }
    }

    /// Where clients connect.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes, in either direction, and nobody is told: no byte, no end of a
    /// connection, no new one.
    pub fn cut(&self) {
        self.cable.set_cut(true);
    }

    /// Goes on where it was: what was said meanwhile arrives.
    pub fn heal(&self) {
        self.cable.set_cut(false);
    }

    /// Closes all connections, at both ends. What had not arrived is lost.
    pub fn sever(&self) {
        for link in self.cable.links().drain(..) {
            if let Some(link) = link.upgrade() {
                link.close();
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.cable.is_over.store(true, Ordering::SeqCst);
        // Wakes the one who waits for connections.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(taker) = self.taker.take() {
            let _ = taker.join();
        }
        self.sever();
    }
}

impl Cable {
    fn set_cut(&self, is_cut: bool) {
        *self.is_cut.write().unwrap_or_else(PoisonError::into_inner) = is_cut;
    }

    fn links(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what passes something on, as soon as the cable is whole. None if the link is closed.
    fn pass<T>(&self, link: &Link, what: impl FnOnce() -> T) -> Option<T> {
        while !link.is_closed.load(Ordering::SeqCst) {
            let is_cut = self.is_cut.read().unwrap_or_else(PoisonError::into_inner);
            if !*is_cut {
                return Some(what());
            }
            drop(is_cut);
            std::thread::park_timeout(Duration::from_millis(2));
        }
        None
    }
}

fn take_connections(cable: &Arc<Cable>, listener: &TcpListener) {
    for near in listener.incoming().flatten() {
        if cable.is_over.load(Ordering::SeqCst) {
            return;
        }
        let far = OnceLock::new();
        let link = Arc::new(Link { near, far, is_closed: AtomicBool::new(false) });
        let mut links = cable.links();
        links.retain(|link| link.strong_count() > 0);
        links.push(Arc::downgrade(&link));
        let cable = Arc::clone(cable);
        std::thread::spawn(move || carry(&cable, &link));
    }
}

/// Connects to the far end and carries both ways until both have ended.
fn carry(cable: &Cable, link: &Link) {
    let connected = cable.pass(link, || TcpStream::connect(("127.0.0.1", cable.to)));
    let Some(Ok(far)) = connected else { return link.close() };
    for end in [&link.near, &far] {
        let set = end.set_nodelay(true).and_then(|()| end.set_write_timeout(Some(WRITE_MAX)));
        if set.is_err() {
            return link.close();
        }
    }
    let far = link.far.get_or_init(|| far);
    // It may have been severed before it had a far end to close.
    if link.is_closed.load(Ordering::SeqCst) {
        return link.close();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| carry_one_way(cable, link, &link.near, far));
        carry_one_way(cable, link, far, &link.near);
    });
}

fn carry_one_way(cable: &Cable, link: &Link, mut from: &TcpStream, mut to: &TcpStream) {
    let mut bytes = vec![0; 1 << 16];
    loop {
        let len = match from.read(&mut bytes) {
            Ok(0) => {
                let told = cable.pass(link, || to.shutdown(Shutdown::Write));
                return if !matches!(told, Some(Ok(()))) {
                    link.close()
                };
            }
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // Reset by the one, which the other learns when the cable is whole.
            Err(_) => {
                cable.pass(link, || link.close());
                return;
            }
        };
        let mut rest = &bytes[..len];
        while !rest.is_empty() {
            match cable.pass(link, || to.write(rest)) {
                Some(Ok(written)) => rest = &rest[written..],
                Some(Err(error)) if is_passing(error.kind()) => {}
                Some(Err(_)) | None => return link.close(),
            }
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

mod tests {
    use crate::support::{
        likeness::{assert_alike, digests},
        wait_for, Client, Options, Proxy, Reply, Server,
    };

    #[test]
    fn a_replica_behind_a_cable_receives_all_that_was_said_while_it_was_cut() {
        const LARGE: usize = 1 << 20;
        let primary = Server::start(Options::new().with("--repl-backlog-size 64mb"));
        let mut client = primary.client();
        let mut publish = |n: usize| {
            let body = vec![b'a' + (n % 26) as u8; LARGE];
            client.call(&[&b"JQ.PUBLISH"[..], b"mail", &body]);
        };
        (0..8).for_each(&mut publish);
        let proxy = Proxy::to(primary.port());
        let replica = Server::start(
            Options::new()
                .with(&format!("--repl-timeout 600 --replicaof 127.0.0.1 {}", proxy.port())),
        );
        replica.catch_up_with(&primary);
        proxy.cut();
        let before = replica.info("replication", "slave_repl_offset");
        (8..24).for_each(&mut publish);
        wait_for("the primary to have sent some", || {
            let rest: usize =
                primary.info("clients", "client_recent_max_output_buffer").parse().ok()?;
            (rest > LARGE).then_some(())
        });
        assert_eq!(replica.info("replication", "slave_repl_offset"), before);
        proxy.heal();
        replica.catch_up_with(&primary);
        assert_alike("the replica", &digests(&primary), &replica);
        proxy.sever();
        publish(24);
        replica.catch_up_with(&primary);
        assert_eq!(primary.info("stats", "sync_full"), "1");
        assert_alike("the replica", &digests(&primary), &replica);
    }

    #[test]
    fn whoever_is_behind_a_cut_cable_hears_nothing_and_is_not_told() {
        let server = Server::plain();
        let proxy = Proxy::to(server.port());
        let clients = || server.info("clients", "connected_clients").parse::<usize>().ok();
        let connect = || Client::connect(proxy.port()).expect("the cable has an end");
        let mut client = connect();
        assert_eq!(client.run("SET a 1").text(), "OK");
        proxy.cut();
        let before = clients();
        client.send(&["SET", "a", "2"]);
        let mut other = connect();
        other.send(&["GET", "a"]);
        connect().hang_up();
        assert_eq!(clients(), before);
        assert_eq!(server.run("GET a").text(), "1");
        assert!(client.is_waiting());
        proxy.heal();
        assert_eq!(client.read().text(), "OK");
        assert!(matches!(other.read(), Reply::Bulk(_)));
        proxy.sever();
        assert!(client.try_read().is_err() && other.try_read().is_err());
        // Nobody but the one who asks.
        wait_for("the server to be told", || (clients() == Some(1)).then_some(()));
    }
}
