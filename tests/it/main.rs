//! End to end: real servers with the module loaded. `JOBQ_SERVER` names the server to test;
//! scripts/test runs everything on Redis and on Valkey.

mod access;
mod batches;
mod blocking;
mod bonds;
mod chain;
mod cluster;
mod commands;
mod distant;
mod examples;
mod faults;
mod lifecycle;
mod limits;
mod listeners;
mod log;
mod mass;
mod memory;
mod notices;
mod persistence;
mod queues;
mod registration;
mod regressions;
mod replication;
mod replies;
mod restore;
mod support;
mod walks;
