//! The validated clauses beside guarantee, ceiling and lending: what a treaty says of time, money, people and votes.
//!
//! Plain values with public fields: [`crate::treaty`] builds them from the text and has checked every limit that
//! stands in a field's comment; the rule modules (`calendar`, `budget`, `credit`, `votes`, …) give them meaning.
//! All amounts are integers; shares are in hundredths of a percent (basis points), so that 12.5 % is 1,250.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};

use crate::units::{DurationMillis, GpuHours, Gpus, MemberId, TimestampMillis};

/// A share in hundredths of a percent: 10,000 is the whole. Ladders may go above the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BasisPoints(pub u32);

/// Index of a GPU class in its treaty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClassId(pub u16);

/// A kind of GPU: nodes are recognised by labels, so that capacity is never typed in twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpuClass {
    /// Name, a DNS label.
    pub name: String,
    /// Labels that a node must all have to be of this class; classes must not overlap on a node.
    pub node_labels: BTreeMap<String, String>,
    /// Price of one GPU for one hour, in thousandths of a charge unit; 1,000 is the reference.
    pub charge_per_gpu_hour_thousandths: u32,
    /// Whole nodes are charged even when a claim uses a part (CSCS).
    pub charge_whole_nodes: bool,
}

/// How a member's share of a class is stated, before it is resolved against real capacity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShareRule {
    /// So many GPUs.
    Fixed(Gpus),
    /// A share of the class's capacity.
    Percent(BasisPoints),
    /// In proportion to contributions, after fixed and percent shares and reserves are taken out.
    Proportional,
    /// What remains after everybody else (EuroHPC: the host). At most one member.
    Residual,
}

/// A share with its limits: `at_least` and `at_most` act on the result before rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The class; `None` is every class of the pool.
    pub class: Option<ClassId>,
    /// How it is stated.
    pub rule: ShareRule,
    /// Floor in GPUs.
    pub at_least: Option<Gpus>,
    /// Cap as a share of the class's capacity (EuroHPC Art. 17: at most 50 %).
    pub at_most: Option<BasisPoints>,
}

/// How shares that are no whole number become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rounding {
    /// Always down; the rest is surplus.
    #[default]
    Down,
    /// Down, then one unit more to the largest remainders until nothing is left; ties to the earlier member.
    LargestRemainder,
}

/// Unit to which shares are rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoundingUnit {
    /// Whole GPUs.
    #[default]
    Gpu,
    /// Whole nodes of the class, the largest if they differ.
    Node,
}

/// What a member paid in, in whole units of the treaty's currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contribution {
    /// Amount, at least 1.
    pub amount: u64,
    /// It counts from this day on; `None`: from the start.
    pub paid_on: Option<Date>,
}

/// A member's rights rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// First day.
    pub from: Date,
    /// Why, for people.
    pub reason: String,
}

/// When a treaty holds, both days included, in its time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effective {
    /// First day.
    pub from: Date,
    /// Last day; `None`: no end.
    pub until: Option<Date>,
}

/// How claims stand in line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineRule {
    /// What a member's line would do alone on its own nodes; the promise of no harm is measured by it.
    pub alone: LineOrder,
    /// Borrowed starts go to the shortest stated run time first.
    pub shortest_first: bool,
    /// A claim that waited so long is not passed any more.
    pub aging: Option<DurationMillis>,
}

/// Order of a member's own line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LineOrder {
    /// Strictly by submission.
    #[default]
    Submission,
    /// The first claim in line that fits.
    FirstFit,
}

/// How lent GPUs come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReclaimRule {
    /// Between telling a borrower and stopping it.
    pub notice: DurationMillis,
    /// A borrower is not stopped before it has run so long.
    pub minimum_run: DurationMillis,
}

/// A period of the calendar in the treaty's time zone. The year starts in the month `year_starts_in_month`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// From the first of a month.
    Month,
    /// Three months.
    Quarter,
    /// Twelve months.
    Year,
}

/// GPU-hours for a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRule {
    /// Length of the period.
    pub period: Period,
    /// By member: hours of the period; members without an entry have no budget.
    pub gpu_hours_by_member: BTreeMap<MemberId, GpuHours>,
    /// How much of what is unused moves on, and how often the same hours may move (NHR: once).
    pub carry_over: BasisPoints,
    /// 0: use it or lose it (CSCS).
    pub carry_over_periods: u32,
    /// How much of the next period may be used in advance without consequence (JSC: all of it).
    pub overdraft: BasisPoints,
    /// Rising thresholds of use; every one that is passed counts (OLCF, ALCF).
    pub overuse: Vec<OveruseStep>,
    /// Dates at which unused hours are taken back (ALCF).
    pub pull_back: Vec<PullBackStep>,
}

/// From this much use on, that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OveruseStep {
    /// Used share of what the period allows, carry-over and overdraft included; rising from step to step.
    pub above: BasisPoints,
    /// Consequence.
    pub effect: OveruseEffect,
}

/// What over-use leads to. Never touches work inside the guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OveruseEffect {
    /// Behind everybody who is not over budget when idle GPUs are lent.
    LowPriority,
    /// At most so many GPUs borrowed at once.
    MostBorrowed(Gpus),
    /// No borrowing at all.
    NoBorrowing,
}

/// A yearly date at which unused hours are taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullBackStep {
    /// Month, 1 to 12.
    pub month: i8,
    /// Day of that month, 1 to 28.
    pub day: i8,
    /// Applies when less than this share of the period's hours is used by then.
    pub used_below: BasisPoints,
    /// So much of the unused hours is taken.
    pub remove_of_unused: BasisPoints,
}

/// A time in which part of the pool is taken out or set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowRule {
    /// Name, a DNS label.
    pub name: String,
    /// What happens in it.
    pub purpose: WindowPurpose,
    /// Civil start `YYYY-MM-DDTHH:MM` of the first occurrence, in `time_zone`.
    pub first_start: DateTime,
    /// Length of each occurrence; at most 28 days and shorter than the distance to the next.
    pub length: DurationMillis,
    /// IANA time zone.
    pub time_zone: String,
    /// How it comes again.
    pub repeats: Repeat,
    /// Last date on which an occurrence may start.
    pub until: Option<Date>,
    /// Labels of the nodes concerned; empty: all.
    pub node_labels: BTreeMap<String, String>,
    /// Claims that would not end before the start are told so long before (beside the reclaim notice).
    pub announce: DurationMillis,
}

/// What a window does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowPurpose {
    /// Nodes are out of service: nothing starts that cannot end before, what runs leaves with notice.
    Maintenance,
    /// The nodes belong to one member for that time (regulatory runs, campaigns).
    ReservedFor(MemberId),
}

/// Recurrence; days of the month beyond the month's end are skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Once.
    Never,
    /// Every day at the same civil time.
    Daily,
    /// Every week.
    Weekly,
    /// Every month on the same day.
    Monthly,
}

/// How surplus is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SurplusRule {
    /// What a member's weight is.
    pub weight_by: WeightBy,
    /// Past use counts less by half after this time; `None`: only present use counts.
    pub usage_half_life: Option<DurationMillis>,
    /// Lending earns credit that is spent when borrowing, at most so much; `None`: no credit.
    pub credit_cap: Option<GpuHours>,
}

/// What weighs a member when surplus is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WeightBy {
    /// Its guarantee.
    #[default]
    Guarantee,
    /// Every member the same.
    Equal,
    /// Its contribution.
    Contribution,
    /// `members[].weight`.
    Stated,
}

/// GPUs set aside for a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRule {
    /// Name, a DNS label, different from every member's.
    pub name: String,
    /// Size.
    pub shares: Vec<Share>,
    /// When it may be used.
    pub opening: Opening,
    /// Who may use it.
    pub eligibility: Eligibility,
    /// Largest claim by tier name, in GPUs (NHR: small requests without a call).
    pub tiers: Vec<Tier>,
}

/// When a reserve is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// Always.
    Always,
    /// Only between these times, once somebody of `by` has opened it.
    OnDecision {
        /// Members of whom one suffices.
        by: Vec<MemberId>,
        /// Longest time open before it must be decided again.
        sunset: DurationMillis,
    },
}

/// A size tier of a reserve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier {
    /// Name, a DNS label.
    pub name: String,
    /// Most GPUs at once for one project of this tier.
    pub gpus_most: Gpus,
    /// Hours for one project of this tier.
    pub gpu_hours_most: GpuHours,
    /// Promised time to decide; zero: automatic.
    pub decision: DurationMillis,
}

/// Who may use a reserve, or the pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Eligibility {
    /// Kinds of organisation; empty: any.
    pub organisation_kinds: Vec<OrganisationKind>,
    /// ISO 3166-1 alpha-2 codes of the organisation's country; empty: any.
    pub countries: Vec<String>,
    /// Purposes; empty: any.
    pub purposes: Vec<Purpose>,
    /// Data classes that may be processed, each with where; empty: only public data.
    pub data_classes: Vec<DataClass>,
}

/// Kind of an applicant's organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrganisationKind {
    /// University or research institute.
    Academic,
    /// Non-governmental, non-profit.
    Ngo,
    /// Public administration.
    PublicBody,
    /// Small or medium enterprise.
    Sme,
    /// Other company.
    Industry,
}

/// Declared purpose of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// Civil.
    Civil,
    /// Civil with possible military use; needs the export-control review.
    DualUse,
    /// Military.
    Military,
}

/// A class of data and the nodes on which it may be processed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataClass {
    /// Name, a DNS label.
    pub name: String,
    /// Labels that a node must have; empty: any node.
    pub node_labels: BTreeMap<String, String>,
}

/// How one kind of decision is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoteRule {
    /// What it decides.
    pub on: Matter,
    /// What a member's vote weighs in the weighted count.
    pub weights: WeightBy,
    /// Needed share of the weights counted.
    pub weight_threshold: BasisPoints,
    /// Needed share of the heads counted (double majority); 0: heads do not count.
    pub heads_threshold: BasisPoints,
    /// Share of all heads that must take part.
    pub quorum: BasisPoints,
    /// Members who do not vote count as part of the whole (Reg. 2021/2085 Art. 16).
    pub absent_counted: bool,
    /// Abstentions count as part of the whole.
    pub abstentions_counted: bool,
    /// The member concerned does not vote (EUMETSAT Art. 14).
    pub concerned_recused: bool,
}

/// What members decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matter {
    /// The text.
    Body,
    /// Numbers: guarantees, ceilings, budgets, weights.
    Annex,
    /// Changes that cannot wait; they end by themselves.
    Emergency,
    /// Opening a reserve.
    OpenReserve,
    /// A new member.
    Admission,
    /// Taking away a member's rights for a time.
    Suspension,
}

/// How a decided change becomes law.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmendmentRule {
    /// Kind of change.
    pub of: Matter,
    /// After publication of the proposal; nothing is decided before its end.
    pub notice: DurationMillis,
    /// Between the last needed signature and force.
    pub entry_into_force: DurationMillis,
    /// Every member must also sign after the vote (CERN, EUMETSAT, ITER).
    pub ratified_by_all: bool,
    /// It acts from the vote on while signatures are missing (ITER).
    pub provisional: bool,
    /// It ends by itself after this time; only for emergencies, where it must be stated.
    pub sunset: Option<DurationMillis>,
}

/// The public key of a member, `<name>+<id>+<key>` in the form of C2SP signed-note. Only the form is checked here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyText(pub String);

/// Leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WithdrawalRule {
    /// Between the notice and the end of membership.
    pub notice: DurationMillis,
    /// Not before this time after entry into force (ITER: ten years).
    pub not_before: Option<TimestampMillis>,
}

/// What the public sees, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicationRule {
    /// Use is published after this time.
    pub usage_delay: DurationMillis,
    /// By project, or only by member.
    pub usage_by_project: bool,
    /// Names of awarded projects are public.
    pub awards: bool,
}
