//! The rules of a job's life, in its order.

mod consume;
mod dead;
mod operate;
mod pause;
mod publish;
mod purge;
mod refuse;
mod settle;
mod time;
mod update;
