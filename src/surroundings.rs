//! The server that the module is loaded into: whether it will do, and what an operator should know.

use std::ffi::CStr;

use redis_module::raw::{self, RedisModuleCallReply};

use crate::server::{call, log, Context, Level, Text};

/// The oldest server that has all that the module calls, as the server writes versions.
const SERVER_VERSION_MIN: u32 = 0x0007_0000;

/// Whether the server is new enough.
pub fn is_supported() -> bool {
    // SAFETY: takes nothing and only looks. Servers before 6.2 do not have it.
    let version = unsafe { raw::RedisModule_GetServerVersion.map_or(0, |version| version()) };
    version as u32 >= SERVER_VERSION_MIN
}

/// Whether subscribing to keyspace events is harmless. Valkey 8.1 up to 9.0 leaves the clients of
/// `MOVE` and `COPY` in another database if any module does.
pub fn has_sound_events(context: Context) -> bool {
    let Some(version) = valkey_version(context) else { return true };
    !((8, 1)..=(9, 0)).contains(&version)
}

/// Warns of settings under which jobs can be lost.
pub fn warn(context: Context) {
    let is = |name: &CStr, value: &str| config(context, name).as_deref() == Some(value);
    if is(c"appendonly", "no") && is(c"save", "") {
        log(
            Level::Warning,
            "jobs are in memory only: neither appendonly nor save is on, a restart loses them",
        );
    }
    if config(context, c"maxmemory-policy").is_some_and(|policy| policy.starts_with("allkeys-")) {
        log(
            Level::Warning,
            "maxmemory-policy may evict whole queues with their jobs: use noeviction",
        );
    }
}

/// Whether the slot of a key is on its way to another node of the cluster, so that a key that is not
/// here may be there. Asks the server: for rare cases.
pub fn is_leaving(context: Context, name: &[u8]) -> bool {
    let leaves = |(slot, line): (i64, String)| line.contains(&format!(" [{slot}->-"));
    slot_and_node(context, name).is_some_and(leaves)
}

/// Whether the slot of a key is this node's to serve, and stays so: a key that is not here is nowhere.
/// Asks the server: for rare cases.
pub fn is_served_here(context: Context, name: &[u8]) -> bool {
    let Some((slot, line)) = slot_and_node(context, name) else { return true };
    // The ranges are the words behind the first eight: `5461-10922`, or `7` for a single slot, or in
    // brackets where one is on its way.
    let holds = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let bound = |text: &str| text.parse::<i64>().ok();
        bound(first).is_some_and(|first| first <= slot)
            && bound(last).is_some_and(|last| slot <= last)
    };
    line.split(' ').skip(8).any(holds) && !line.contains(&format!(" [{slot}->-"))
}

/// The slot of a key, and what the server tells of itself as a node of a cluster. `None` if it is in
/// none, or does not say.
fn slot_and_node(context: Context, name: &[u8]) -> Option<(i64, String)> {
    if !context.flags().is_in_cluster() {
        return None;
    }
    let name = Text::new(name);
    // SAFETY: the context is live; `c` takes a C string, and `s` a string of the server. The replies
    // are freed below, and what they hold is copied before.
    let (slot, nodes) = unsafe {
        let slot = call!(RedisModule_Call(
            context.raw(),
            c"CLUSTER".as_ptr(),
            c"cs".as_ptr(),
            c"KEYSLOT".as_ptr(),
            name.raw()
        ));
        let nodes = call!(RedisModule_Call(
            context.raw(),
            c"CLUSTER".as_ptr(),
            c"c".as_ptr(),
            c"NODES".as_ptr()
        ));
        let number = (!slot.is_null()).then(|| call!(RedisModule_CallReplyInteger(slot)));
        let text = string_of(nodes);
        for reply in [slot, nodes].into_iter().filter(|reply| !reply.is_null()) {
            call!(RedisModule_FreeCallReply(reply));
        }
        (number, text)
    };
    let line = nodes?.lines().find(|node| node.contains("myself"))?.to_owned();
    Some((slot?, line))
}

fn valkey_version(context: Context) -> Option<(u32, u32)> {
    // SAFETY: the context is that of the module's loading; the data are freed below.
    let text = unsafe {
        let info = call!(RedisModule_GetServerInfo(context.raw(), c"server".as_ptr()));
        let field = call!(RedisModule_ServerInfoGetFieldC(info, c"valkey_version".as_ptr()));
        let text = (!field.is_null()).then(|| CStr::from_ptr(field).to_string_lossy().into_owned());
        call!(RedisModule_FreeServerInfo(context.raw(), info));
        text?
    };
    let mut parts = text.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

/// A setting of the server.
pub fn config(context: Context, name: &CStr) -> Option<String> {
    // SAFETY: the context is live; `c` takes C strings. The reply is freed below, and its parts
    // are copied before.
    unsafe {
        let reply = call!(RedisModule_Call(
            context.raw(),
            c"CONFIG".as_ptr(),
            c"cc".as_ptr(),
            c"GET".as_ptr(),
            name.as_ptr()
        ));
        if reply.is_null() {
            return None;
        }
        let value = string_of(call!(RedisModule_CallReplyArrayElement(reply, 1)));
        call!(RedisModule_FreeCallReply(reply));
        value
    }
}

/// # Safety
/// `reply` is null or a live reply of the server.
unsafe fn string_of(reply: *mut RedisModuleCallReply) -> Option<String> {
    if reply.is_null() {
        return None;
    }
    let mut len = 0;
    // SAFETY: as the caller promises; the server fills in the length.
    unsafe {
        let start = call!(RedisModule_CallReplyStringPtr(reply, &mut len));
        if start.is_null() {
            return None;
        }
        let bytes = std::slice::from_raw_parts(start.cast::<u8>(), len);
        Some(String::from_utf8_lossy(bytes).into_owned())
    }
}
