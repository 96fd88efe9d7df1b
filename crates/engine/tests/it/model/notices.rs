//! Subscribers and what they are to be told, as the model has them.

use jobq_engine::{JobRef, Refusal, StateKind, Touched, UnixMillis, SUBSCRIBERS_MAX};

use super::reference::{is_same_id, Answer, Model, Reply};

/// What became of a job, and who is yet to be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub number: u64,
    pub job: String,
    pub state: Option<StateKind>,
    pub result: Option<Vec<u8>>,
    pub targets: Vec<Vec<u8>>,
    /// The token and the end of the lease.
    pub lease: Option<(u64, u64)>,
}

/// Takes one that is named out of a list.
fn cross_off(targets: &mut Vec<Vec<u8>>, named: &[u8]) -> bool {
    let found = targets.iter().position(|target| target == named);
    found.map(|at| targets.remove(at)).is_some()
}

impl Model {
    fn add_notice(
        &mut self,
        job: String,
        state: Option<StateKind>,
        result: Option<Vec<u8>>,
        targets: Vec<Vec<u8>>,
    ) {
        self.notices_made += 1;
        let number = self.notices_made;
        self.notices.push(Notice { number, job, state, result, targets, lease: None });
    }

    /// What its subscribers are told of a job that ends.
    pub fn inform(&mut self, seq: u64, state: Option<StateKind>, result: Option<&[u8]>) {
        let job = self.job(seq);
        let (id, targets) = (job.id.clone(), std::mem::take(&mut job.subscribers));
        if !targets.is_empty() {
            self.add_notice(id, state, result.map(<[u8]>::to_vec), targets);
        }
    }

    pub fn subscribe(&mut self, name: &JobRef<'_>, targets: &[&[u8]]) -> Answer {
        let Some(seq) = self.find(name).map(|job| job.seq) else { return Ok(Reply::Done(0)) };
        let job = self.job(seq);
        if job.subscribers.len() + targets.len() > SUBSCRIBERS_MAX {
            return Err(vec![Refusal::TooManySubscribers { max: SUBSCRIBERS_MAX }]);
        }
        let new: Vec<_> = targets.iter().map(|target| target.to_vec()).collect();
        let done = new.len() as u64;
        let state = job.place.kind();
        if state.is_final() {
            let is_dead = state == StateKind::Dead;
            let result = if is_dead { job.error.clone() } else { job.result.clone() };
            let id = job.id.clone();
            self.add_notice(id, Some(state), result, new);
        } else {
            job.subscribers.extend(new);
        }
        Ok(Reply::Done(done))
    }

    pub fn unsubscribe(&mut self, name: &JobRef<'_>, targets: Option<&[&[u8]]>) -> u64 {
        let seq = self.find(name).map(|job| job.seq);
        let mut lists: Vec<&mut Vec<Vec<u8>>> = Vec::new();
        if let Some(job) = self.jobs.iter_mut().find(|job| Some(job.seq) == seq) {
            lists.push(&mut job.subscribers);
        }
        let is_meant = |it: &&mut Notice| name.token.is_none() && is_same_id(&it.job, name.id());
        let told = self.notices.iter_mut().filter(is_meant);
        lists.extend(told.map(|it| &mut it.targets));
        let mut done = 0;
        match targets {
            None => lists.into_iter().for_each(|list| done += std::mem::take(list).len() as u64),
            Some(targets) => {
                for target in targets {
                    done += u64::from(lists.iter_mut().any(|list| cross_off(list, target)));
                }
            }
        }
        self.forget_nobody();
        done
    }

    /// One of whom nobody is to be told is forgotten.
    fn forget_nobody(&mut self) {
        self.notices.retain(|it| !it.targets.is_empty());
    }

    pub fn take_notices(&mut self, count: u32, ttr: Option<u64>) -> Vec<u64> {
        let until = self.clock + ttr.unwrap_or(self.settings.ttr);
        let free = self.notices.iter_mut().filter(|it| it.lease.is_none());
        let mut taken = Vec::new();
        for it in free.take(count as usize) {
            self.last_token += 1;
            it.lease = Some((self.last_token, until));
            taken.push(it.number);
        }
        taken
    }

    fn leased_notice(&mut self, receipt: &JobRef<'_>) -> Option<&mut Notice> {
        let is_named = |it: &&mut Notice| {
            let token = it.lease.map(|(token, _)| token);
            is_same_id(&it.job, receipt.id())
                && token == receipt.token.map(|it| it.0)
                && token.is_some()
        };
        self.notices.iter_mut().find(is_named)
    }

    pub fn touch_notice(&mut self, receipt: &JobRef<'_>, ttr: Option<u64>) -> Touched {
        let until = self.clock + ttr.unwrap_or(self.settings.ttr);
        match self.leased_notice(receipt).and_then(|it| it.lease.as_mut()) {
            Some((_, end)) => *end = until,
            None => return Touched::Lost,
        }
        Touched::Until(UnixMillis(until))
    }

    pub fn cross_off(&mut self, receipt: &JobRef<'_>, targets: &[&[u8]]) -> Option<u64> {
        let it = self.leased_notice(receipt)?;
        it.lease = None;
        let done = targets.iter().filter(|target| cross_off(&mut it.targets, target)).count();
        self.forget_nobody();
        Some(done as u64)
    }

    /// When the first lease of a notice lapses, and of which.
    pub fn next_lapse(&self) -> Option<(u64, u64)> {
        self.notices.iter().filter_map(|it| Some((it.lease?.1, it.number))).min()
    }

    pub fn lapse_notice(&mut self, number: u64) {
        let it = self.notices.iter_mut().find(|it| it.number == number);
        it.expect("it is leased").lease = None;
    }
}
