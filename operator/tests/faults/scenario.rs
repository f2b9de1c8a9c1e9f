//! What the pool is asked for while it is treated badly: Jobs of known length of three members, drawn from a seed, so
//! that gangs, borrowing, reclaims with their notice, and ends all occur within seconds.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Nodes of 8 GPUs.
pub const NODES: usize = 5;
/// GPUs of a node.
pub const NODE_GPUS: u32 = 8;
/// Members and their guarantees; together they are the pool.
pub const MEMBERS: [(&str, u32); 3] = [("alpha", 16), ("beta", 16), ("gamma", 8)];
/// Notice of a reclaim.
pub const NOTICE_SECONDS: u32 = 1;
/// In each wave one member asks for more than its own.
const WAVE: Duration = Duration::from_millis(2_000);

/// One Job.
#[derive(Debug, Clone)]
pub struct Task {
    pub member: &'static str,
    pub name: String,
    pub pods: u32,
    pub gpus_per_pod: u32,
    pub run: Duration,
    /// Submitted so long after the start.
    pub at: Duration,
}

impl Task {
    pub fn gpus(&self) -> u32 {
        self.pods * self.gpus_per_pod
    }

    /// `namespace/name`.
    pub fn key(&self) -> String {
        format!("{}-lab/{}", self.member, self.name)
    }

    /// GPU time that its run takes at least.
    pub fn need_gpu_ms(&self) -> u64 {
        u64::from(self.gpus()) * u64::try_from(self.run.as_millis()).unwrap()
    }
}

/// The Jobs of a seed, in the order in which they are submitted.
pub fn tasks(seed: u64) -> Vec<Task> {
    let mut dice = Pcg64::seed_from_u64(seed);
    let mut tasks = Vec::new();
    for (wave, (greedy, _)) in MEMBERS.into_iter().enumerate() {
        let from = WAVE * u32::try_from(wave).unwrap();
        // More than the pool has, for longer than a notice.
        for _ in 0..5 {
            let (pods, gpus_per_pod) = [(1, 8), (2, 8), (2, 4), (1, 8)][dice.random_range(0..4)];
            let run = Duration::from_millis(dice.random_range(1_200..2_400));
            let at = from + Duration::from_millis(dice.random_range(0..300));
            tasks.push(task(greedy, pods, gpus_per_pod, run, at));
        }
        // The others ask for less than their own, a little later.
        for (modest, _) in MEMBERS.into_iter().filter(|(name, _)| *name != greedy) {
            for _ in 0..8 {
                let (pods, gpus_per_pod) = [(1, 1), (1, 2), (1, 4), (2, 4)][dice.random_range(0..4)];
                let run = Duration::from_millis(dice.random_range(300..1_200));
                let at = from + Duration::from_millis(dice.random_range(500..1_900));
                tasks.push(task(modest, pods, gpus_per_pod, run, at));
            }
        }
    }
    tasks.sort_by_key(|task| task.at);
    for (number, task) in tasks.iter_mut().enumerate() {
        task.name = format!("job-{number:02}");
    }
    tasks
}

fn task(member: &'static str, pods: u32, gpus_per_pod: u32, run: Duration, at: Duration) -> Task {
    Task { member, name: String::new(), pods, gpus_per_pod, run, at }
}
