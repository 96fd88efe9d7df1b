//! Every command with every option, as a client sees it: what it does and exactly what it answers.

mod cancel;
mod consume;
mod gates;
mod inspect;
mod list;
mod loading;
mod operate;
mod options;
mod parents;
mod produce;
mod refusals;
mod results;
mod settle;
mod surface;
mod unique;
mod why;
