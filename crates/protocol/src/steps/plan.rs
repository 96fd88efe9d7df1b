//! When schedules come next: what a calendar says is a decision.

use jobq_engine::{Millis, Plan, UnixMillis};
use serde::{Deserialize, Serialize};

/// When a schedule comes next.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PlanStep {
    schedule: u64,
    passed: Option<(u64, u64)>,
    next: Option<u64>,
    then: Option<u64>,
}

/// What is beyond this, nobody can have meant.
const INSTANT_MAX: u64 = UnixMillis::MAX.0 + Millis::MAX.0;

impl PlanStep {
    /// Records that.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            schedule: plan.schedule,
            passed: plan.passed.map(|(count, at)| (count, at.0)),
            next: plan.next.map(|at| at.0),
            then: plan.then.map(|at| at.0),
        }
    }

    /// What was recorded.
    #[must_use]
    pub fn plan(&self) -> Plan {
        Plan {
            schedule: self.schedule,
            passed: self.passed.map(|(count, at)| (count, UnixMillis(at))),
            next: self.next.map(UnixMillis),
            then: self.then.map(UnixMillis),
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        let passed = self.passed.map(|(_, at)| at);
        let mut named = [passed, self.next, self.then].into_iter().flatten();
        named.all(|at| at <= INSTANT_MAX)
    }
}
