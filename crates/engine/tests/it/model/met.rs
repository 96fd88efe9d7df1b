//! Words for all that can be asked of a queue, so that a test can tell what was never asked. No
//! match here has a wildcard: what is new does not compile until it has a word.

use jobq_engine::{
    Action, BatchOrder, Haste, IfDead, Operation, Otherwise, Outcome, ScheduleOrder, Setting, Side,
    StateKind, Timing, Unique, Until, Verdict, Which,
};

/// Every word there is.
pub const ALL: [&str; 97] = [
    "tick",
    "lease",
    "publish",
    "ack",
    "fulfill",
    "nack",
    "release",
    "bury",
    "touch",
    "kick first",
    "kick ids",
    "respawn first",
    "respawn ids",
    "delete",
    "bury all delayed",
    "bury all ready",
    "purge delayed",
    "purge ready",
    "purge leased",
    "purge completed",
    "purge dead",
    "update",
    "pause in",
    "pause out",
    "pause both",
    "resume",
    "set tries",
    "set ttr",
    "set ttl",
    "set backoff",
    "set retain",
    "set priority",
    "set maxlen",
    "set maxbody",
    "set dead-max",
    "set dead-age",
    "set expired",
    "set lapse",
    "set idle-expire",
    "configure",
    "free lease",
    "named lease",
    "replace",
    "term",
    "limit",
    "limit no more",
    "set group-maxlen",
    "set group-weight",
    "set bind-counts",
    "cancel",
    "unique or refused",
    "unique or returned",
    "unique or replaced",
    "unique until gone",
    "unique until done",
    "unique until start",
    "duplicate returned",
    "duplicate changed",
    "bury all held",
    "purge held",
    "open",
    "close",
    "set releases-max",
    "uncounted release",
    "after, or held",
    "after, or run",
    "after, or buried",
    "bury all gathering",
    "purge gathering",
    "fire",
    "run",
    "bury a batch",
    "delete a batch",
    "set batch-size",
    "set batch-delay",
    "set batch-grace",
    "in a batch",
    "chain",
    "progress",
    "subscribe",
    "unsubscribe",
    "unsubscribe all",
    "take notices",
    "cross off",
    "lapse",
    "due",
    "plan",
    "schedule every",
    "schedule after",
    "schedule cron",
    "replace schedules",
    "delete a schedule",
    "pause a schedule",
    "resume a schedule",
    "run a schedule",
    "set events",
    "set trail",
];

/// The words for what a publish says of its key.
fn unique(unique: &Unique<'_>) -> [&'static str; 2] {
    let otherwise = match unique.otherwise {
        Otherwise::Reject => ALL[50],
        Otherwise::Return => ALL[51],
        Otherwise::Replace => ALL[52],
    };
    let until = match unique.until {
        Until::Gone => ALL[53],
        Until::Done => ALL[54],
        Until::Start => ALL[55],
    };
    [otherwise, until]
}

/// The word for an outcome that has one.
pub fn outcome(outcome: &Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Held(_) => Some(ALL[56]),
        Outcome::Renewed(_) => Some(ALL[57]),
        _ => None,
    }
}

/// The words for an operation.
pub fn words(operation: &Operation<'_>) -> Vec<&'static str> {
    let word = match operation {
        Operation::Tick { .. } => ALL[0],
        Operation::Term { .. } => ALL[43],
        Operation::Lease(lease) => {
            let free = (!lease.holder.counted).then_some(ALL[40]);
            let named = (!lease.holder.worker.is_empty()).then_some(ALL[41]);
            return [ALL[1]].into_iter().chain(free).chain(named).collect();
        }
        // What queues have to do with each other is for `neighbours`.
        Operation::Follow(_) | Operation::Told(_) | Operation::Delivered { .. } => {
            return Vec::new()
        }
        Operation::Plan(_) => ALL[86],
        Operation::Act(action) => match action {
            Action::Publish(publish) => {
                let conditions = publish.conditions.as_ref();
                let asked = conditions.and_then(|needs| needs.unique.as_ref());
                let replaces = publish.replaces.is_some().then_some(ALL[42]);
                let after = conditions.filter(|needs| !needs.after.is_empty());
                let waits = after.map(|needs| match needs.if_dead {
                    IfDead::Hold => ALL[64],
                    IfDead::Run => ALL[65],
                    IfDead::Bury => ALL[66],
                });
                let batch = conditions.filter(|needs| !needs.batch.is_empty()).map(|_| ALL[76]);
                let waits = waits.into_iter().chain(batch);
                let words = asked.into_iter().flat_map(unique).chain(replaces).chain(waits);
                return words.chain([ALL[2]]).collect();
            }
            Action::Settle { jobs: _, verdict } => match verdict {
                Verdict::Ack => ALL[3],
                Verdict::Fulfill { .. } => ALL[4],
                Verdict::Nack { .. } => ALL[5],
                Verdict::Release { counted: true, .. } => ALL[6],
                Verdict::Release { counted: false, .. } => ALL[63],
                Verdict::Bury { .. } => ALL[7],
            },
            Action::Chain { .. } => ALL[77],
            Action::Subscribe { .. } => ALL[79],
            Action::Unsubscribe { targets: Some(_), .. } => ALL[80],
            Action::Unsubscribe { targets: None, .. } => ALL[81],
            Action::TakeNotices { .. } => ALL[82],
            Action::CrossOff { .. } => ALL[83],
            Action::Touch { progress: Some(_), .. } => ALL[78],
            Action::Touch { .. } => ALL[8],
            Action::Kick(Which::First(_)) => ALL[9],
            Action::Kick(Which::Ids(_)) => ALL[10],
            Action::Respawn { which: Which::First(_), .. } => ALL[11],
            Action::Respawn { which: Which::Ids(_), .. } => ALL[12],
            Action::Delete(_) => ALL[13],
            Action::Cancel(_) => ALL[49],
            Action::Hasten { haste: Haste::Lapse, .. } => ALL[84],
            Action::Hasten { haste: Haste::Due, .. } => ALL[85],
            Action::BuryAll { state: StateKind::Delayed, .. } => ALL[14],
            Action::BuryAll { state: StateKind::Held, .. } => ALL[58],
            Action::BuryAll { state: StateKind::Gathering, .. } => ALL[67],
            Action::BuryAll { state: StateKind::Ready, .. } => ALL[15],
            Action::BuryAll { state, .. } => panic!("all {} jobs buried", state.name()),
            Action::Purge { state, .. } => match state {
                StateKind::Delayed => ALL[16],
                StateKind::Held => ALL[59],
                StateKind::Gathering => ALL[68],
                StateKind::Ready => ALL[17],
                StateKind::Leased => ALL[18],
                StateKind::Completed => ALL[19],
                StateKind::Dead => ALL[20],
            },
            Action::Update { .. } => ALL[21],
            Action::Pause { side, .. } => match side {
                Side::In => ALL[22],
                Side::Out => ALL[23],
                Side::Both => ALL[24],
            },
            Action::Resume => ALL[25],
            Action::Batch { order, .. } => match order {
                BatchOrder::Fire => ALL[69],
                BatchOrder::Run => ALL[70],
                BatchOrder::Bury => ALL[71],
                BatchOrder::Delete => ALL[72],
            },
            Action::Gate { opens: true, .. } => ALL[60],
            Action::Gate { opens: false, .. } => ALL[61],
            Action::Configure(settings) => {
                return settings.iter().map(setting).chain([ALL[39]]).collect();
            }
            Action::Limit { permits: Some(_), .. } => ALL[44],
            Action::Limit { permits: None, .. } => ALL[45],
            Action::Schedule(order) => match order {
                ScheduleOrder::Set(new) => match new.timing {
                    Timing::Every { .. } => ALL[87],
                    Timing::After(_) => ALL[88],
                    Timing::Cron { .. } => ALL[89],
                },
                ScheduleOrder::Replace(_) => ALL[90],
                ScheduleOrder::Delete(_) => ALL[91],
                ScheduleOrder::Pause(_) => ALL[92],
                ScheduleOrder::Resume(_) => ALL[93],
                ScheduleOrder::Run(_) => ALL[94],
            },
        },
    };
    vec![word]
}

fn setting(setting: &Setting) -> &'static str {
    match setting {
        Setting::Tries(_) => ALL[26],
        Setting::Ttr(_) => ALL[27],
        Setting::Ttl(_) => ALL[28],
        Setting::Backoff(_) => ALL[29],
        Setting::Retain(_) => ALL[30],
        Setting::Priority(_) => ALL[31],
        Setting::MaxLen(_) => ALL[32],
        Setting::MaxBody(_) => ALL[33],
        Setting::DeadMax(_) => ALL[34],
        Setting::DeadAge(_) => ALL[35],
        Setting::Expired(_) => ALL[36],
        Setting::Lapse(_) => ALL[37],
        Setting::IdleExpire(_) => ALL[38],
        Setting::GroupMaxLen(_) => ALL[46],
        Setting::GroupWeight { .. } => ALL[47],
        Setting::BindCounts(_) => ALL[48],
        Setting::ReleasesMax(_) => ALL[62],
        Setting::BatchSize { .. } => ALL[73],
        Setting::BatchDelay { .. } => ALL[74],
        Setting::BatchGrace { .. } => ALL[75],
        Setting::Events(_) => ALL[95],
        Setting::Trail(_) => ALL[96],
    }
}
