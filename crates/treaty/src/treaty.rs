//! A validated treaty. It can only be made from a [`Document`] without faults, so that no later step has to ask
//! again whether a number makes sense.

use std::collections::BTreeMap;

use crate::clauses::{
    AmendmentRule, BudgetRule, ClassId, Contribution, Effective, Eligibility, GpuClass, KeyText, LineRule,
    PublicationRule, ReclaimRule, ReserveRule, Rounding, RoundingUnit, Share, SurplusRule, Suspension,
    VoteRule, WindowRule, WithdrawalRule,
};
use crate::diagnostic::Diagnostic;
use crate::document::Document;
use crate::snapshot::Node;
use crate::units::{DurationMillis, Gpus, MemberId};

mod budget;
mod calendar;
mod capacity;
mod checker;
mod countries;
mod governance;
mod keys;
mod members;
mod overlap;
mod pool;
mod resolve;
mod shares;
mod sharing;
pub mod support;

pub(crate) use checker::is_dns_label;
pub use resolve::{ClassCapacity, Entitlements};

/// A treaty that passed every rule that needs only its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Treaty {
    title: String,
    effective: Option<Effective>,
    time_zone: String,
    year_starts_in_month: i8,
    classes: Vec<GpuClass>,
    members: Vec<Member>,
    rounding: Rounding,
    rounding_unit: RoundingUnit,
    reserves: Vec<ReserveRule>,
    surplus: SurplusRule,
    line: LineRule,
    reclaim: ReclaimRule,
    budget: Option<BudgetRule>,
    windows: Vec<WindowRule>,
    eligibility: Option<Eligibility>,
    votes: Vec<VoteRule>,
    amendments: Vec<AmendmentRule>,
    withdrawal: Option<WithdrawalRule>,
    publication: Option<PublicationRule>,
    id_by_name: BTreeMap<String, MemberId>,
}

/// One member's rights and duties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Name, a DNS label.
    pub name: String,
    /// Full name, for people.
    pub title: Option<String>,
    /// ISO 3166-1 alpha-2 code.
    pub country: Option<String>,
    /// What it paid in.
    pub contributions: Vec<Contribution>,
    /// Weight where the treaty states weights.
    pub weight: Option<u32>,
    /// How the guarantee is stated; one share for all classes, or one for each class that has one.
    pub shares: Vec<Share>,
    /// GPUs that the member can always have, all classes together. The fixed shares alone, until
    /// [`Treaty::in_pool`] has worked out the others.
    pub guarantee: Gpus,
    /// Most GPUs at once; `None` is the whole pool.
    pub ceiling: Option<Gpus>,
    /// The same for each class, in a treaty with several.
    pub ceiling_by_class: BTreeMap<ClassId, Gpus>,
    /// Guaranteed GPUs that are never lent.
    pub keep: Gpus,
    /// The same for each class, in a treaty with several.
    pub keep_by_class: BTreeMap<ClassId, Gpus>,
    /// Nothing of the guarantee is lent: `keep` is the guarantee.
    pub never_lends: bool,
    /// Its rights rest.
    pub suspended: Option<Suspension>,
    /// By which it votes and ratifies.
    pub keys: Vec<KeyText>,
    /// A reserve among the parties of a pool; see [`crate::terms`].
    pub is_reserve: bool,
    /// Nothing of it starts now.
    pub closed: Option<Closed>,
    /// Weight when idle GPUs are lent; at least 1. The guarantee, until [`crate::terms`] has worked it out.
    pub surplus_weight: u64,
}

/// Why nothing of a party starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The treaty is not in force on this day.
    NotInForce,
    /// The member is suspended.
    Suspended,
    /// Nobody has opened the reserve.
    ReserveNotOpen,
}

/// A clause that a decision can cite; its id is stable as long as the member keeps its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clause {
    /// `members[].guarantee`
    Guarantee(MemberId),
    /// `members[].ceiling`
    Ceiling(MemberId),
    /// `members[].lending`
    Lending(MemberId),
    /// `members[].suspended`
    Suspension(MemberId),
    /// `reserves[]`
    Reserve(MemberId),
    /// What the member's own quota says of an element inside it, by its path; of a reserve: its tiers.
    Share(MemberId, crate::snapshot::SharePath),
    /// `effective`
    Effective,
    /// `classes`
    Classes,
    /// `eligibility`, or that of a reserve
    Eligibility(MemberId),
    /// `line`
    Line,
    /// `budget`
    Budget,
    /// `windows`
    Windows,
    /// `reclaim`
    Reclaim,
    /// No clause but a fact: the pool's nodes as they are.
    Capacity,
}

impl Treaty {
    /// Checks every rule of the text in one pass.
    ///
    /// # Errors
    /// All faults found, warnings among them, in the order of the document.
    pub fn validate(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        Self::validate_with_warnings(document).map(|(treaty, _)| treaty)
    }

    /// As [`Self::validate`], with the warnings of a treaty that holds.
    ///
    /// # Errors
    /// All faults found, warnings among them.
    pub fn validate_with_warnings(document: &Document) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (treaty, faults) = checker::validate(document);
        if faults.iter().any(Diagnostic::is_error) { Err(faults) } else { Ok((treaty, faults)) }
    }

    /// As [`Self::validate`], and without clauses that only the simulator keeps (TR091): nothing that is applied to a
    /// cluster is parsed and ignored.
    ///
    /// # Errors
    /// All faults found.
    pub fn validate_for_cluster(document: &Document) -> Result<Self, Vec<Diagnostic>> {
        Self::validate_for_cluster_with_warnings(document).map(|(treaty, _)| treaty)
    }

    /// The same, with what members should know all the same.
    ///
    /// # Errors
    /// As [`Self::validate_for_cluster`].
    pub fn validate_for_cluster_with_warnings(
        document: &Document,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (treaty, found) = Self::validate_with_warnings(document)?;
        let (refused, warnings): (Vec<Diagnostic>, Vec<Diagnostic>) =
            found.into_iter().partition(|d| d.code == support::SIMULATOR_ONLY);
        if refused.is_empty() { Ok((treaty, warnings)) } else { Err(refused) }
    }

    /// Promises that the pool as it stands cannot keep; they do not stop the treaty, but members must know.
    #[must_use]
    pub fn shortfalls(&self, nodes: &[Node]) -> Vec<Diagnostic> {
        capacity::shortfalls(self, nodes)
    }

    /// The same treaty as if that member had no partners; its id is then 0. What needs partners (reserves, budgets,
    /// reserved windows, votes) falls away.
    #[must_use]
    pub fn alone(&self, id: MemberId) -> Self {
        let member = Member { ceiling: None, ..self.member(id).clone() };
        let maintenance = |w: &&WindowRule| w.purpose == crate::clauses::WindowPurpose::Maintenance;
        Self {
            id_by_name: [(member.name.clone(), MemberId(0))].into(),
            members: vec![member],
            reserves: Vec::new(),
            budget: None,
            windows: self.windows.iter().filter(maintenance).cloned().collect(),
            votes: Vec::new(),
            amendments: Vec::new(),
            withdrawal: None,
            ..self.clone()
        }
    }

    /// The same treaty with these parties as its members.
    pub(crate) fn with_parties(&self, members: Vec<Member>) -> Self {
        let ids = (0..).map(MemberId);
        Self {
            id_by_name: members.iter().map(|m| m.name.clone()).zip(ids).collect(),
            members,
            ..self.clone()
        }
    }

    /// Title, for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// When the treaty holds; `None`: always.
    #[must_use]
    pub const fn effective(&self) -> Option<Effective> {
        self.effective
    }

    /// Whether it holds on that day of its time zone.
    #[must_use]
    pub fn holds_on(&self, day: jiff::civil::Date) -> bool {
        self.effective.is_none_or(|e| e.from <= day && e.until.is_none_or(|until| day <= until))
    }

    /// IANA time zone of dates and periods; `UTC` when none is stated.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// First month of the accounting year, 1 to 12.
    #[must_use]
    pub const fn year_starts_in_month(&self) -> i8 {
        self.year_starts_in_month
    }

    /// GPU classes; a [`ClassId`] is an index into them. Empty: all GPUs are alike.
    #[must_use]
    pub fn classes(&self) -> &[GpuClass] {
        &self.classes
    }

    /// Name of a class that this treaty gave out.
    #[must_use]
    pub fn class_name(&self, class: Option<ClassId>) -> Option<&str> {
        Some(self.classes.get(usize::from(class?.0))?.name.as_str())
    }

    /// The class of that name.
    #[must_use]
    pub fn class_id(&self, name: &str) -> Option<ClassId> {
        let index = self.classes.iter().position(|c| c.name == name)?;
        u16::try_from(index).ok().map(ClassId)
    }

    /// Members in the treaty's order; a [`MemberId`] is an index into it.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What happens to what rounding leaves.
    #[must_use]
    pub const fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// Unit to which shares are rounded.
    #[must_use]
    pub const fn rounding_unit(&self) -> RoundingUnit {
        self.rounding_unit
    }

    /// GPUs set aside.
    #[must_use]
    pub fn reserves(&self) -> &[ReserveRule] {
        &self.reserves
    }

    /// How idle GPUs are shared.
    #[must_use]
    pub const fn surplus(&self) -> SurplusRule {
        self.surplus
    }

    /// How claims stand in line.
    #[must_use]
    pub const fn line(&self) -> LineRule {
        self.line
    }

    /// How lent GPUs come back.
    #[must_use]
    pub const fn reclaim(&self) -> ReclaimRule {
        self.reclaim
    }

    /// Time between telling a borrower and stopping it.
    #[must_use]
    pub const fn reclaim_notice(&self) -> DurationMillis {
        self.reclaim.notice
    }

    /// GPU-hours by period; `None`: use is not limited by hours.
    #[must_use]
    pub const fn budget(&self) -> Option<&BudgetRule> {
        self.budget.as_ref()
    }

    /// Times in which nodes are out of service or belong to one member.
    #[must_use]
    pub fn windows(&self) -> &[WindowRule] {
        &self.windows
    }

    /// Who may use the pool; `None`: every project of a member.
    #[must_use]
    pub const fn eligibility(&self) -> Option<&Eligibility> {
        self.eligibility.as_ref()
    }

    /// The reserve that a party is, whether this is the text's treaty or a pool's (see [`crate::terms::Pool`]).
    #[must_use]
    pub fn reserve(&self, party: MemberId) -> Option<&ReserveRule> {
        match self.members.get(party.index()) {
            Some(member) if member.is_reserve => self.reserves.iter().find(|r| r.name == member.name),
            Some(_) => None,
            None => self.reserves.get(party.index() - self.members.len()),
        }
    }

    /// The conditions for claims of a party: a reserve's own, or the pool's.
    #[must_use]
    pub fn eligibility_of(&self, party: MemberId) -> Option<&Eligibility> {
        let own = self.reserve(party);
        own.map(|r| &r.eligibility).filter(|e| **e != Eligibility::default()).or(self.eligibility.as_ref())
    }

    /// How members decide.
    #[must_use]
    pub fn votes(&self) -> &[VoteRule] {
        &self.votes
    }

    /// How a decided change becomes law.
    #[must_use]
    pub fn amendments(&self) -> &[AmendmentRule] {
        &self.amendments
    }

    /// How a member leaves.
    #[must_use]
    pub const fn withdrawal(&self) -> Option<WithdrawalRule> {
        self.withdrawal
    }

    /// What the public sees, and when.
    #[must_use]
    pub const fn publication(&self) -> Option<PublicationRule> {
        self.publication
    }

    /// The member of that name.
    #[must_use]
    pub fn member_id(&self, name: &str) -> Option<MemberId> {
        self.id_by_name.get(name).copied()
    }

    /// The member or reserve of that name; reserves are numbered after the members.
    #[must_use]
    pub fn party_id(&self, name: &str) -> Option<MemberId> {
        let reserve = || {
            let index = self.members.len() + self.reserves.iter().position(|r| r.name == name)?;
            u16::try_from(index).ok().map(MemberId)
        };
        self.member_id(name).or_else(reserve)
    }

    /// The member behind an id that this treaty gave out.
    #[must_use]
    pub fn member(&self, id: MemberId) -> &Member {
        &self.members[id.index()]
    }

    /// All member ids, in the treaty's order.
    pub fn member_ids(&self) -> impl Iterator<Item = MemberId> + use<> {
        (0..u16::try_from(self.members.len()).unwrap_or(u16::MAX)).map(MemberId)
    }

    /// Stable id of a clause, as reasons, metrics and the ledger cite it.
    #[must_use]
    pub fn clause_id(&self, clause: Clause) -> String {
        match clause {
            Clause::Guarantee(m) if self.member(m).is_reserve => format!("reserve/{}", self.member(m).name),
            Clause::Guarantee(m) => format!("guarantee/{}", self.member(m).name),
            Clause::Suspension(m) => format!("suspended/{}", self.member(m).name),
            Clause::Reserve(m) => format!("reserve/{}", self.member(m).name),
            Clause::Share(m, _) if self.member(m).is_reserve => format!("reserve/{}", self.member(m).name),
            Clause::Share(m, path) => format!("quota/{}/{}", self.member(m).name, path.join("/")),
            Clause::Effective => "effective".to_owned(),
            Clause::Classes => "classes".to_owned(),
            Clause::Eligibility(m) if self.member(m).is_reserve => {
                format!("reserve/{}/eligibility", self.member(m).name)
            }
            Clause::Eligibility(_) => "eligibility".to_owned(),
            Clause::Line => "line".to_owned(),
            Clause::Budget => "budget".to_owned(),
            Clause::Windows => "windows".to_owned(),
            Clause::Ceiling(m) => format!("ceiling/{}", self.member(m).name),
            Clause::Lending(m) => format!("lending/{}", self.member(m).name),
            Clause::Reclaim => "reclaim".to_owned(),
            Clause::Capacity => "capacity".to_owned(),
        }
    }
}

/// GPUs of the largest node: the cell in which guarantees are promised by shape (HiveD, OSDI'20).
#[must_use]
pub fn cell_gpus(nodes: &[Node]) -> Gpus {
    nodes.iter().map(|n| n.gpus).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
