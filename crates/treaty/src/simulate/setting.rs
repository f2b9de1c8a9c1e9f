//! Under what a trace is replayed, when it is more than rules that stay: a treaty whose dates pass, nodes with labels,
//! reserves that open, shares inside members, and what jobs ask beside GPUs.

use std::sync::Arc;

use crate::accounts::eligibility::Applicant;
use crate::engine::{AloneOrder, NodeSpec, NodeWindow, Rules};
use crate::quota::{Award, QuotaInForce, ShareTree};
use crate::schedule::occurrences;
use crate::snapshot::{Claim, Level, Node, Opened, SharePath, Snapshot};
use crate::terms::{Pool, Terms};
use crate::treaty::Treaty;
use crate::units::{DurationMillis, Gpus, Labels, TimestampMillis};

use super::TraceJob;

/// What a job asks beside its GPUs, and in whose name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ask {
    /// All of its nodes must lie in one such part of the pool.
    pub within: Option<Level>,
    /// Labels that its nodes must have.
    pub node_labels: Labels,
    /// Institution, project and person inside its member; in a reserve, project and person.
    pub path: SharePath,
    /// What its applicant states.
    pub applicant: Option<Arc<Applicant>>,
}

impl Ask {
    /// The job as a claim that waits.
    #[must_use]
    pub fn claim(&self, job: &TraceJob) -> Claim {
        Claim {
            expected_runtime: Some(job.runtime),
            class: job.class,
            within: self.within,
            node_labels: self.node_labels.clone(),
            path: self.path.clone(),
            applicant: self.applicant.clone(),
            ..Claim::new(job.id.clone(), job.member, job.gang, job.submitted_at)
        }
    }
}

/// A treaty on nodes from a time on, and what people decide under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The treaty.
    pub treaty: Treaty,
    /// All nodes, sorted by name.
    pub nodes: Vec<Node>,
    /// When second 0 of the trace happens.
    pub begin: TimestampMillis,
    /// Decisions to open reserves, by the clock of the treaty.
    pub openings: Vec<Opened>,
    /// How members share inside themselves.
    pub quotas: Vec<QuotaInForce>,
    /// Tiers of projects in reserves; what they have used is added as the trace goes on.
    pub awards: Vec<Award>,
    /// Notice instead of the treaty's.
    pub notice: Option<DurationMillis>,
    /// Order of the lines alone instead of the treaty's.
    pub alone: Option<AloneOrder>,
}

impl Setting {
    /// The treaty on these nodes, with nothing else.
    #[must_use]
    pub fn new(treaty: Treaty, mut nodes: Vec<Node>, begin: TimestampMillis) -> Self {
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        Self {
            treaty,
            nodes,
            begin,
            openings: Vec::new(),
            quotas: Vec::new(),
            awards: Vec::new(),
            notice: None,
            alone: None,
        }
    }

    /// What the treaty says at that time of the trace.
    #[must_use]
    pub fn terms(&self, at: TimestampMillis) -> Terms {
        let openings = self.openings.clone();
        let snapshot = Snapshot { nodes: self.nodes.clone(), openings, ..Snapshot::default() };
        Terms::at(&self.treaty, &snapshot, self.in_treaty(at))
    }

    /// The next time of the trace at which the treaty may say something else.
    #[must_use]
    pub fn next_change(&self, after: TimestampMillis) -> Option<TimestampMillis> {
        let change = self.treaty.next_change(&self.openings, self.in_treaty(after));
        change.map(|at| self.in_trace(at))
    }

    /// Every time of the trace until `last`, included, at which guarantees are others than before, with the guarantees
    /// from then on: by pool, then by party. The first is the beginning of time.
    #[must_use]
    pub fn guarantees_until(&self, last: TimestampMillis) -> Vec<(TimestampMillis, Vec<Vec<Gpus>>)> {
        let guarantees = |at: TimestampMillis| -> Vec<Vec<Gpus>> {
            let of_pool = |pool: &Pool| pool.treaty.members().iter().map(|m| m.guarantee).collect();
            self.terms(at).pools.iter().map(of_pool).collect()
        };
        let mut at = TimestampMillis(0);
        let mut all = vec![(TimestampMillis(i64::MIN), guarantees(at))];
        while let Some(change) = self.next_change(at).filter(|change| *change <= last) {
            at = change;
            let now = guarantees(at);
            if all.last().is_none_or(|(_, before)| *before != now) {
                all.push((at, now));
            }
        }
        all
    }

    /// Nodes of a pool, in the order of their names.
    #[must_use]
    pub fn nodes_of(&self, pool: &Pool) -> Vec<Node> {
        let own = |node: &&Node| pool.class.is_none() || self.treaty.class_of(node) == pool.class;
        self.nodes.iter().filter(own).cloned().collect()
    }

    /// By the clock of the treaty.
    #[must_use]
    pub const fn in_treaty(&self, at: TimestampMillis) -> TimestampMillis {
        at.after(DurationMillis(self.begin.0))
    }

    /// By the clock of the trace.
    #[must_use]
    pub const fn in_trace(&self, at: TimestampMillis) -> TimestampMillis {
        TimestampMillis(at.0.saturating_sub(self.begin.0))
    }

    /// Rules of a pool, without a past, with what holds inside its parties while projects have these tiers.
    pub(super) fn rules(&self, pool: &Pool, awards: &[Award]) -> Rules {
        let inside = Snapshot::default().with_quotas(self.quotas.clone()).with_awards(awards.to_vec());
        let rules = Rules::of(&pool.treaty, &[]).with_shares_inside(pool.shares_inside(&inside));
        Rules {
            notice: self.notice.unwrap_or(rules.notice),
            alone_order: self.alone.unwrap_or(rules.alone_order),
            ..rules
        }
    }

    /// What the jobs ask, with the labels that their data need.
    #[must_use]
    pub fn asks_with_data(&self, jobs: &[TraceJob], asks: &[Ask]) -> Vec<Ask> {
        let terms = self.terms(TimestampMillis(0));
        let confined = |(job, ask): (&TraceJob, &Ask)| {
            let claim = ask.claim(job);
            let claim = terms.pool_of(&claim).map_or(claim.clone(), |pool| pool.confined(&claim));
            Ask { node_labels: claim.node_labels, ..ask.clone() }
        };
        jobs.iter().zip(asks).map(confined).collect()
    }

    /// Shares inside the parties of a pool when the trace begins.
    #[must_use]
    pub fn inside(&self, pool: &Pool) -> Vec<Option<ShareTree>> {
        let rules = self.rules(pool, &self.awards);
        rules.inside.iter().map(|shares| shares.tree.as_deref().cloned()).collect()
    }

    /// Windows that act at any time from `from` to `to`, on nodes of one pool, by the clock of the trace.
    #[must_use]
    pub fn windows(&self, nodes: &[Node], from: TimestampMillis, to: TimestampMillis) -> Vec<NodeWindow> {
        if self.treaty.windows().is_empty() {
            return Vec::new();
        }
        let all = occurrences(&self.treaty, self.in_treaty(from), self.in_treaty(to));
        let on_nodes = all.iter().map(|o| NodeWindow::of(o, nodes)).filter(|w| !w.nodes.is_empty());
        let in_trace = |window: NodeWindow| NodeWindow {
            told_from: self.in_trace(window.told_from),
            start: self.in_trace(window.start),
            end: self.in_trace(window.end),
            ..window
        };
        on_nodes.map(in_trace).collect()
    }
}

pub(super) fn specs(nodes: &[Node]) -> Vec<NodeSpec> {
    nodes.iter().map(NodeSpec::from).collect()
}
