//! What happens when things go wrong: each fault done to real servers under load, with a check
//! afterwards of what was promised. docs/reliability.md says what that is, and how often each was
//! done; scripts/soak does them all with fresh seeds.

mod cables;
mod caller;
mod check;
mod clock;
mod connections;
mod crew;
mod crowds;
mod damage;
mod disk;
mod failover;
mod full;
mod history;
mod jobs;
mod judge;
mod kills;
mod pair;
mod partition;
mod resharding;
mod schedules;
mod sizes;
mod surroundings;
mod tally;
mod tls;
mod upgrade;
mod watchers;
mod workers;
