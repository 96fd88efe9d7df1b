//! The rules of a job's life, in its order.

mod batches;
mod bonds;
mod cancel;
mod chain;
mod complete;
mod consume;
mod dead;
mod deadline;
mod distant;
mod gates;
mod groups;
mod idle;
mod limits;
mod notices;
mod operate;
mod parents;
mod pause;
mod publish;
mod purge;
mod refuse;
mod settle;
mod subscriptions;
mod time;
mod unique;
mod update;
