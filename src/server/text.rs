//! The server's strings.

use std::ptr::{null_mut, NonNull};

use redis_module::raw::RedisModuleString;

use super::call;

/// A string of the server that we made and free.
pub struct Text(NonNull<RedisModuleString>);

impl Text {
    /// Copies bytes into a new string.
    pub fn new(bytes: &[u8]) -> Self {
        // SAFETY: with a null context the string is ours alone, and the bytes live for the call.
        let raw = unsafe {
            call!(RedisModule_CreateString(null_mut(), bytes.as_ptr().cast(), bytes.len()))
        };
        Self(NonNull::new(raw).expect("the server aborts when it has no memory for a string"))
    }

    /// The string as the module API takes it.
    pub fn raw(&self) -> *mut RedisModuleString {
        self.0.as_ptr()
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        // SAFETY: made by `new` without a context, and freed once.
        unsafe { call!(RedisModule_FreeString(null_mut(), self.raw())) }
    }
}

/// The bytes of a string that the server lends.
///
/// # Safety
/// `raw` is a string of the server that lives, unchanged, for `'a`.
pub unsafe fn bytes_of<'a>(raw: *const RedisModuleString) -> &'a [u8] {
    let mut len = 0;
    // SAFETY: the caller lends a live string; the server returns its buffer and length.
    unsafe {
        let start = call!(RedisModule_StringPtrLen(raw, &mut len));
        std::slice::from_raw_parts(start.cast(), len)
    }
}
