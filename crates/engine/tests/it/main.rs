//! The engine, told stories with a clock that is turned by hand.

mod command;
mod fold; // commands and answers, as replay and simulator speak them
mod lifecycle; // what is promised of one job, rule by rule
mod listing; // pages of jobs while the queue goes on
mod memory; // what a job costs, and that it is given back
mod model; // random histories against a naive queue, written from the documentation
mod neighbours; // several queues, and a host that carries effects between them
mod replay; // random histories: primary, replica, log and snapshot agree
mod schedules; // schedules as clients set them, and a calendar for tests
mod simulator; // clients, crashes and clocks that go wrong
mod snapshot; // the stored form: frozen bytes, damage, bounds
mod support; // the driver that all of them use
