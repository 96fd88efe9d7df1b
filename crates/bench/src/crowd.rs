//! Very many clients that wait.

use std::{io::Result, thread, time::Duration};

use crate::{server::Server, wire::Wire};

/// Connects so many clients and has each send a command that blocks it; returns when all are. They
/// begin to wait in this order.
pub fn gather(
    server: &Server,
    size: usize,
    mut wait: impl FnMut(&mut Wire, usize) -> Result<()>,
) -> Result<Vec<Wire>> {
    let mut crowd = (0..size).map(|_| server.connect()).collect::<Result<Vec<_>>>()?;
    let mut other = server.connect()?;
    for (at, client) in crowd.iter_mut().enumerate() {
        wait(client, at)?;
        // What was sent before this answer has been read by now.
        if at % 100 == 0 {
            other.call("PING")?;
        }
    }
    until_blocked(server, size)?;
    Ok(crowd)
}

/// Disconnects them; returns when the server has seen it.
pub fn dismiss(server: &Server, crowd: Vec<Wire>) -> Result<()> {
    drop(crowd);
    until_blocked(server, 0)
}

fn until_blocked(server: &Server, size: usize) -> Result<()> {
    while server.info("blocked_clients")? != size as f64 {
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}
