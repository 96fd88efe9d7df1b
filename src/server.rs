//! The server's module API behind a small safe layer: all that the rest of `src/` needs of it.
//!
//! The bindings expose each function as an `Option` that the server fills in when it loads the
//! module. [`call!`] looks it up and panics where an older server lacks it; the panic is caught at
//! the boundary like any other.

pub mod access;
pub mod boundary;
mod context;
mod key;
mod log;
pub mod text;

pub use boundary::{guard, install_panic_hook};
pub use context::{Context, Flags};
pub use key::{Key, Mode};
pub use log::{log, Level};
pub use text::Text;

/// Calls a function of the module API by the last part of its name.
macro_rules! call {
    ($name:ident ( $($argument:expr),* $(,)? )) => {
        match redis_module::raw::$name {
            Some(function) => function($($argument),*),
            None => $crate::server::missing(stringify!($name)),
        }
    };
}
pub(crate) use call;

/// The server does not have a function that the module cannot do without.
#[cold]
pub fn missing(name: &str) -> ! {
    panic!("the server has no {name}")
}
