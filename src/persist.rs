//! The native type: how queues are saved, loaded, rewritten, copied, measured and freed.

use std::{
    ffi::{c_char, c_int, c_void},
    ptr::null_mut,
};

use jobq_engine::{Corrupt, Loader, Queue};
use redis_module::raw::{
    self, RedisModuleDigest, RedisModuleIO, RedisModuleKeyOptCtx, RedisModuleString,
    RedisModuleTypeMethods,
};

use crate::{
    changes, registry,
    server::{call, guard, log, text::bytes_of, Context, Level},
    stored::Stored,
};

/// What `TYPE` says. Nine characters, as the RDB format wants them.
const TYPE_NAME: &std::ffi::CStr = c"job-queue";

/// Version of the layout around the frames, which carry a version of their own.
const LAYOUT_VERSION: c_int = 1;

/// Registers the type. False if the server does not take it.
pub fn register(context: Context) -> bool {
    let mut methods = RedisModuleTypeMethods {
        version: u64::from(raw::REDISMODULE_TYPE_METHOD_VERSION),
        rdb_load: Some(load),
        rdb_save: Some(save),
        aof_rewrite: Some(rewrite),
        digest: Some(digest),
        free: Some(free),
        // The second forms know the key's name and database.
        mem_usage: None,
        free_effort: None,
        unlink: None,
        copy: None,
        mem_usage2: Some(memory_usage),
        free_effort2: Some(free_effort),
        unlink2: Some(unlink),
        copy2: Some(copy),
        // Nothing is stored outside the keys.
        aux_load: None,
        aux_save: None,
        aux_save2: None,
        aux_save_triggers: 0,
        // Jobs are small and short-lived, so the allocator's runs empty by themselves.
        defrag: None,
    };
    // SAFETY: the context is that of the module's loading; the server copies the methods.
    let kind = unsafe {
        call!(RedisModule_CreateDataType(
            context.raw(),
            TYPE_NAME.as_ptr(),
            LAYOUT_VERSION,
            &mut methods
        ))
    };
    registry::with(|registry| registry.kind = kind);
    !kind.is_null()
}

/// Frames as strings, and an empty one that ends them.
unsafe extern "C" fn save(io: *mut RedisModuleIO, value: *mut c_void) {
    guard(|| {
        // SAFETY: the server hands over a live stream and a value of ours.
        let queue = unsafe { &(*value.cast::<Stored>()).queue };
        let write = |bytes: &[u8]| {
            // SAFETY: the server copies the bytes.
            unsafe { call!(RedisModule_SaveStringBuffer(io, bytes.as_ptr().cast(), bytes.len())) }
        };
        queue.frames().for_each(|frame| write(&frame));
        write(&[]);
    });
}

unsafe extern "C" fn load(io: *mut RedisModuleIO, version: c_int) -> *mut c_void {
    let loaded = guard(|| {
        if version > LAYOUT_VERSION {
            return Err(Corrupt::Newer(version as u16));
        }
        // SAFETY: the server hands over a live stream.
        unsafe { load_queue(io) }
    });
    match loaded {
        Some(Ok(queue)) => {
            let mut stored = Stored::new(queue);
            // SAFETY: the stream is live; its key is null only where there is none.
            if let Some((db, name)) = unsafe { place_of(io) } {
                stored.file(db, name);
            }
            registry::with(|registry| registry.has_history = true);
            Box::into_raw(Box::new(stored)).cast()
        }
        Some(Err(corrupt)) => {
            log(Level::Warning, &format!("a queue cannot be loaded: {corrupt}"));
            null_mut()
        }
        None => null_mut(),
    }
}

/// # Safety
/// `io` is a stream that the server hands to a loading callback.
unsafe fn load_queue(io: *mut RedisModuleIO) -> Result<Queue, Corrupt> {
    let mut loader: Option<Loader> = None;
    loop {
        let mut len = 0;
        // SAFETY: as the caller promises. The buffer is ours and freed below, once.
        let buffer = unsafe { call!(RedisModule_LoadStringBuffer(io, &mut len)) };
        if buffer.is_null() {
            return Err(Corrupt::Incomplete);
        }
        // SAFETY: the server filled `len` bytes.
        let frame = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), len) };
        let read = match &mut loader {
            _ if frame.is_empty() => Ok(()),
            None => Loader::new(frame).map(|begun| loader = Some(begun)),
            Some(loader) => loader.push(frame),
        };
        // SAFETY: see above; `frame` is not used any more.
        unsafe { call!(RedisModule_Free(buffer.cast())) };
        read?;
        if len == 0 {
            return loader.ok_or(Corrupt::Incomplete)?.finish();
        }
    }
}

/// # Safety
/// `io` is a stream that the server hands to a callback of the type.
unsafe fn place_of<'a>(io: *mut RedisModuleIO) -> Option<(i32, &'a [u8])> {
    // SAFETY: as the caller promises; the server lends the name for the callback.
    unsafe {
        let name = call!(RedisModule_GetKeyNameFromIO(io));
        (!name.is_null()).then(|| (call!(RedisModule_GetDbIdFromIO(io)), bytes_of(name)))
    }
}

unsafe extern "C" fn rewrite(
    io: *mut RedisModuleIO,
    key: *mut RedisModuleString,
    value: *mut c_void,
) {
    guard(|| {
        // SAFETY: the server hands over a live stream, a name and a value of ours.
        let queue = unsafe { &(*value.cast::<Stored>()).queue };
        for frame in queue.frames() {
            // SAFETY: `s` takes a string of the server, `b` bytes and their number.
            unsafe {
                call!(RedisModule_EmitAOF(
                    io,
                    c"JQ.LOAD".as_ptr(),
                    c"sb".as_ptr(),
                    key,
                    frame.as_ptr().cast::<c_char>(),
                    frame.len()
                ));
            }
        }
    });
}

unsafe extern "C" fn digest(digest: *mut RedisModuleDigest, value: *mut c_void) {
    guard(|| {
        // SAFETY: the server hands over a value of ours and a digest to add to.
        unsafe {
            let text = (*value.cast::<Stored>()).queue.digest().to_string();
            call!(RedisModule_DigestAddStringBuffer(digest, text.as_ptr().cast(), text.len()));
            call!(RedisModule_DigestEndSequence(digest));
        }
    });
}

/// May run on a thread of the server's own: nothing but the value is used.
unsafe extern "C" fn free(value: *mut c_void) {
    // SAFETY: made by `Box::leak` or `Box::into_raw`, and given back once.
    guard(|| drop(unsafe { Box::from_raw(value.cast::<Stored>()) }));
}

unsafe extern "C" fn memory_usage(
    _context: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
    _samples: usize,
) -> usize {
    // SAFETY: the server hands over a value of ours.
    let bytes = guard(|| unsafe { (*value.cast::<Stored>()).bytes() });
    bytes.unwrap_or(0)
}

/// What the server compares to decide whether to free on another thread, which it does above 64: in how
/// many small pieces the memory may be. Not how many jobs there are: one may have very many subscribers,
/// and notices and schedules need none. A new queue stays below.
unsafe extern "C" fn free_effort(
    _context: *mut RedisModuleKeyOptCtx,
    value: *const c_void,
) -> usize {
    const PIECE_BYTES: usize = 256;
    // SAFETY: the server hands over a value of ours.
    guard(|| unsafe { (*value.cast::<Stored>()).queue.bytes() / PIECE_BYTES }).unwrap_or(0)
}

/// The queue loses its name: it is deleted, overwritten, renamed or moved.
unsafe extern "C" fn unlink(context: *mut RedisModuleKeyOptCtx, value: *const c_void) {
    guard(|| {
        // SAFETY: the server hands over a value of ours, and lends the name for the callback. Nothing
        // else refers to the value: where a command of ours deletes a key, it is done with it.
        unsafe {
            let name = call!(RedisModule_GetKeyNameFromOptCtx(context));
            let db = call!(RedisModule_GetDbIdFromOptCtx(context));
            if !name.is_null() {
                let name = bytes_of(name);
                (*value.cast_mut().cast::<Stored>()).leave(db, name);
                registry::with(|registry| {
                    registry.has_history = true;
                    registry.recheck(&(db, name.into()));
                });
                changes::note_gone(db, name);
            }
        }
    });
}

unsafe extern "C" fn copy(context: *mut RedisModuleKeyOptCtx, value: *const c_void) -> *mut c_void {
    let copied = guard(|| {
        // SAFETY: the server hands over a value of ours, and lends the name for the callback.
        unsafe {
            let original = &*value.cast::<Stored>();
            if original.poisoned {
                return None;
            }
            let mut stored = Stored::new(original.queue.clone());
            // They follow the jobs of the original, which go on.
            stored.queue.forget_outsiders();
            stored.ahead = original.ahead;
            let name = call!(RedisModule_GetToKeyNameFromOptCtx(context));
            if !name.is_null() {
                stored.file(call!(RedisModule_GetToDbIdFromOptCtx(context)), bytes_of(name));
            }
            Some(stored)
        }
    });
    copied.flatten().map_or(null_mut(), |stored| Box::into_raw(Box::new(stored)).cast())
}
