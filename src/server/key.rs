//! An open key.

use std::{ffi::c_int, ptr::NonNull};

use redis_module::raw::{self, RedisModuleKey, RedisModuleString, RedisModuleType};

use super::{call, Context};

/// What a key is opened for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Mode {
    /// To look. A key that is over its time is not removed.
    Read,
    /// To look, without counting as a use.
    Peek,
    /// To change.
    Write,
}

/// A key that is open until this is dropped.
pub struct Key(NonNull<RedisModuleKey>);

impl Key {
    /// Opens a key; `None` only if there is none and the mode is not `Write`.
    pub fn open(context: Context, name: *mut RedisModuleString, mode: Mode) -> Option<Self> {
        let mode = match mode {
            Mode::Read => raw::REDISMODULE_READ,
            Mode::Peek => raw::REDISMODULE_READ | raw::REDISMODULE_OPEN_KEY_NOTOUCH,
            Mode::Write => raw::REDISMODULE_READ | raw::REDISMODULE_WRITE,
        };
        // SAFETY: the context is live, and the name is a live string.
        let key = unsafe { call!(RedisModule_OpenKey(context.raw(), name, mode as c_int)) };
        NonNull::new(key.cast()).map(Self)
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        // SAFETY: the key is open; so in all calls below.
        unsafe {
            call!(RedisModule_KeyType(self.0.as_ptr())) as isize == raw::REDISMODULE_KEYTYPE_EMPTY
        }
    }

    /// The value, if it is of this type of ours.
    pub fn value<T>(&self, kind: *mut RedisModuleType) -> Option<NonNull<T>> {
        // SAFETY: see `is_empty`. The value of a type of ours is what `set` was given.
        unsafe {
            if call!(RedisModule_ModuleTypeGetType(self.0.as_ptr())) != kind {
                return None;
            }
            NonNull::new(call!(RedisModule_ModuleTypeGetValue(self.0.as_ptr())).cast())
        }
    }

    /// Puts a value there, which the server owns from then on.
    pub fn set<T>(&self, kind: *mut RedisModuleType, value: Box<T>) -> NonNull<T> {
        let value = NonNull::from(Box::leak(value));
        // SAFETY: see `is_empty`; the key is open for writing, and the type frees such boxes.
        unsafe {
            call!(RedisModule_ModuleTypeSetValue(self.0.as_ptr(), kind, value.as_ptr().cast()));
        }
        value
    }

    /// Deletes the key, which is open for writing, and its value with it.
    pub fn delete(&self) {
        // SAFETY: see `is_empty`.
        unsafe { call!(RedisModule_DeleteKey(self.0.as_ptr())) };
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: opened by `open`, and closed once.
        unsafe { call!(RedisModule_CloseKey(self.0.as_ptr())) }
    }
}
