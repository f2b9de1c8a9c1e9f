//! Looking into a replay: what comes next, who runs since when, and the whole pool as a snapshot.

use std::cmp::Reverse;

use super::Replay;
use crate::snapshot::{Claim, Node, Snapshot};
use crate::units::{DurationMillis, TimestampMillis};

impl<'a> Replay<'a> {
    /// The same with what the owners of the jobs state as run times, in the order of the jobs. Without it they state
    /// the real ones.
    #[must_use]
    pub const fn stating(mut self, stated: &'a [Option<DurationMillis>]) -> Self {
        self.stated = stated;
        self
    }

    /// The next instant at which something happens, without going there.
    #[must_use]
    pub fn peek(&mut self) -> Option<TimestampMillis> {
        if self.course.as_ref().is_some_and(|course| course.is_over) {
            return None;
        }
        let arrival = self.jobs.get(self.arrived).map(|j| j.submitted_at);
        while self.ends.peek().is_some_and(|Reverse((_, job, run))| self.attempts[*job as usize].0 != *run) {
            self.ends.pop();
        }
        let end = self.ends.peek().map(|Reverse((at, ..))| *at);
        let alarms = self.pools.iter().filter_map(|pool| pool.engine.next_alarm());
        let happens = alarms.chain(arrival).chain(end).chain(self.next_standings());
        let next = happens.chain(self.next_change()).min()?;
        Some(self.next_look_up().map_or(next, |look_up| next.min(look_up)))
    }

    /// Since when the job holds GPUs; `None` while it does not.
    #[must_use]
    pub fn running_since(&self, job: u32) -> Option<TimestampMillis> {
        self.attempts[job as usize].1
    }

    /// What a caller would observe now. `nodes` are those of all pools, pool after pool, in the engines' order.
    #[must_use]
    pub fn observe(&self, nodes: &[Node]) -> Snapshot {
        let (mut all, mut claims, mut standings) = (Vec::new(), Vec::new(), Vec::new());
        let mut ends = self.pools.iter().skip(1).map(|pool| pool.first_node as usize);
        for pool in &self.pools {
            let to = ends.next().unwrap_or(nodes.len());
            let part = pool.engine.observe(&nodes[pool.first_node as usize..to]);
            all.extend(part.nodes);
            claims.extend(part.claims.into_iter().map(|claim| Claim { class: pool.class, ..claim }));
            standings.extend(part.standings);
        }
        Snapshot::new(all, claims).with_standings(standings)
    }
}
