//! The rules of a job's life, in its order.

mod consume;
mod operate;
mod publish;
mod refuse;
mod settle;
mod time;
