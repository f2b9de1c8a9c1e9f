//! What an event costs with a long backlog, with a tree and without. `cargo test --release --test shares speed --
//! --ignored --nocapture` prints it; nothing is asserted, because machines differ.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use concord_treaty::engine::{Action, Engine, JobSpec, Rules};
use concord_treaty::quota::{PartyShares, ShareTree};
use concord_treaty::snapshot::{Gang, SharePath};
use concord_treaty::units::{ClaimId, MemberId, TimestampMillis};

use crate::support::{document, treaty};
use crate::trees::{institution, path, project, quota, valid};

const INSTITUTIONS: usize = 30;
const PROJECTS: usize = 10;
const PEOPLE: usize = 5;
const NODES: usize = 1000;
const EVENTS: u32 = 2000;

fn path_of(index: usize) -> SharePath {
    let (i, j, k) = (index % INSTITUTIONS, index / INSTITUTIONS % PROJECTS, index / 300 % PEOPLE);
    path(&[&format!("i{i}"), &format!("i{i}-p{j}"), &format!("person{k}")])
}

fn tree() -> Arc<ShareTree> {
    let institutions = (0..INSTITUTIONS).map(|i| {
        let mut one = institution(&format!("i{i}"), 1 + i64::try_from(i % 3).unwrap(), Some(16), Some(1600));
        one.projects = (0..PROJECTS).map(|j| project(&format!("i{i}-p{j}"), 1, Some(400))).collect();
        one
    });
    Arc::new(ShareTree::of_quota(&valid(&quota(institutions.collect(), Some(200))), None))
}

fn measure(backlog: usize, tree: Option<Arc<ShareTree>>) {
    let what = if tree.is_some() { "tree" } else { "line" };
    let guarantee = i64::try_from(NODES * 8 / 2).unwrap();
    let rules = Rules::of(&treaty(&document(&[guarantee, guarantee], 0)), &[])
        .with_shares_inside(vec![PartyShares { tree, ..PartyShares::default() }]);
    let mut engine = Engine::new(rules, &vec![8; NODES]);
    let start = Instant::now();
    for index in 0..backlog {
        let id = ClaimId::from(format!("c{index:06}").as_str());
        let gang = Gang { pods: 1, gpus_per_pod: 1 + u32::try_from(index % 8).unwrap() };
        let spec = JobSpec::new(id, MemberId(0), gang, TimestampMillis(i64::try_from(index).unwrap()));
        engine.submit(JobSpec { path: path_of(index), ..spec });
    }
    let submitted = start.elapsed();
    let mut now = i64::try_from(backlog).unwrap();
    let mut running: BTreeSet<(u64, u32)> = BTreeSet::new();
    let (mut turn, mut stops) = (0, 0);
    // Whoever was started first ends first; pods of who is stopped are gone at once.
    let mut settle = |engine: &mut Engine, running: &mut BTreeSet<(u64, u32)>, now: i64| {
        loop {
            let before = stops;
            for action in engine.settle(TimestampMillis(now)) {
                match action {
                    Action::Start { job, .. } => {
                        turn += 1;
                        running.insert((turn, job));
                    }
                    Action::Stop { job, .. } => {
                        stops += 1;
                        running.retain(|(_, other)| *other != job);
                        engine.released(job);
                    }
                    _ => {}
                }
            }
            if stops == before {
                return stops;
            }
        }
    };
    let start = Instant::now();
    settle(&mut engine, &mut running, now);
    let (filled, count) = (start.elapsed(), running.len());
    let start = Instant::now();
    let mut stopped = 0;
    for _ in 0..EVENTS {
        now += 60_000;
        while let Some(alarm) = engine.next_alarm().filter(|alarm| alarm.0 < now) {
            settle(&mut engine, &mut running, alarm.0);
        }
        let Some((_, job)) = running.pop_first() else { break };
        engine.finish(job, TimestampMillis(now));
        stopped = settle(&mut engine, &mut running, now);
    }
    let an_event = start.elapsed() / EVENTS;
    println!(
        "{what}, {backlog} claims: submitted in {submitted:?}, {count} started in {filled:?}, {an_event:?} an event, {stopped} stopped"
    );
}

#[test]
#[ignore = "prints times"]
fn speed() {
    for backlog in [10_000, 100_000] {
        measure(backlog, None);
        measure(backlog, Some(tree()));
    }
}
