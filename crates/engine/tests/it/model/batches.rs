//! Jobs that are delivered together, as the model has them.

use std::collections::BTreeMap;

use jobq_engine::{BatchOrder, Setting, StateKind, Until, Verdict, ERROR_BYTES_MAX};

use super::reference::{Job, Model, Place, Wait};

/// The size, delay and grace that are set; zero for nothing.
type Pace = [u64; 3];

/// What is set, and when those who gather will be a batch.
#[derive(Clone, Debug)]
pub struct Gathering {
    pub pace: Pace,
    pub paces: BTreeMap<Vec<u8>, Pace>,
    /// By key, with who was there when that was said, and since when.
    armed: BTreeMap<Vec<u8>, Armed>,
    /// The last key that follows changed settings, where not all do.
    stale_after: Option<Vec<u8>>,
}

#[derive(Clone, Debug, Default)]
struct Armed {
    jobs: Vec<(u64, u64)>,
    fires: Option<u64>,
}

impl Default for Gathering {
    fn default() -> Self {
        let pace = [0, 0, 60_000];
        Self { pace, paces: BTreeMap::new(), armed: BTreeMap::new(), stale_after: None }
    }
}

impl Gathering {
    pub fn set(&mut self, setting: &Setting) {
        let (at, key, value) = match setting {
            Setting::BatchSize { key, jobs } => (0, key, u64::from(*jobs)),
            Setting::BatchDelay { key, span } => (1, key, span.0),
            Setting::BatchGrace { key, span } => (2, key, span.0),
            _ => return,
        };
        match key {
            None => self.pace[at] = value,
            Some(key) => self.paces.entry(key.to_vec()).or_default()[at] = value,
        }
        self.paces.retain(|_, pace| *pace != [0; 3]);
        self.stale_after = (!self.armed.is_empty()).then(Vec::new);
    }

    fn of(&self, key: &[u8]) -> Pace {
        let own = self.paces.get(key).copied().unwrap_or_default();
        let or = |at: usize| if own[at] > 0 { own[at] } else { self.pace[at] };
        [or(0), or(1), or(2)]
    }

    fn size(&self, key: &[u8]) -> usize {
        match self.of(key)[0] {
            0 => 1_000,
            size => size as usize,
        }
    }

    fn fires(&self, key: &[u8], jobs: &[(u64, u64)]) -> Option<u64> {
        let [size, delay, grace] = self.of(key);
        let (first, last) = (jobs.first()?.1, jobs.last()?.1);
        if size + delay + grace == 0 {
            return Some(first);
        }
        let by_delay = (delay > 0).then(|| first + delay);
        let by_grace = (grace > 0).then(|| last + grace);
        by_delay.into_iter().chain(by_grace).min()
    }

    pub fn is_stale(&self) -> bool {
        self.stale_after.is_some()
    }
}

fn turn(job: &Job) -> i64 {
    match job.place {
        Place::Gathering { turn, .. } => turn,
        _ => 0,
    }
}

impl Model {
    fn in_batch(&self, wanted: impl Fn(&Job, Option<u64>) -> bool) -> Vec<Job> {
        let is_in = |job: &&Job| match job.place {
            Place::Gathering { with, .. } => wanted(job, with),
            _ => false,
        };
        let mut jobs: Vec<_> = self.jobs.iter().filter(is_in).cloned().collect();
        jobs.sort_by_key(turn);
        jobs
    }

    /// Those who gather under a key, in the order they came.
    fn gathered(&self, key: &[u8]) -> Vec<Job> {
        self.in_batch(|job, with| with.is_none() && job.batch == key)
    }

    /// Those who go with a job, in the order they came.
    pub fn followers(&self, leader: u64) -> Vec<u64> {
        let jobs = self.in_batch(|_, with| with == Some(leader));
        jobs.into_iter().map(|job| job.seq).collect()
    }

    /// The keys under which jobs gather, how many, and when they will be a batch.
    pub fn batches(&self) -> Vec<(Vec<u8>, usize, Option<u64>)> {
        let batch = |(key, armed): (&Vec<u8>, &Armed)| (key.clone(), armed.jobs.len(), armed.fires);
        self.gathering.armed.iter().map(batch).collect()
    }

    /// The batch that forms next by time: when, and its first job.
    pub fn next_batch(&self) -> Option<(u64, u64)> {
        let armed = self.gathering.armed.values();
        armed.filter_map(|armed| Some((armed.fires?, armed.jobs.first()?.0))).min()
    }

    pub fn is_in_leased_batch(&self, job: &Job) -> bool {
        let Place::Gathering { with: Some(leader), .. } = job.place else { return false };
        self.find_seq(leader).is_some_and(|job| job.place.kind() == StateKind::Leased)
    }

    /// Says anew when those will be a batch whose number has changed.
    pub fn rearm(&mut self) {
        let mut lists: BTreeMap<Vec<u8>, Vec<(u64, u64)>> = BTreeMap::new();
        for job in self.in_batch(|_, with| with.is_none()) {
            let Place::Gathering { since, .. } = job.place else { continue };
            lists.entry(job.batch).or_default().push((job.seq, since));
        }
        self.gathering.armed.retain(|key, _| lists.contains_key(key));
        for (key, jobs) in lists {
            if self.gathering.armed.get(&key).is_none_or(|armed| armed.jobs != jobs) {
                let fires = self.gathering.fires(&key, &jobs);
                self.gathering.armed.insert(key, Armed { jobs, fires });
            }
        }
        if self.gathering.armed.is_empty() {
            self.gathering.stale_after = None;
        }
    }

    /// Waits for others from now on.
    pub fn gather(&mut self, seq: u64) {
        let (since, turn) = (self.clock, self.tail());
        let job = self.job(seq);
        job.place = Place::Gathering { since, turn, with: None };
        let key = job.batch.clone();
        if self.gathered(&key).len() >= self.gathering.size(&key) {
            self.fire(&key);
        }
    }

    /// Makes those a batch who came first, and others too while they are enough.
    pub fn fire(&mut self, key: &[u8]) {
        let size = self.gathering.size(key);
        loop {
            let gathered = self.gathered(key);
            let Some(first) = gathered.first() else { return };
            for member in gathered.iter().take(size) {
                if let Place::Gathering { with, .. } = &mut self.job(member.seq).place {
                    *with = Some(first.seq);
                }
            }
            self.lead(first.seq, None);
            if self.in_batch(|_, with| with.is_none()).is_empty() {
                // Nobody is left who could follow settings that have changed.
                self.gathering.armed.clear();
                self.gathering.stale_after = None;
            }
            if gathered.len() < 2 * size {
                return;
            }
        }
    }

    /// Goes on from the batch as a ready job, or as one that waits until then.
    fn lead(&mut self, seq: u64, until: Option<u64>) {
        self.job(seq).leads = true;
        match until {
            Some(until) => self.delay(seq, until),
            None => self.become_ready_now(seq),
        }
    }

    /// The first of those who went with a job that is gone or finished goes on in its place. If they
    /// were leased with it, they are given back without blame.
    pub fn succeed(&mut self, leader: u64, before: &Place) {
        let counted = matches!(before, Place::Leased { holder, .. } if holder.counted);
        for seq in self.followers(leader) {
            self.job(seq).deliveries -= u32::from(counted);
        }
        let Some(heir) = self.follow_another(leader) else { return };
        match before {
            Place::Delayed { until } => self.lead(heir, Some(*until)),
            _ => self.lead(heir, None),
        }
    }

    /// Those who went with a job go with the first of them.
    fn follow_another(&mut self, leader: u64) -> Option<u64> {
        let followers = self.followers(leader);
        let heir = *followers.first()?;
        for seq in followers {
            if let Place::Gathering { with, .. } = &mut self.job(seq).place {
                *with = Some(heir);
            }
        }
        Some(heir)
    }

    /// Has the next batch follow the settings. False if all do.
    pub fn follow_settings(&mut self) -> bool {
        let Some(after) = self.gathering.stale_after.clone() else { return false };
        let next = self.gathering.armed.keys().find(|key| **key > after).cloned();
        self.gathering.stale_after.clone_from(&next);
        if let Some(key) = next {
            let jobs = self.gathering.armed[&key].jobs.clone();
            let fires = self.gathering.fires(&key, &jobs);
            if let Some(armed) = self.gathering.armed.get_mut(&key) {
                armed.fires = fires;
            }
            if jobs.len() >= self.gathering.size(&key) {
                self.fire(&key);
            }
        }
        true
    }

    pub fn order_batch(&mut self, key: &[u8], order: BatchOrder) -> u64 {
        let jobs = self.gathered(key);
        if order == BatchOrder::Fire {
            self.fire(key);
        }
        for job in &jobs {
            match order {
                BatchOrder::Fire => {}
                BatchOrder::Run => {
                    self.count(job.seq, |counts| &mut counts.kicked);
                    self.ready_now(job.seq);
                }
                BatchOrder::Bury => self.bury(job.seq),
                BatchOrder::Delete => {
                    self.count(job.seq, |counts| &mut counts.deleted);
                    self.remove(job.seq);
                }
            }
        }
        jobs.len() as u64
    }

    /// Counts a delivery for those who go with a job that was taken.
    pub fn deliver_followers(&mut self, leader: u64, counted: bool) {
        for seq in self.followers(leader) {
            self.count(seq, |counts| &mut counts.delivered);
            self.job(seq).deliveries += u32::from(counted);
            self.free_if(seq, |until| until == Until::Start);
        }
    }

    /// Does to those who go with a job what is about to be done to it.
    pub fn settle_followers(&mut self, leader: u64, verdict: Verdict<'_>) {
        let counted = match &self.job(leader).place {
            Place::Leased { holder, .. } => holder.counted,
            _ => false,
        };
        for seq in self.followers(leader) {
            match verdict {
                Verdict::Ack => {
                    self.count(seq, |counts| &mut counts.acked);
                    let result = self.job(seq).result.clone();
                    self.complete(seq, result.as_deref(), None);
                }
                Verdict::Fulfill { result, retain } => {
                    self.count(seq, |counts| &mut counts.fulfilled);
                    self.complete(seq, Some(result), retain);
                }
                Verdict::Bury { error } => {
                    self.keep_error(seq, error);
                    self.bury(seq);
                }
                Verdict::Nack { error, .. } => {
                    self.count(seq, |counts| &mut counts.nacked);
                    self.keep_error(seq, error);
                }
                Verdict::Release { counted: counts, .. } => {
                    self.count(seq, |counts| &mut counts.released);
                    let max = self.settings.releases_max;
                    let job = self.job(seq);
                    if counts && max > 0 && job.releases >= max {
                        job.error = Some(b"released too often".to_vec());
                        self.die(seq);
                        continue;
                    }
                    job.releases += u32::from(counts);
                    job.deliveries -= u32::from(counted);
                }
            }
        }
    }

    fn keep_error(&mut self, seq: u64, error: Option<&[u8]>) {
        if let Some(error) = error {
            let kept = &error[..error.len().min(ERROR_BYTES_MAX)];
            self.job(seq).error = Some(kept.to_vec());
        }
    }

    /// Counts the failure of those who go with a job; who has no try left is dead.
    pub fn fail_followers(&mut self, leader: u64) {
        let now = self.clock;
        for seq in self.followers(leader) {
            let job = self.job(seq);
            job.failures += 1;
            job.failed_at = Some(now);
            if job.deliveries >= job.tries {
                self.die(seq);
            }
        }
    }

    /// Who has no try left is dead; those who went with it wait as it would have.
    pub fn die_alone(&mut self, seq: u64, failures: u32, wait: Wait) {
        let now = self.clock;
        let backoff = self.job(seq).backoff;
        let heir = self.follow_another(seq);
        self.job(seq).leads = false;
        self.die(seq);
        let Some(heir) = heir else { return };
        self.job(heir).leads = true;
        self.wait(heir, backoff, failures, wait, now);
    }
}
