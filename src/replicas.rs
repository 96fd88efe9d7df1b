//! Whether anybody hears of what is replicated. To replicate a decision costs a third of a consume,
//! also where nobody listens; so nothing is told where that is certain.
//!
//! It is certain when the server says so, and for as long as it has not forked: a replica, or a node
//! that takes a slot over, begins with what a child process has written, and what was done before is
//! in there. Beside that, a server may begin to have a backlog when it is promoted or has loaded a
//! file, from which a replica may go on. And one that waits to be served has made the server begin a
//! backlog already: a snapshot that is saved meanwhile, without a fork, tells the place in it from
//! which somebody may go on. The append-only file is another matter: the server tells of that with
//! every command.

use std::{ffi::c_int, ptr::null_mut};

use crate::{
    registry,
    server::{call, Context},
};

/// From now on somebody may listen.
pub fn expect() {
    registry::with(|registry| registry.is_replicated = true);
}

/// Asks the server whether anybody listens. Costs some microseconds.
pub fn ask(context: Context) {
    // Of nodes that take slots over, the server does not tell in the same way in every version.
    let may_be_silent = !context.flags().is_in_cluster();
    let is_alone = may_be_silent && is_alone();
    registry::with(|registry| registry.is_replicated = !is_alone);
}

/// Whether the server has neither a replica nor a backlog.
fn is_alone() -> bool {
    // SAFETY: the strings are C strings, and the information, which a null context makes ours alone,
    // is freed once, behind its last use.
    unsafe {
        let info = call!(RedisModule_GetServerInfo(null_mut(), c"replication".as_ptr()));
        let counts = [c"connected_slaves", c"repl_backlog_active"].map(|field| {
            let mut failed: c_int = 0;
            let n =
                call!(RedisModule_ServerInfoGetFieldUnsigned(info, field.as_ptr(), &mut failed));
            (n, failed)
        });
        call!(RedisModule_FreeServerInfo(null_mut(), info));
        counts == [(0, 0), (0, 0)]
    }
}
