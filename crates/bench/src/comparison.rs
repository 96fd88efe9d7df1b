//! Measures several sides in turn, round by round, so that what the machine does meanwhile meets
//! all of them.

use std::{io::Result, time::Instant};

use crate::{figures::median, Bench};

const ROUNDS: usize = 7;
/// How long a side is measured in a round.
const SECONDS: f64 = 0.6;

/// One of those that are compared.
pub trait Side {
    /// Passes on about so many jobs, at least one, and says how many it were.
    fn cycles(&mut self, jobs: usize) -> Result<usize>;

    /// Processor time of the server so far, in seconds.
    fn cpu(&self) -> Result<f64>;
}

/// What was found of a side, round by round.
#[derive(Default)]
pub struct Measured {
    rates: Vec<f64>,
    costs: Vec<f64>,
}

impl Measured {
    /// Cycles a second.
    pub fn rate(&self) -> f64 {
        median(&mut self.rates.clone())
    }

    /// Microseconds of the server's processor for a cycle.
    pub fn cost(&self) -> f64 {
        median(&mut self.costs.clone())
    }

    /// Cycles a second as a part of another side's.
    pub fn rate_of(&self, other: &Self) -> f64 {
        ratio(&self.rates, &other.rates)
    }

    /// The server's processor time as a part of another side's.
    pub fn cost_of(&self, other: &Self) -> f64 {
        ratio(&self.costs, &other.costs)
    }
}

/// The median of the ratios within the rounds: steadier than the ratio of the medians.
fn ratio(these: &[f64], those: &[f64]) -> f64 {
    median(&mut these.iter().zip(those).map(|(this, that)| this / that).collect::<Vec<_>>())
}

/// Measures all sides.
pub fn compare(bench: &Bench, sides: &mut [Box<dyn Side + '_>]) -> Result<Vec<Measured>> {
    let (rounds, seconds) = if bench.quick { (1, 0.02) } else { (ROUNDS, SECONDS) };
    let mut jobs = Vec::with_capacity(sides.len());
    for side in &mut *sides {
        jobs.push(warm_up(side.as_mut(), seconds)?);
    }
    let mut all: Vec<_> = sides.iter().map(|_| Measured::default()).collect();
    for _ in 0..rounds {
        for ((side, &jobs), measured) in sides.iter_mut().zip(&jobs).zip(&mut all) {
            let (cpu, begun) = (side.cpu()?, Instant::now());
            let passed = side.cycles(jobs)? as f64;
            let seconds = begun.elapsed().as_secs_f64();
            measured.rates.push(passed / seconds);
            measured.costs.push((side.cpu()? - cpu) * 1e6 / passed);
        }
    }
    Ok(all)
}

/// Runs a side for about as long as it will be measured, and says how many jobs that are.
fn warm_up(side: &mut dyn Side, seconds: f64) -> Result<usize> {
    let (begun, mut jobs) = (Instant::now(), 0);
    while begun.elapsed().as_secs_f64() < seconds {
        jobs += side.cycles(jobs)?;
    }
    Ok((jobs as f64 * seconds / begun.elapsed().as_secs_f64()).ceil() as usize)
}
