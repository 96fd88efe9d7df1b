//! Parts of the module that need no server. The module itself cannot be linked to a test: its
//! allocator is the server's.

#[allow(dead_code, reason = "the module uses all of it")]
#[path = "../../src/names.rs"]
mod names;

mod registered;
