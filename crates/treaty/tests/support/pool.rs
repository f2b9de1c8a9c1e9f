//! A pool that lives: things happen, the engine decides after each, and the plan is made true, as the operator does.

use concord_treaty::check::check;
use concord_treaty::decide::decide;
use concord_treaty::document::Document;
use concord_treaty::plan::Plan;
use concord_treaty::snapshot::{Claim, ClaimState, Gang, Holding, Level, Phase, Reserved, Snapshot};
use concord_treaty::treaty::Treaty;
use concord_treaty::units::{DurationMillis, Labels, TimestampMillis};

use super::{nodes, snapshot, treaty, waiting};

#[derive(Debug, Clone)]
pub struct Pool {
    pub document: Document,
    pub snapshot: Snapshot,
    /// Milliseconds.
    pub now: i64,
    /// Stopped claims keep their GPUs until [`Pool::release`], as pods do that take their time to end.
    pub pods_linger: bool,
}

impl Pool {
    pub fn new(document: Document, node_count: usize, gpus_per_node: u32) -> Self {
        let snapshot = snapshot(&nodes(node_count, gpus_per_node), &[]);
        Self { document, snapshot, now: 0, pods_linger: false }
    }

    pub fn treaty(&self) -> Treaty {
        treaty(&self.document)
    }

    pub fn submit(&mut self, id: &str, member: u16, gang: Gang, expected_millis: Option<i64>) {
        let mut claim = waiting(id, member, gang, self.now);
        claim.expected_runtime = expected_millis.map(DurationMillis);
        self.snapshot.claims.push(claim);
        self.sort();
    }

    /// Says of a claim where its nodes must lie.
    pub fn wish(&mut self, id: &str, within: Option<Level>, node_labels: Labels) {
        if let Some(claim) = self.claim(id) {
            claim.within = within;
            claim.node_labels = node_labels;
        }
    }

    pub fn claim(&mut self, id: &str) -> Option<&mut Claim> {
        self.snapshot.claims.iter_mut().find(|c| &*c.id.0 == id)
    }

    /// The claim's work is done. It stays in sight as long as it stands in its member's line alone.
    pub fn finish(&mut self, id: &str) {
        let now = TimestampMillis(self.now);
        if let Some(claim) = self.claim(id)
            && let Some(holding) = claim.holding()
        {
            claim.state = ClaimState::Finished { runtime: now.since(holding.since) };
        }
        self.forget();
    }

    /// Its owner takes it back.
    pub fn cancel(&mut self, id: &str) {
        self.snapshot.claims.retain(|c| &*c.id.0 != id);
    }

    /// The pods of a stopped claim are gone.
    pub fn release(&mut self, id: &str) {
        if let Some(claim) = self.claim(id)
            && claim.holding().is_some_and(|h| h.phase == Phase::Stopping)
        {
            claim.state = ClaimState::Waiting { put_back: true };
        }
    }

    pub fn lose_node(&mut self, index: usize) {
        self.snapshot.nodes.remove(index);
    }

    /// The node takes no more work, or takes it again.
    pub fn cordon(&mut self, index: usize) {
        let node = &mut self.snapshot.nodes[index];
        node.schedulable = !node.schedulable;
    }

    /// Drops finished claims whose run alone is over.
    fn forget(&mut self) {
        let (now, notice) = (TimestampMillis(self.now), self.treaty().reclaim_notice());
        self.snapshot.claims.retain(|c| !c.is_forgotten(now, notice));
    }

    fn sort(&mut self) {
        self.snapshot.claims.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    }

    /// One decision, held against the judge.
    pub fn decide(&mut self) -> Result<Plan, String> {
        self.forget();
        let (treaty, now) = (self.treaty(), TimestampMillis(self.now));
        let plan = decide(&treaty, &self.snapshot, now);
        let violations = check(&treaty, &self.snapshot, now, &plan);
        if violations.is_empty() {
            Ok(plan)
        } else {
            Err(format!("{violations:?} by {plan:?} at {} on {:?}", self.now, self.snapshot))
        }
    }

    /// Decides and applies until nothing changes, as every caller must; the last plan is quiet.
    pub fn settle(&mut self, mut look: impl FnMut(&Self, &Plan)) -> Result<Plan, String> {
        // Each claim can start, be told, be stopped, become due and be rebooked; each may cost one decision.
        for _ in 0..8 * (self.snapshot.claims.len() + 1) {
            let plan = self.decide()?;
            look(self, &plan);
            if plan.is_quiet() {
                return Ok(plan);
            }
            self.apply(&plan);
        }
        Err("decisions do not come to rest: a loop".to_owned())
    }

    pub fn apply(&mut self, plan: &Plan) {
        let (now, linger) = (TimestampMillis(self.now), self.pods_linger);
        for claim in &mut self.snapshot.claims {
            if plan.no_longer_due.contains(&claim.id) {
                claim.due = None;
            }
            if let Some(start) = plan.due.iter().find(|d| d.claim == claim.id) {
                claim.due = Some(start.due.clone());
            }
            if let Some(r) = plan.reservations.iter().find(|r| r.claim == claim.id) {
                claim.state = ClaimState::Reserved(Reserved::clone(&r.kept));
            }
            if plan.releases.contains(&claim.id) {
                claim.state = ClaimState::Waiting { put_back: false };
            }
            if let Some(a) = plan.admissions.iter().find(|a| a.claim == claim.id) {
                claim.state = ClaimState::Holding(Holding {
                    slots: a.slots.clone(),
                    basis: a.basis,
                    since: now,
                    phase: Phase::Running,
                    promised_to: None,
                    saves: Default::default(),
                });
            }
            let ClaimState::Holding(h) = &mut claim.state else { continue };
            if let Some(n) = plan.notices.iter().find(|n| n.claim == claim.id) {
                h.phase = Phase::Noticed { deadline: n.deadline };
                h.promised_to = n.promised_to().cloned();
            }
            if plan.withdrawals.contains(&claim.id) {
                h.phase = Phase::Running;
                h.promised_to = None;
            }
            if let Some(c) = plan.basis_changes.iter().find(|c| c.claim == claim.id) {
                h.basis = c.to;
            }
            if let Some(stop) = plan.stops.iter().find(|s| s.claim == claim.id) {
                if linger {
                    h.phase = Phase::Stopping;
                } else {
                    claim.state = ClaimState::Waiting { put_back: stop.to_front };
                }
            }
        }
    }
}
