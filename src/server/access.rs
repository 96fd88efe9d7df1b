//! What the user of a connection may do with a key of which the server does not know that the command
//! names it.

use std::{io::ErrorKind, ptr::NonNull};

use redis_module::raw::{self, RedisModuleString, RedisModuleUser};

use super::{call, Context, Text};

/// The user who sends a command.
pub struct User(Option<NonNull<RedisModuleUser>>);

impl User {
    /// The user in whose name a command is run. `None` where it is in nobody's: another module calls,
    /// as itself, which the server does not check either.
    pub fn of(context: Context) -> Option<Self> {
        let name = match context.connection() {
            // SAFETY: the context is live; the name is ours, and freed below.
            Some(id) => unsafe { call!(RedisModule_GetClientUserNameById(context.raw(), id)) },
            // SAFETY: as above, and there is a user: without one the server reads what is not there.
            None if has_user(context) => unsafe {
                call!(RedisModule_GetCurrentUserName(context.raw()))
            },
            None => return None,
        };
        let name = NonNull::<RedisModuleString>::new(name)?;
        // SAFETY: the name is a live string, freed once, behind its last use. The user is ours.
        unsafe {
            let user = call!(RedisModule_GetModuleUserFromUserName(name.as_ptr()));
            call!(RedisModule_FreeString(context.raw(), name.as_ptr()));
            Some(Self(NonNull::new(user)))
        }
    }

    /// Whether the user may run this command on these keys. One who is there no longer may not.
    pub fn may_run(&self, command: &[Text]) -> bool {
        let Some(user) = self.0 else { return false };
        let mut command: Vec<_> = command.iter().map(Text::raw).collect();
        let (argv, argc) = (command.as_mut_ptr(), command.len() as i32);
        // SAFETY: the user is live, and so are the strings.
        let may =
            unsafe { call!(RedisModule_ACLCheckCommandPermissions(user.as_ptr(), argv, argc)) };
        may as isize == raw::REDISMODULE_OK
    }

    /// Whether the user may read and change a key. One who is there no longer may not.
    pub fn may_use(&self, key: &Text) -> bool {
        self.may(key, raw::REDISMODULE_CMD_KEY_ACCESS | raw::REDISMODULE_CMD_KEY_UPDATE)
    }

    /// The same for reading alone.
    pub fn may_read(&self, key: &Text) -> bool {
        self.may(key, raw::REDISMODULE_CMD_KEY_ACCESS)
    }

    fn may(&self, key: &Text, flags: u32) -> bool {
        let Some(user) = self.0 else { return false };
        // SAFETY: the user is live, and so is the string.
        let may = unsafe {
            call!(RedisModule_ACLCheckKeyPermissions(user.as_ptr(), key.raw(), flags as i32))
        };
        may as isize == raw::REDISMODULE_OK
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(user) = self.0 {
            // SAFETY: it was made for us, and is freed once.
            unsafe { call!(RedisModule_FreeModuleUser(user.as_ptr())) };
        }
    }
}

/// Whether a script is run in the name of a user: not where another module has called it. The server
/// tells by refusing a call in the user's name, whatever it is.
fn has_user(context: Context) -> bool {
    // SAFETY: the context is live; the reply is freed once.
    unsafe {
        let reply = call!(RedisModule_Call(context.raw(), c"PING".as_ptr(), c"C".as_ptr()));
        let failed = std::io::Error::last_os_error();
        if reply.is_null() {
            return failed.kind() != ErrorKind::Unsupported;
        }
        call!(RedisModule_FreeCallReply(reply));
        true
    }
}
