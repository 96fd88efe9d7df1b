//! Tells the server about every command of the table: names, flags, keys, categories, docs.

use std::{
    ffi::{c_char, c_int, CString},
    mem::zeroed,
    ptr::{null, null_mut},
};

use jobq_protocol::{Access, Arg, Command, Keys, Kind, COMMANDS};
use redis_module::raw::{
    self, RedisModuleCommand, RedisModuleCommandArg, RedisModuleCommandInfo,
    RedisModuleCommandInfoVersion, RedisModuleCommandKeySpec, RedisModuleCtx, RedisModuleString,
};

use super::entry;
use crate::server::{call, Context};

type Entry = unsafe extern "C" fn(*mut RedisModuleCtx, *mut *mut RedisModuleString, c_int) -> c_int;

macro_rules! entries {
    ($($place:literal)*) => { [$(entry::<$place>),*] };
}

/// One entry point for each command of the table.
static ENTRIES: [Entry; COMMANDS_LEN] = entries![
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40
];
const COMMANDS_LEN: usize = 41;

/// Our own category, where the server can have one.
const CATEGORY: &str = "jobqueue";

/// Registers all commands. False if the server does not take one.
pub fn register(context: Context) -> bool {
    let has_category = add_category(context);
    COMMANDS.len() == ENTRIES.len()
        && COMMANDS
            .iter()
            .zip(ENTRIES)
            .all(|(command, entry)| register_one(context, command, entry, has_category))
}

/// Answers where the keys of a command are.
pub fn tell_keys(context: Context, command: &Command, arguments: &[&[u8]]) {
    if !command.keys.has_first(arguments) {
        return;
    }
    match command.access {
        Access::Read => context.read_key_at(1),
        Access::Write | Access::WriteGrowing => context.key_at(1),
    }
    let Keys::FirstAndAfter(word) = command.keys else { return };
    let named = |argument: &&[u8]| argument.eq_ignore_ascii_case(word.as_bytes());
    if let Some(at) = arguments.iter().skip(2).position(named) {
        (at + 3..arguments.len()).for_each(|position| context.key_at(position));
    }
}

fn register_one(context: Context, command: &Command, entry: Entry, has_category: bool) -> bool {
    let name = CString::new(command.name.to_ascii_lowercase());
    let (Ok(name), Ok(flags)) = (name, CString::new(flags(command))) else { return false };
    let has_key = c_int::from(command.keys != Keys::None);
    // SAFETY: the context is that of the module's loading; the server copies the strings.
    unsafe {
        let created = call!(RedisModule_CreateCommand(
            context.raw(),
            name.as_ptr(),
            Some(entry),
            flags.as_ptr(),
            has_key,
            has_key,
            has_key
        ));
        if created as isize != raw::REDISMODULE_OK {
            return false;
        }
        let handle = call!(RedisModule_GetCommand(context.raw(), name.as_ptr()));
        !handle.is_null() && describe(handle, command) && categorize(handle, command, has_category)
    }
}

fn flags(command: &Command) -> String {
    let mut flags = vec![match command.access {
        Access::Read => "readonly",
        Access::Write => "write",
        Access::WriteGrowing => "write deny-oom",
    }];
    flags.extend(command.fast.then_some("fast"));
    flags.extend(command.dangerous.then_some("admin"));
    flags.extend(command.blocking.then_some("blocking"));
    // Without it a cluster sees the first key only, whatever the key specifications say.
    let has_several = matches!(command.keys, Keys::FirstAndAfter(_) | Keys::FirstIfOdd);
    flags.extend(has_several.then_some("getkeys-api"));
    flags.join(" ")
}

fn add_category(context: Context) -> bool {
    // SAFETY: only looks whether the server, 7.4 or later, has the function.
    let Some(add) = (unsafe { raw::RedisModule_AddACLCategory }) else { return false };
    let Ok(name) = CString::new(CATEGORY) else { return false };
    // SAFETY: the context is that of the module's loading; the server copies the string.
    unsafe { add(context.raw(), name.as_ptr()) as isize == raw::REDISMODULE_OK }
}

/// # Safety
/// `handle` is that of a command of ours, and the module is being loaded.
unsafe fn categorize(
    handle: *mut RedisModuleCommand,
    command: &Command,
    has_category: bool,
) -> bool {
    // SAFETY: only looks whether the server, 7.2 or later, has the function.
    let Some(set) = (unsafe { raw::RedisModule_SetCommandACLCategories }) else { return true };
    let categories = command.categories();
    let known = categories.split(' ').filter(|&word| has_category || word != CATEGORY);
    let Ok(known) = CString::new(known.collect::<Vec<_>>().join(" ")) else { return false };
    // SAFETY: as the caller promises; the server copies the string.
    unsafe { set(handle, known.as_ptr()) as isize == raw::REDISMODULE_OK }
}

/// Keeps what a C structure points to until the server has copied it.
#[derive(Default)]
struct Kept {
    strings: Vec<CString>,
    arguments: Vec<Vec<RedisModuleCommandArg>>,
}

impl Kept {
    fn string(&mut self, text: &str) -> *const c_char {
        if text.is_empty() {
            return null();
        }
        let Ok(text) = CString::new(text) else { return null() };
        let start = text.as_ptr();
        self.strings.push(text);
        start
    }

    /// The array ends with an argument without a name, as the server wants it.
    fn arguments(&mut self, arguments: &[Arg]) -> *mut RedisModuleCommandArg {
        if arguments.is_empty() {
            return null_mut();
        }
        let mut array: Vec<_> = arguments.iter().map(|argument| self.argument(argument)).collect();
        // SAFETY: the structure holds numbers and pointers, for which zero is a value.
        array.push(unsafe { zeroed() });
        let start = array.as_mut_ptr();
        self.arguments.push(array);
        start
    }

    fn argument(&mut self, argument: &Arg) -> RedisModuleCommandArg {
        let flag = |set: bool, flag: u32| if set { flag as c_int } else { 0 };
        let (kind, key_spec_index) = kind_of(argument.kind);
        RedisModuleCommandArg {
            name: self.string(argument.name),
            type_: kind,
            key_spec_index,
            token: self.string(argument.token.unwrap_or_default()),
            summary: self.string(argument.about),
            since: null(),
            flags: flag(argument.optional, raw::REDISMODULE_CMD_ARG_OPTIONAL)
                | flag(argument.multiple, raw::REDISMODULE_CMD_ARG_MULTIPLE)
                | flag(argument.multiple_token, raw::REDISMODULE_CMD_ARG_MULTIPLE_TOKEN),
            deprecated_since: null(),
            subargs: self.arguments(argument.subargs),
            display_text: self.string(argument.display.unwrap_or_default()),
        }
    }
}

fn kind_of(kind: Kind) -> (raw::RedisModuleCommandArgType, c_int) {
    match kind {
        Kind::Key(spec) => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_KEY, spec as c_int),
        Kind::String => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_STRING, -1),
        Kind::Integer => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_INTEGER, -1),
        Kind::UnixTime => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_UNIX_TIME, -1),
        Kind::PureToken => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_PURE_TOKEN, -1),
        Kind::OneOf => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_ONEOF, -1),
        Kind::Block => (raw::RedisModuleCommandArgType_REDISMODULE_ARG_TYPE_BLOCK, -1),
    }
}

/// Gives the server all that `COMMAND DOCS` and `COMMAND INFO` tell.
///
/// # Safety
/// `handle` is that of a command of ours, and the module is being loaded.
unsafe fn describe(handle: *mut RedisModuleCommand, command: &Command) -> bool {
    let mut kept = Kept::default();
    let version = RedisModuleCommandInfoVersion {
        version: 1,
        sizeof_historyentry: size_of::<raw::RedisModuleCommandHistoryEntry>(),
        sizeof_keyspec: size_of::<RedisModuleCommandKeySpec>(),
        sizeof_arg: size_of::<RedisModuleCommandArg>(),
    };
    let mut keys = key_specs(command, &mut kept);
    // SAFETY: the structure holds numbers and pointers, for which zero is a value.
    let mut info: RedisModuleCommandInfo = unsafe { zeroed() };
    info.version = &version;
    info.summary = kept.string(command.summary);
    info.complexity = kept.string(command.complexity);
    info.since = kept.string(command.since);
    info.arity = command.arity;
    info.key_specs = keys.as_mut_ptr();
    info.args = kept.arguments(command.args);
    // SAFETY: as the caller promises; the server copies everything before it returns.
    unsafe { call!(RedisModule_SetCommandInfo(handle, &info)) as isize == raw::REDISMODULE_OK }
}

/// The key specifications, and one of zeros that ends them.
fn key_specs(command: &Command, kept: &mut Kept) -> Vec<RedisModuleCommandKeySpec> {
    // SAFETY: the structure holds numbers and pointers, for which zero is a value.
    let none: RedisModuleCommandKeySpec = unsafe { zeroed() };
    if command.keys == Keys::None {
        return vec![none];
    }
    // What tells the server to ask us, and not to go by the specification.
    let varies = match command.keys {
        Keys::FirstIfOdd => raw::REDISMODULE_CMD_KEY_VARIABLE_FLAGS,
        Keys::None | Keys::First | Keys::FirstAndAfter(_) => 0,
    };
    let flags = u64::from(
        varies
            | match command.access {
                Access::Read => raw::REDISMODULE_CMD_KEY_RO | raw::REDISMODULE_CMD_KEY_ACCESS,
                Access::WriteGrowing => {
                    raw::REDISMODULE_CMD_KEY_RW | raw::REDISMODULE_CMD_KEY_INSERT
                }
                Access::Write => {
                    raw::REDISMODULE_CMD_KEY_RW
                        | raw::REDISMODULE_CMD_KEY_ACCESS
                        | raw::REDISMODULE_CMD_KEY_UPDATE
                }
            },
    );
    let range = |last| raw::RedisModuleCommandKeySpec__bindgen_ty_2__bindgen_ty_1 {
        lastkey: last,
        keystep: 1,
        limit: 0,
    };
    let mut first = none;
    first.flags = flags;
    first.begin_search_type = raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_INDEX;
    first.bs.index.pos = 1;
    first.find_keys_type = raw::RedisModuleKeySpecFindKeysType_REDISMODULE_KSPEC_FK_RANGE;
    first.fk.range = range(0);
    let mut specs = vec![first];
    if let Keys::FirstAndAfter(word) = command.keys {
        let mut further = first;
        further.begin_search_type =
            raw::RedisModuleKeySpecBeginSearchType_REDISMODULE_KSPEC_BS_KEYWORD;
        further.bs.keyword = raw::RedisModuleCommandKeySpec__bindgen_ty_1__bindgen_ty_2 {
            keyword: kept.string(word),
            startfrom: 2,
        };
        further.fk.range = range(-1);
        specs.push(further);
    }
    specs.push(none);
    specs
}
