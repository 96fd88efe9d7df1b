//! End to end: real servers with the module loaded. `JOBQ_SERVER` names the server to test;
//! scripts/test runs everything on Redis and on Valkey.

mod lifecycle;
mod log;
mod persistence;
mod restore;
mod support;
