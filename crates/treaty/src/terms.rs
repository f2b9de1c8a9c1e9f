//! What a treaty says for one pool at one time: shares as whole GPUs, reserves beside the members, who is closed.
//!
//! GPUs of different classes are never exchanged, so each class is a pool of its own, with its own lines and its own
//! decision. A [`Pool`] is the treaty seen from one class: its parties are the members, then the reserves, and every
//! number is that class's. [`crate::decide`] and [`crate::check`] know only pools.

mod changes;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::accounts::calendar;
use crate::accounts::eligibility::{judge, node_labels};
use crate::clauses::{ClassId, Opening, ReserveRule, WeightBy};
use crate::quota::{PartyShares, ShareTree};
use crate::reason::Condition;
use crate::schedule::{self, Occurrence};
use crate::snapshot::{Claim, Node, Opened, Snapshot};
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
    /// Windows that are open, and those that have to be told of.
    pub windows: Vec<Occurrence>,
}

impl Terms {
    /// What the treaty says at that time.
    #[must_use]
    pub fn of(treaty: &Treaty, nodes: &[Node], now: TimestampMillis) -> Self {
        Self::with_openings(treaty, nodes, &[], now)
    }

    /// The same, with the reserves that are open for what was decided.
    #[must_use]
    pub fn at(treaty: &Treaty, snapshot: &Snapshot, now: TimestampMillis) -> Self {
        Self::with_openings(treaty, &snapshot.nodes, &snapshot.openings, now)
    }

    fn with_openings(treaty: &Treaty, nodes: &[Node], openings: &[Opened], now: TimestampMillis) -> Self {
        let day = treaty.day(now);
        let open: Vec<bool> =
            (0..treaty.reserves().len()).map(|i| treaty.is_open(i, openings, now)).collect();
        let entitlements = treaty.resolve(&capacity(treaty, nodes), day);
        let windows = schedule::occurrences(treaty, now, now);
        let pool = |(index, class): (usize, &Option<ClassId>)| Pool {
            class: *class,
            treaty: treaty.seen_from(index, &entitlements, day, &open),
            windows: windows.clone(),
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

    /// The part of a snapshot that concerns this pool. Where data of a class may be processed is a label that the
    /// claim's nodes must have, like those that its owner asks for.
    #[must_use]
    pub fn part<'s>(&self, snapshot: &'s Snapshot) -> Cow<'s, Snapshot> {
        if self.class.is_none() && !self.has_conditions() {
            return Cow::Borrowed(snapshot);
        }
        let of_class = |node: &&Node| self.class.is_none() || self.treaty.class_of(node) == self.class;
        // Standings come class after class, of as many parties each.
        let parties = self.treaty.members().len();
        let before = self.class.map_or(0, |class| usize::from(class.0) * parties);
        Cow::Owned(Snapshot {
            nodes: snapshot.nodes.iter().filter(of_class).cloned().collect(),
            claims: snapshot.claims.iter().filter(|c| self.concerns(c)).map(|c| self.confined(c)).collect(),
            standings: snapshot.standings.iter().skip(before).take(parties).copied().collect(),
            openings: snapshot.openings.clone(),
            quotas: snapshot.quotas.clone(),
            awards: snapshot.awards.clone(),
        })
    }
}

impl Pool {
    /// Whether the treaty says who may use the pool.
    fn has_conditions(&self) -> bool {
        self.treaty.eligibility().is_some() || !self.treaty.reserves().is_empty()
    }

    /// The claim with the labels that its data need.
    pub(crate) fn confined(&self, claim: &Claim) -> Claim {
        let data_class = claim.applicant.as_ref().and_then(|a| a.data_class.as_deref());
        let clause = self.treaty.eligibility_of(claim.member);
        let needed = clause.and_then(|clause| node_labels(clause, data_class)).filter(|l| !l.is_empty());
        let Some(needed) = needed else { return claim.clone() };
        let own = claim.node_labels.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        let all: BTreeMap<String, String> = own.chain(needed.clone()).collect();
        Claim { node_labels: all.into(), ..claim.clone() }
    }

    /// The first condition of the treaty that the claim's applicant does not meet.
    #[must_use]
    pub fn refusal(&self, claim: &Claim) -> Option<Condition> {
        let clause = self.treaty.eligibility_of(claim.member)?;
        let Some(applicant) = &claim.applicant else { return Some(Condition::Statement) };
        let refusals = judge(clause, applicant).err()?;
        refusals.first().map(|refusal| match refusal.clause {
            "organisationKinds" => Condition::OrganisationKind,
            "countries" => Condition::Country,
            "purposes" => Condition::Purpose,
            _ => Condition::DataClass,
        })
    }

    /// By party: what holds inside it, seen from this pool.
    #[must_use]
    pub fn shares_inside(&self, snapshot: &Snapshot) -> Vec<PartyShares> {
        let class = self.class.and_then(|c| self.treaty.classes().get(usize::from(c.0)));
        let class = class.map(|c| c.name.as_str());
        let of_reserve = |rule: &ReserveRule, party: MemberId| {
            let tree = ShareTree::of_reserve(rule, party, &snapshot.awards);
            let awards = snapshot.awards.iter().filter(|a| a.reserve == party);
            let since = awards.map(|a| a.since).max().unwrap_or(TimestampMillis(i64::MIN));
            PartyShares { tree: tree.map(Arc::new), since }
        };
        let of_member = |party: MemberId| {
            let said = snapshot.quotas.iter().find(|q| q.member == party);
            said.map_or_else(PartyShares::default, |said| {
                let tree = said.quota.as_ref().map(|quota| ShareTree::of_quota(quota, class));
                PartyShares { tree: tree.map(Arc::new), since: said.since }
            })
        };
        let of = |party: MemberId| match reserve_of(&self.treaty, party) {
            Some(rule) => of_reserve(rule, party),
            None => of_member(party),
        };
        self.treaty.member_ids().map(of).collect()
    }
}

/// Nodes by class and size. A node of no class is not shared under this treaty.
/// The pool's nodes by class and size, those that take no work too.
#[must_use]
pub fn capacity(treaty: &Treaty, nodes: &[Node]) -> Vec<ClassCapacity> {
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

    /// Whether a reserve is open: always, or because one of those who may decide it did so not too long ago.
    fn is_open(&self, reserve: usize, openings: &[Opened], now: TimestampMillis) -> bool {
        let party = self.members().len() + reserve;
        match &self.reserves()[reserve].opening {
            Opening::Always => true,
            Opening::OnDecision { by, sunset } => openings.iter().any(|opened| {
                let lasts = opened.at <= now && now < opened.at.after(*sunset);
                opened.reserve.index() == party && by.contains(&opened.by) && lasts
            }),
        }
    }

    fn seen_from(&self, index: usize, entitlements: &Entitlements, day: Date, open: &[bool]) -> Self {
        let held = self.holds_on(day);
        let mut parties: Vec<Member> = Vec::with_capacity(self.members().len() + self.reserves().len());
        for (member, by_class) in self.members().iter().zip(&entitlements.members) {
            let class = entitlements.classes[index];
            let numbers = Numbers {
                guarantee: by_class[index],
                ceiling: class.and_then(|c| member.ceiling_by_class.get(&c).copied()).or(member.ceiling),
                keep: class.and_then(|c| member.keep_by_class.get(&c).copied()).unwrap_or(member.keep),
            };
            parties.push(self.member_seen_from(member, numbers, day, held));
        }
        for ((reserve, by_class), open) in self.reserves().iter().zip(&entitlements.reserves).zip(open) {
            let closed = match (held, open) {
                (false, _) => Some(Closed::NotInForce),
                (true, true) => None,
                (true, false) => Some(Closed::ReserveNotOpen),
            };
            parties.push(reserve_as_party(reserve, by_class[index], closed));
        }
        self.with_parties(parties)
    }

    fn member_seen_from(&self, member: &Member, numbers: Numbers, day: Date, held: bool) -> Member {
        let closed = match (held, member.is_suspended(day)) {
            (false, _) => Some(Closed::NotInForce),
            (true, true) => Some(Closed::Suspended),
            (true, false) => None,
        };
        let guarantee = if closed.is_some() { 0 } else { numbers.guarantee };
        let weight = match self.surplus().weight_by {
            WeightBy::Guarantee => u64::from(guarantee),
            WeightBy::Equal => 1,
            WeightBy::Contribution => member.contributed(day),
            WeightBy::Stated => u64::from(member.weight.unwrap_or(1)),
        };
        Member {
            guarantee,
            ceiling: numbers.ceiling,
            keep: if member.never_lends { guarantee } else { numbers.keep.min(guarantee) },
            closed,
            surplus_weight: weight.max(1),
            ..member.clone()
        }
    }
}

/// A member's numbers in one class.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    guarantee: Gpus,
    ceiling: Option<Gpus>,
    keep: Gpus,
}

/// A reserve uses what is set aside for it and never borrows, so that nobody's idle GPUs go to whom the treaty gave a
/// place of its own.
fn reserve_as_party(reserve: &ReserveRule, gpus: Gpus, closed: Option<Closed>) -> Member {
    Member {
        name: reserve.name.clone(),
        title: None,
        country: None,
        contributions: Vec::new(),
        ceiling_by_class: BTreeMap::new(),
        keep_by_class: BTreeMap::new(),
        weight: None,
        shares: reserve.shares.clone(),
        guarantee: if closed.is_some() { 0 } else { gpus },
        ceiling: Some(gpus),
        keep: 0,
        never_lends: false,
        suspended: None,
        keys: Vec::new(),
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
