//! What happens after one event does not grow with the backlog. Counted in claims that the engine looks at, not in
//! time: ten times as many claims in line must not make it look at more.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test a panic is the report")]

#[path = "../benches/decide/pool.rs"]
#[allow(dead_code, reason = "the benchmark uses the rest")]
mod pool;

use concord_treaty::engine::{Action, Engine, Event, JobSpec, Rules};
use concord_treaty::terms::Terms;
use concord_treaty::units::TimestampMillis;
use pool::{Draw, NODE_GPUS, NOW, Size};

/// Claims looked at after each event for which nobody has to leave; and for each place that is reclaimed.
#[derive(Debug)]
struct Looks {
    events: usize,
    mean: f64,
    most: u64,
    reclaims: usize,
    mean_of_reclaims: f64,
}

struct Life {
    engine: Engine,
    size: Size,
    draw: Draw,
    now: TimestampMillis,
    submitted: usize,
    running: Vec<u32>,
    /// By event: claims looked at, and places reclaimed.
    looks: Vec<(u64, usize)>,
}

impl Life {
    /// A full pool with so many claims in line.
    fn new(size: Size) -> Self {
        let treaty = pool::treaty(size);
        let terms = Terms::of(&treaty, &[], NOW);
        let capacities = vec![NODE_GPUS; size.nodes as usize];
        let engine = Engine::new(Rules::of(&terms.pools[0].treaty, &[]), &capacities);
        let (draw, now) = (Draw(5), NOW);
        let mut life = Self { engine, size, draw, now, submitted: 0, running: Vec::new(), looks: Vec::new() };
        // Half the pool is taken by the first quarter of the backlog at the latest.
        for _ in 0..size.pending + (size.nodes * NODE_GPUS) as usize / 2 {
            let spec = life.spec();
            life.engine.submit(spec);
        }
        life.after(None);
        life.looks.clear();
        life
    }

    fn spec(&mut self) -> JobSpec {
        let claim = self.draw.claim(self.size, self.submitted);
        self.submitted += 1;
        JobSpec {
            expected_runtime: claim.expected_runtime,
            ..JobSpec::new(claim.id, claim.member, claim.gang, self.now)
        }
    }

    fn after(&mut self, event: Option<Event>) {
        let before = self.engine.looked_at();
        event.into_iter().for_each(|event| self.engine.apply(event));
        let actions = self.engine.settle(self.now);
        let reclaims = actions.iter().filter(|a| matches!(a, Action::Reserve { .. })).count();
        self.looks.push((self.engine.looked_at() - before, reclaims));
        let mut stopped = Vec::new();
        for action in actions {
            match action {
                Action::Start { job, .. } => self.running.push(job),
                Action::Stop { job, .. } => {
                    self.running.retain(|&other| other != job);
                    stopped.push(job);
                }
                _ => {}
            }
        }
        for job in stopped {
            self.after(Some(Event::Released { job }));
        }
    }

    fn turn(&mut self) {
        self.now.0 += 10_000;
        self.after(None);
        let at = usize::try_from(self.draw.below(self.running.len() as u64)).unwrap();
        let job = self.running.swap_remove(at);
        self.after(Some(Event::Finished { job, at: self.now }));
        let mut spec = self.spec();
        // Who lent until now wants something back from time to time.
        if self.draw.below(10) == 0 {
            spec.member.0 = self.size.members - 1;
        }
        self.after(Some(Event::Submitted(spec)));
    }
}

fn looks(pending: usize) -> Looks {
    let mut life = Life::new(Size { members: 20, nodes: 200, pending });
    (0..400).for_each(|_| life.turn());
    let (quiet, reclaiming): (Vec<_>, Vec<_>) = life.looks.iter().partition(|(_, reclaims)| *reclaims == 0);
    let sum = |of: &[(u64, usize)]| of.iter().map(|(looks, _)| looks).sum::<u64>() as f64;
    let reclaims: usize = reclaiming.iter().map(|(_, reclaims)| reclaims).sum();
    Looks {
        events: quiet.len(),
        mean: sum(&quiet) / quiet.len() as f64,
        most: quiet.iter().map(|(looks, _)| *looks).max().unwrap(),
        reclaims,
        mean_of_reclaims: sum(&reclaiming) / reclaims as f64,
    }
}

#[test]
fn an_event_costs_no_more_with_ten_times_the_backlog() {
    let (short, long) = (looks(8_000), looks(80_000));
    println!("{short:?}, ten times as many: {long:?}");
    assert!(
        short.events > 500 && short.reclaims > 30 && long.reclaims > 30,
        "the costly events are among them"
    );
    assert!(long.mean <= short.mean * 1.3);
    assert!(long.mean_of_reclaims <= short.mean_of_reclaims * 1.3);
    assert!(long.most <= short.most * 2);
}

/// The count counts: what concerns all claims looks at all of them.
#[test]
fn a_plan_for_everybody_looks_at_everybody() {
    let size = Size { members: 20, nodes: 200, pending: 2_000 };
    let (treaty, snapshot) = (pool::treaty(size), pool::empty_pool(size));
    let terms = Terms::of(&treaty, &snapshot.nodes, NOW);
    let mut engine = Engine::restore(Rules::of(&terms.pools[0].treaty, &[]), &snapshot, NOW);
    engine.settle(NOW);
    let before = engine.looked_at();
    let plan = engine.plan_since(&snapshot);
    assert!(plan.waits.len() > 1_000);
    assert!(engine.looked_at() - before >= 2_000);
}
