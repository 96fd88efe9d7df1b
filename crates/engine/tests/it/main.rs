//! The engine, told stories with a clock that is turned by hand.

mod lifecycle;
mod listing; // what is promised of one job, rule by rule
mod memory; // what a job costs, and that it is given back
mod replay; // random histories: primary, replica, log and snapshot agree
mod snapshot; // the stored form: frozen bytes, damage, bounds
mod support; // the driver that all of them use
