//! What a job takes: how often memory is asked for on its way, and how much of it is held while it
//! waits. Each count is exact and written in a file beside, so that no change of one goes unnoticed.

mod allocations;
mod arguments;
mod bytes;
mod client;
mod recorded;
