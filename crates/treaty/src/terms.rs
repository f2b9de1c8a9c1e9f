//! What a treaty says for one pool at one time: shares as whole GPUs, reserves beside the members, who is closed.
//!
//! GPUs of different classes are never exchanged, so each class is a pool of its own, with its own lines and its own
//! decision. A [`Pool`] is the treaty seen from one class: its parties are the members, then the reserves, and every
//! number is that class's. [`crate::decide`] and [`crate::check`] know only pools.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::accounts::calendar;
use crate::clauses::{ClassId, Opening, ReserveRule, WeightBy};
use crate::quota::ShareTree;
use crate::snapshot::{Claim, Node, Snapshot};
use crate::treaty::{ClassCapacity, Closed, Entitlements, Member, Treaty};
use crate::units::{Gpus, MemberId, TimestampMillis};

/// A treaty at one time, on the nodes that there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// One for each class, in the treaty's order; one in all when it has no classes.
    pub pools: Vec<Pool>,
}

/// The treaty seen from one class of GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The class; `None` when the treaty has no classes.
    pub class: Option<ClassId>,
    /// The treaty with the parties of this pool as its members.
    pub treaty: Treaty,
}

impl Terms {
    /// What the treaty says at that time.
    #[must_use]
    pub fn of(treaty: &Treaty, nodes: &[Node], now: TimestampMillis) -> Self {
        let day = treaty.day(now);
        let entitlements = treaty.resolve(&capacity(treaty, nodes), day);
        let pool = |(index, class): (usize, &Option<ClassId>)| Pool {
            class: *class,
            treaty: treaty.seen_from(index, &entitlements, day),
        };
        Self { pools: entitlements.classes.iter().enumerate().map(pool).collect() }
    }

    /// The pool that a claim asks; `None` if it does not say which of several.
    #[must_use]
    pub fn pool_of(&self, claim: &Claim) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.concerns(claim))
    }
}

impl Pool {
    /// Whether the claim asks for GPUs of this pool.
    #[must_use]
    pub fn concerns(&self, claim: &Claim) -> bool {
        self.class.is_none()
            || self.class == claim.class
            || claim.class.is_none() && self.treaty.classes().len() == 1
    }

    /// The part of a snapshot that concerns this pool.
    #[must_use]
    pub fn part<'s>(&self, snapshot: &'s Snapshot) -> Cow<'s, Snapshot> {
        if self.class.is_none() {
            return Cow::Borrowed(snapshot);
        }
        Cow::Owned(Snapshot {
            nodes: snapshot.nodes.iter().filter(|n| self.treaty.class_of(n) == self.class).cloned().collect(),
            claims: snapshot.claims.iter().filter(|c| self.concerns(c)).cloned().collect(),
            standings: snapshot.standings.clone(),
            quotas: snapshot.quotas.clone(),
            awards: snapshot.awards.clone(),
        })
    }

    /// By party: the tree inside it, seen from this pool.
    #[must_use]
    pub fn trees(&self, snapshot: &Snapshot) -> Vec<Option<Arc<ShareTree>>> {
        let class = self.class.and_then(|c| self.treaty.classes().get(usize::from(c.0)));
        let class = class.map(|c| c.name.as_str());
        let tree = |party: MemberId| match reserve_of(&self.treaty, party) {
            Some(rule) => ShareTree::of_reserve(rule, party, &snapshot.awards),
            None => {
                let quota = snapshot.quotas.iter().find(|(member, _)| *member == party);
                quota.map(|(_, quota)| ShareTree::of_quota(quota, class))
            }
        };
        self.treaty.member_ids().map(|party| tree(party).map(Arc::new)).collect()
    }
}

/// Nodes by class and size. A node of no class is not shared under this treaty.
fn capacity(treaty: &Treaty, nodes: &[Node]) -> Vec<ClassCapacity> {
    let mut counts: BTreeMap<(Option<ClassId>, Gpus), u32> = BTreeMap::new();
    for node in nodes {
        let class = treaty.class_of(node);
        if class.is_some() || treaty.classes().is_empty() {
            *counts.entry((class, node.gpus)).or_default() += 1;
        }
    }
    let capacity = |((class, gpus_per_node), nodes)| ClassCapacity { class, nodes, gpus_per_node };
    counts.into_iter().map(capacity).collect()
}

impl Treaty {
    /// The day of the treaty's time zone.
    #[must_use]
    pub fn day(&self, now: TimestampMillis) -> Date {
        let zone = calendar::time_zone(self.time_zone()).unwrap_or(jiff::tz::TimeZone::UTC);
        calendar::civil(&zone, now).date()
    }

    /// The class of a node, by its labels.
    #[must_use]
    pub fn class_of(&self, node: &Node) -> Option<ClassId> {
        let index = self.classes().iter().position(|class| node.labels.have_all(&class.node_labels))?;
        u16::try_from(index).ok().map(ClassId)
    }

    fn seen_from(&self, index: usize, entitlements: &Entitlements, day: Date) -> Self {
        let held = self.holds_on(day);
        let mut parties: Vec<Member> = Vec::with_capacity(self.members().len() + self.reserves().len());
        for (member, by_class) in self.members().iter().zip(&entitlements.members) {
            parties.push(self.member_seen_from(member, by_class[index], day, held));
        }
        for (reserve, by_class) in self.reserves().iter().zip(&entitlements.reserves) {
            parties.push(reserve_as_party(reserve, by_class[index], held));
        }
        self.with_parties(parties)
    }

    fn member_seen_from(&self, member: &Member, gpus: Gpus, day: Date, held: bool) -> Member {
        let closed = match (held, member.is_suspended(day)) {
            (false, _) => Some(Closed::NotInForce),
            (true, true) => Some(Closed::Suspended),
            (true, false) => None,
        };
        let guarantee = if closed.is_some() { 0 } else { gpus };
        let weight = match self.surplus().weight_by {
            WeightBy::Guarantee => u64::from(guarantee),
            WeightBy::Equal => 1,
            WeightBy::Contribution => member.contributed(day),
            WeightBy::Stated => u64::from(member.weight.unwrap_or(1)),
        };
        Member {
            guarantee,
            keep: if member.never_lends { guarantee } else { member.keep.min(guarantee) },
            closed,
            surplus_weight: weight.max(1),
            ..member.clone()
        }
    }
}

/// A reserve uses what is set aside for it and never borrows, so that nobody's idle GPUs go to whom the treaty gave a
/// place of its own.
fn reserve_as_party(reserve: &ReserveRule, gpus: Gpus, held: bool) -> Member {
    let closed = match (held, &reserve.opening) {
        (false, _) => Some(Closed::NotInForce),
        (true, Opening::Always) => None,
        (true, Opening::OnDecision { .. }) => Some(Closed::ReserveNotOpen),
    };
    Member {
        name: reserve.name.clone(),
        title: None,
        country: None,
        contributions: Vec::new(),
        weight: None,
        shares: reserve.shares.clone(),
        guarantee: if closed.is_some() { 0 } else { gpus },
        ceiling: Some(gpus),
        keep: 0,
        never_lends: false,
        suspended: None,
        is_reserve: true,
        closed,
        surplus_weight: 1,
    }
}

/// The reserve behind a party of a pool.
#[must_use]
pub fn reserve_of(treaty: &Treaty, party: MemberId) -> Option<&ReserveRule> {
    let party = treaty.members().get(party.index()).filter(|m| m.is_reserve)?;
    treaty.reserves().iter().find(|r| r.name == party.name)
}
