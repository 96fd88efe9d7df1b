//! What happens when things go wrong: each fault done to real servers under load, with a check
//! afterwards of what was promised. docs/reliability.md says what that is, and how often each was
//! done; scripts/soak does them all with fresh seeds.

mod caller;
mod check;
mod clock;
mod crew;
mod damage;
mod failover;
mod history;
mod kills;
mod partition;
mod tally;
mod upgrade;
