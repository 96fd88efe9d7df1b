//! What a callback may ask of the server and tell it, while it runs.

use std::{
    ffi::{c_int, c_long, c_void, CStr},
    mem::zeroed,
    ptr::null_mut,
    time::Duration,
};

use redis_module::raw::{self, RedisModuleClientInfo, RedisModuleCtx, RedisModuleString};

use super::{call, Text};

/// The context that the server hands to a callback. Good until the callback returns.
#[derive(Clone, Copy)]
pub struct Context(*mut RedisModuleCtx);

/// What kind of call this is, and what the server is.
#[derive(Clone, Copy)]
pub struct Flags(u32);

impl Flags {
    /// The command comes from the primary, or from the append-only file: it has been decided.
    pub fn is_decided(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_REPLICATED | raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// The server writes an append-only file.
    pub fn has_log(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_AOF)
    }

    /// The data set is being loaded.
    pub fn is_loading(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_LOADING)
    }

    /// The server takes decisions: it is no replica.
    pub fn is_primary(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_MASTER)
    }

    /// The caller cannot be made to wait: a transaction, a script, or a client that says so.
    pub fn denies_blocking(self) -> bool {
        self.has(
            raw::REDISMODULE_CTX_FLAGS_MULTI
                | raw::REDISMODULE_CTX_FLAGS_LUA
                | raw::REDISMODULE_CTX_FLAGS_DENY_BLOCKING,
        )
    }

    /// A script calls.
    pub fn is_script(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_LUA)
    }

    /// The server is a node of a cluster.
    pub fn is_in_cluster(self) -> bool {
        self.has(raw::REDISMODULE_CTX_FLAGS_CLUSTER)
    }

    /// Keys of other slots than the caller's are not found: within a transaction or a script, newer
    /// servers in a cluster take any key to be in the slot of the caller's own keys.
    pub fn sees_one_slot(self) -> bool {
        self.is_in_cluster()
            && self.has(raw::REDISMODULE_CTX_FLAGS_MULTI | raw::REDISMODULE_CTX_FLAGS_LUA)
    }

    fn has(self, flags: u32) -> bool {
        self.0 & flags != 0
    }
}

impl Context {
    /// Wraps the pointer that a callback was given.
    ///
    /// # Safety
    /// The context is live for as long as the value is used.
    pub unsafe fn new(raw: *mut RedisModuleCtx) -> Self {
        Self(raw)
    }

    /// The pointer, for calls that have no wrapper.
    pub fn raw(self) -> *mut RedisModuleCtx {
        self.0
    }

    /// See [`Flags`].
    pub fn flags(self) -> Flags {
        // SAFETY: the context is live, as `new` demands; so in all calls below.
        Flags(unsafe { call!(RedisModule_GetContextFlags(self.0)) } as u32)
    }

    /// The number of the selected database.
    pub fn db(self) -> i32 {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_GetSelectedDb(self.0)) }
    }

    /// Selects a database for what this context does next.
    pub fn select_db(self, db: i32) {
        // SAFETY: see `flags`. An unknown number is refused, and the keys are then not found.
        unsafe { call!(RedisModule_SelectDb(self.0, db)) };
    }

    /// The number of the connection over which the command came. `None` where there is no such thing,
    /// as in a script: the server does not tell whose it is.
    pub fn connection(self) -> Option<u64> {
        if self.flags().is_script() {
            return None;
        }
        // SAFETY: see `flags`.
        let id = unsafe { call!(RedisModule_GetClientId(self.0)) };
        self.is_connected(id).then_some(id)
    }

    /// The number of the client that sends the command, be it still there or not. Not for a script.
    pub fn client(self) -> u64 {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_GetClientId(self.0)) }
    }

    /// Where the connection of this number comes from, as the server writes it; `None` if it is closed.
    pub fn address_of(self, id: u64) -> Option<String> {
        // SAFETY: the structure holds numbers, for which zero is a value.
        let mut info: RedisModuleClientInfo = unsafe { zeroed() };
        info.version = 1;
        // SAFETY: the server fills in the structure of this version.
        let found =
            unsafe { call!(RedisModule_GetClientInfoById((&raw mut info).cast::<c_void>(), id)) };
        if found as isize != raw::REDISMODULE_OK {
            return None;
        }
        let bytes = info.addr.iter().map(|&c| c as u8).take_while(|&c| c != 0);
        let host: Vec<u8> = bytes.collect();
        let host = String::from_utf8_lossy(&host);
        let port = info.port;
        Some(if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") })
    }

    /// Whether the connection of this number is open.
    pub fn is_connected(self, id: u64) -> bool {
        // SAFETY: with a null pointer the server tells only whether there is such a client.
        let found = unsafe { call!(RedisModule_GetClientInfoById(null_mut(), id)) };
        found as isize == raw::REDISMODULE_OK
    }

    /// Whether replicas must not be sent anything now: clients are paused, or a failover runs.
    /// Replicating then asserts in every server version.
    pub fn must_not_replicate() -> bool {
        // SAFETY: takes nothing and only looks.
        unsafe { call!(RedisModule_AvoidReplicaTraffic()) != 0 }
    }

    /// Whether the server is beyond its `maxmemory`, and refuses commands that need more.
    pub fn has_no_memory() -> bool {
        // SAFETY: takes nothing and only looks.
        unsafe { call!(RedisModule_GetUsedMemoryRatio()) > 1.0 }
    }

    /// Tells the server that a key changed, for `WATCH` and client-side caches.
    pub fn signal_modified(self, name: *mut RedisModuleString) {
        // SAFETY: see `flags`; the name is a live string, an argument or a `Text`.
        unsafe { call!(RedisModule_SignalModifiedKey(self.0, name)) };
    }

    /// Tells those who listen to events of this kind about one. They may do anything, also to the
    /// key, which must not be open.
    pub fn notify(self, kind: c_int, event: &CStr, name: *mut RedisModuleString) {
        // SAFETY: see `flags`; the name is a live string, an argument or a `Text`.
        unsafe {
            call!(RedisModule_NotifyKeyspaceEvent(self.0, kind, event.as_ptr(), name));
        }
    }

    /// Whether keyspace events of modules are told to anybody: `notify-keyspace-events` says so.
    #[inline]
    pub fn tells_module_events() -> bool {
        /// By key, by event, or by both: `K` and `E` there.
        const LISTENED: c_int = 0b11;
        // SAFETY: takes nothing and only looks.
        let flags = unsafe { call!(RedisModule_GetNotifyKeyspaceEvents()) };
        flags & raw::REDISMODULE_NOTIFY_MODULE != 0 && flags & LISTENED != 0
    }

    /// Sends a message to who listens on a channel. It is not propagated, except to the other nodes of
    /// a cluster.
    pub fn publish_message(self, channel: &Text, message: &Text) {
        // SAFETY: see `flags`; both strings live until the call returns.
        unsafe { call!(RedisModule_PublishMessage(self.0, channel.raw(), message.raw())) };
    }

    /// Propagates the command being run, as the client sent it.
    pub fn replicate_verbatim(self) {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_ReplicateVerbatim(self.0)) };
    }

    /// Propagates that a key was deleted.
    pub fn replicate_deletion(self, name: *mut RedisModuleString) {
        // SAFETY: see `flags`; `s` takes a live string, which the server retains; so below.
        unsafe { call!(RedisModule_Replicate(self.0, c"DEL".as_ptr(), c"s".as_ptr(), name)) };
    }

    /// Propagates the steps that were taken with a queue, and the command that one of them stands
    /// for, by reference. Few parts: the server makes a string of each but the last.
    pub fn replicate_steps(
        self,
        queue: *mut RedisModuleString,
        steps: &[u8],
        command: &[*mut RedisModuleString],
    ) {
        // SAFETY: see above; `b` takes bytes and their number and copies them, `v` a vector of live
        // strings and its length.
        unsafe {
            call!(RedisModule_Replicate(
                self.0,
                c"JQ.APPLY".as_ptr(),
                c"sbv".as_ptr(),
                queue,
                steps.as_ptr(),
                steps.len(),
                command.as_ptr(),
                command.len()
            ));
        }
    }

    /// Replies with bytes.
    pub fn reply_bytes(self, bytes: &[u8]) {
        // SAFETY: see `flags`; the server copies the bytes.
        unsafe {
            call!(RedisModule_ReplyWithStringBuffer(self.0, bytes.as_ptr().cast(), bytes.len()))
        };
    }

    /// Replies with an integer.
    pub fn reply_integer(self, n: i64) {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_ReplyWithLongLong(self.0, n)) };
    }

    /// Replies with a status line.
    pub fn reply_status(self, status: &CStr) {
        // SAFETY: see `flags`; the server copies the string.
        unsafe { call!(RedisModule_ReplyWithSimpleString(self.0, status.as_ptr())) };
    }

    /// Replies with an error line.
    pub fn reply_error(self, line: &CStr) {
        // SAFETY: see `flags`; the server copies the string.
        unsafe { call!(RedisModule_ReplyWithError(self.0, line.as_ptr())) };
    }

    /// Replies with nothing where one value might have been.
    pub fn reply_null(self) {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_ReplyWithNull(self.0)) };
    }

    /// Replies with nothing where an array might have been.
    pub fn reply_null_array(self) {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_ReplyWithNullArray(self.0)) };
    }

    /// Begins an array of as many replies as follow.
    pub fn reply_array(self, len: usize) {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_ReplyWithArray(self.0, len as c_long)) };
    }

    /// Begins an array whose length [`end_array`](Self::end_array) tells.
    pub fn begin_array(self) {
        // SAFETY: see `flags`.
        unsafe {
            call!(RedisModule_ReplyWithArray(
                self.0,
                c_long::from(raw::REDISMODULE_POSTPONED_ARRAY_LEN)
            ))
        };
    }

    /// Ends the array that was begun last.
    pub fn end_array(self, len: usize) {
        // SAFETY: see `flags`; each end has its begin.
        unsafe { call!(RedisModule_ReplySetArrayLength(self.0, len as c_long)) };
    }

    /// Begins a map of as many pairs as follow; a flat array for RESP2 clients.
    pub fn reply_map(self, pairs: usize) {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_ReplyWithMap(self.0, pairs as c_long)) };
    }

    /// Has the server's latency monitor note how long something took, if that is as long as it is
    /// told to note.
    pub fn note_latency(self, event: &CStr, length: Duration) {
        let millis = i64::try_from(length.as_millis()).unwrap_or(i64::MAX);
        // SAFETY: the server copies the name.
        unsafe { call!(RedisModule_LatencyAddSample(event.as_ptr(), millis)) };
    }

    /// Whether the server only asks where the keys of the command are.
    pub fn asks_for_keys(self) -> bool {
        // SAFETY: see `flags`.
        unsafe { call!(RedisModule_IsKeysPositionRequest(self.0)) != 0 }
    }

    /// Answers that the argument at this position is a key that is read and written.
    pub fn key_at(self, position: usize) {
        let flags = raw::REDISMODULE_CMD_KEY_RW
            | raw::REDISMODULE_CMD_KEY_ACCESS
            | raw::REDISMODULE_CMD_KEY_DELETE;
        self.key_with(position, flags);
    }

    /// Answers that the argument at this position is a key that is read.
    pub fn read_key_at(self, position: usize) {
        self.key_with(position, raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS);
    }

    fn key_with(self, position: usize, flags: u32) {
        // SAFETY: see `flags`; called only while the server asks.
        unsafe { call!(RedisModule_KeyAtPosWithFlags(self.0, position as c_int, flags as c_int)) };
    }
}
