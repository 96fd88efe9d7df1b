//! Every command with every option, as a client sees it: what it does and exactly what it answers.

mod consume;
mod inspect;
mod loading;
mod operate;
mod produce;
mod refusals;
mod settle;
mod surface;
