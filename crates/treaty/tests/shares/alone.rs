//! The promise with ceilings inside members: nobody ends later in the pool than it would have ended alone on its
//! member's own GPUs, where the same ceilings hold. Against a line that is worked out beforehand from the run times.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_treaty::document::MemberQuotaDocument;
use concord_treaty::snapshot::{ClaimState, Phase, SharePath};
use proptest::prelude::*;

use crate::support::pool::Pool;
use crate::support::{document, gang};
use crate::trees::{any_path, any_quota, in_force, limits};

const GUARANTEE: u32 = 8;

#[derive(Debug, Clone)]
struct Work {
    member: u16,
    path: SharePath,
    gpus: u32,
    at: i64,
    runtime: i64,
}

fn any_work() -> impl Strategy<Value = Vec<Work>> {
    let one = (0..2_u16, any_path(), 1..=GUARANTEE, 1..6_i64, 1..40_i64);
    proptest::collection::vec(one, 1..40).prop_map(|all| {
        let mut at = 0;
        all.into_iter()
            .map(|(member, path, gpus, gap, runtime)| {
                at += gap;
                Work { member, path, gpus, at, runtime }
            })
            .collect()
    })
}

/// End of every piece of work of one member alone; `None`: it exceeds a ceiling by itself and never runs.
fn alone(quota: &MemberQuotaDocument, all: &[Work], member: u16) -> BTreeMap<usize, i64> {
    let most = |part: &[Arc<str>]| limits(quota, part).2.unwrap_or(u64::MAX);
    let possible = |w: &Work| (1..=w.path.len()).all(|n| u64::from(w.gpus) <= most(&w.path[..n]));
    let mut line: Vec<usize> =
        (0..all.len()).filter(|&i| all[i].member == member && possible(&all[i])).collect();
    let mut ends: BTreeMap<usize, i64> = BTreeMap::new();
    let mut running: Vec<usize> = Vec::new();
    let mut now = 0;
    while !line.is_empty() {
        running.retain(|i| ends[i] > now);
        'starts: loop {
            let used = |part: &[Arc<str>]| -> u64 {
                running
                    .iter()
                    .filter(|&&i| all[i].path.starts_with(part))
                    .map(|&i| u64::from(all[i].gpus))
                    .sum()
            };
            let mut full: Vec<&[Arc<str>]> = Vec::new();
            for &i in line.iter().filter(|&&i| all[i].at <= now) {
                let work = &all[i];
                if full.iter().any(|part| work.path.starts_with(part)) {
                    continue;
                }
                let parts = (1..=work.path.len()).map(|n| &work.path[..n]);
                if let Some(part) = parts.into_iter().find(|p| used(p) + u64::from(work.gpus) > most(p)) {
                    full.push(part);
                    continue;
                }
                if used(&[]) + u64::from(work.gpus) > u64::from(GUARANTEE) {
                    break 'starts;
                }
                ends.insert(i, now + work.runtime);
                running.push(i);
                line.retain(|&other| other != i);
                continue 'starts;
            }
            break;
        }
        let next_end = running.iter().map(|i| ends[i]).filter(|&end| end > now).min();
        let arrival = line.iter().map(|&i| all[i].at).filter(|&at| at > now).min();
        let Some(next) = next_end.into_iter().chain(arrival).min() else { break };
        now = next;
    }
    ends
}

/// Ends in the pool. Two members on one node, so that only numbers decide and not shapes.
fn together(
    quotas: &[MemberQuotaDocument; 2],
    all: &[Work],
    notice_seconds: i64,
) -> Result<BTreeMap<usize, i64>, String> {
    let mut pool = Pool::new(document(&[i64::from(GUARANTEE); 2], notice_seconds), 1, 2 * GUARANTEE);
    pool.snapshot.quotas = vec![in_force(0, &quotas[0]), in_force(1, &quotas[1])];
    let mut ends: BTreeMap<usize, i64> = BTreeMap::new();
    let mut arrived = 0;
    loop {
        let running = |pool: &Pool| -> Vec<(i64, usize)> {
            let holding = pool.snapshot.claims.iter().filter_map(|c| Some((c, c.holding()?)));
            let running = holding.filter(|(_, h)| h.phase != Phase::Stopping);
            let index = |id: &str| id[1..].parse::<usize>().unwrap();
            running.map(|(c, h)| (h.since.0 + all[index(&c.id.0)].runtime, index(&c.id.0))).collect()
        };
        let next_end = running(&pool).into_iter().map(|(end, _)| end).min();
        let arrival = all.get(arrived).map(|w| w.at);
        // A decision is also due when something ends in a line alone.
        let ended = pool.snapshot.claims.iter().filter_map(|c| match c.state {
            ClaimState::Finished { runtime } => Some(c.due.as_ref()?.since.after(runtime).0),
            _ => None,
        });
        let deadlines = pool.snapshot.claims.iter().filter_map(|c| match c.holding()?.phase {
            Phase::Noticed { deadline } => Some(deadline.0),
            _ => None,
        });
        let next_deadline = deadlines.filter(|&at| at > pool.now).min();
        let next_alone = ended.filter(|&end| end > pool.now).min();
        if next_end.is_none() && arrival.is_none() {
            return Ok(ends);
        }
        let Some(next) = [next_end, arrival, next_alone, next_deadline].into_iter().flatten().min() else {
            return Ok(ends);
        };
        pool.now = next;
        for (_, i) in running(&pool).into_iter().filter(|(end, _)| *end <= next) {
            ends.insert(i, next);
            pool.finish(&format!("c{i:03}"));
        }
        while let Some(work) = all.get(arrived).filter(|w| w.at <= next) {
            let id = format!("c{arrived:03}");
            pool.submit(&id, work.member, gang(1, work.gpus), Some(work.runtime));
            pool.claim(&id).unwrap().path = work.path.clone();
            arrived += 1;
        }
        pool.settle(|_, _| ())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn nobody_ends_later_than_alone_below_the_same_ceilings(quotas in (any_quota(true), any_quota(true)), all in any_work()) {
        let quotas = [quotas.0, quotas.1];
        let pooled = together(&quotas, &all, 0).map_err(TestCaseError::fail)?;
        for member in 0..2_u16 {
            for (i, end) in alone(&quotas[usize::from(member)], &all, member) {
                let found = pooled.get(&i).copied();
                prop_assert!(found.is_some_and(|found| found <= end), "{:?} ends at {found:?}, alone at {end}", all[i]);
            }
        }
    }

    /// With a notice, by no more than two: who waits for room below a ceiling has no place yet, and meanwhile another
    /// member's due claim may have got the place that was meant.
    #[test]
    fn nobody_is_later_than_two_notices(quotas in (any_quota(true), any_quota(true)), all in any_work()) {
        const NOTICE_SECONDS: i64 = 1;
        let quotas = [quotas.0, quotas.1];
        let slower = |w: &Work| Work { at: w.at * 200, runtime: w.runtime * 200, ..w.clone() };
        let all: Vec<Work> = all.iter().map(slower).collect();
        let pooled = together(&quotas, &all, NOTICE_SECONDS).map_err(TestCaseError::fail)?;
        for member in 0..2_u16 {
            for (i, end) in alone(&quotas[usize::from(member)], &all, member) {
                let found = pooled.get(&i).copied();
                prop_assert!(found.is_some_and(|found| found <= end + 2 * NOTICE_SECONDS * 1000), "{:?} ends at {found:?}, alone at {end}", all[i]);
            }
        }
    }
}
