//! A trace cut by class of GPUs, for what looks at one pool at a time: policies without a treaty, and floors.

use super::{Outcome, Run, TraceJob, Trial};
use crate::clauses::ClassId;
use crate::units::Gpus;

/// The jobs of one class, with the class's nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Jobs, by arrival.
    pub jobs: Vec<TraceJob>,
    /// GPUs of each node.
    pub capacities: Vec<Gpus>,
    /// Numbers of the jobs in the whole trace.
    numbers: Vec<u32>,
    first_node: u32,
}

/// Cuts a trace: a part for each pool, in their order, of the class and the nodes stated. Of one pool all jobs are.
#[must_use]
pub fn cut(jobs: &[TraceJob], pools: &[(Option<ClassId>, Vec<Gpus>)]) -> Vec<Part> {
    let mut first_node = 0;
    let mut part = |(class, capacities): &(Option<ClassId>, Vec<Gpus>)| {
        let own = (0..).zip(jobs).filter(|(_, job)| pools.len() == 1 || job.class == *class);
        let (numbers, jobs) = own.map(|(number, job): (u32, &TraceJob)| (number, job.clone())).unzip();
        let part = Part { jobs, capacities: capacities.clone(), numbers, first_node };
        first_node += u32::try_from(capacities.len()).unwrap_or(u32::MAX);
        part
    };
    pools.iter().map(&mut part).collect()
}

/// Puts what became of the parts together again.
#[must_use]
pub fn join(parts: &[Part], trials: Vec<Trial>, jobs: usize) -> Trial {
    let mut whole = Trial::new(jobs);
    for (part, trial) in parts.iter().zip(trials) {
        for (number, outcome) in part.numbers.iter().zip(trial.outcomes) {
            whole.outcomes[*number as usize] = outcome;
        }
        let moved = |run: Run| Run {
            job: part.numbers[run.job as usize],
            places: run.places.iter().map(|(node, gpus)| (node + part.first_node, *gpus)).collect(),
            ..run
        };
        whole.runs.extend(trial.runs.into_iter().map(moved));
    }
    whole.runs.sort_by_key(|run| run.ended_at);
    whole
}

impl Part {
    /// Its part of something that is said of every job of the whole; of jobs beyond its end, nothing.
    #[must_use]
    pub fn of_jobs<T: Clone>(&self, whole: &[T]) -> Vec<T> {
        self.numbers.iter().filter_map(|number| whole.get(*number as usize).cloned()).collect()
    }

    /// Its part of what became of the whole.
    #[must_use]
    pub fn of_trial(&self, whole: &Trial) -> Trial {
        let mut number_here = vec![None; whole.outcomes.len()];
        for (here, number) in (0..).zip(&self.numbers) {
            number_here[*number as usize] = Some(here);
        }
        let own = whole.runs.iter().filter_map(|run| {
            let job = number_here[run.job as usize]?;
            let places = run.places.iter().map(|(node, gpus)| (node - self.first_node, *gpus)).collect();
            Some(Run { job, places, ..run.clone() })
        });
        let outcome = |number: &u32| -> Outcome { whole.outcomes[*number as usize] };
        Trial { runs: own.collect(), outcomes: self.numbers.iter().map(outcome).collect() }
    }
}
