//! Why something was decided: a closed list, so that texts, metrics and translations can be complete.

mod place;

pub use place::AskedPlace;

use std::sync::Arc;

use crate::accounts::calendar;
use crate::quota::{LEVELS, Refusal};
use crate::schedule::WindowId;
use crate::snapshot::SharePath;
use crate::treaty::{Clause, Closed, Treaty};
use crate::units::{ClaimId, Gpus, MemberId, TimestampMillis};

/// Why a claim waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitReason {
    /// It is inside the guarantee; borrowers on its nodes have been told to leave.
    WaitingForReclaim,
    /// The guarantee has room by number, but its own member's work leaves no room of this shape.
    GuaranteeFragmented(MemberId),
    /// No idle GPUs of this shape; the member's own guarantee is used up or too small.
    NoIdleGpus(MemberId),
    /// Idle GPUs exist, but their owners keep them.
    KeptByOwners,
    /// The member would exceed its ceiling.
    CeilingReached(MemberId),
    /// The gang alone exceeds the ceiling; it can never start under this treaty.
    ExceedsCeiling(MemberId),
    /// Over-use of the budget limits what the member borrows.
    BorrowingLimited {
        /// The member.
        member: MemberId,
        /// Most GPUs that it borrows at once.
        most: Gpus,
        /// When the budget's period ends, and the limit with it.
        until: Option<TimestampMillis>,
    },
    /// The gang is larger than the pool.
    ExceedsPool,
    /// GPUs may be idle elsewhere, but the nodes that it asks for are in use.
    PlaceTaken(AskedPlace),
    /// The pool has no nodes such as it asks for.
    NoSuchPlace(AskedPlace),
    /// The gang fits neither one node nor whole nodes.
    UnsupportedShape,
    /// The treaty has several classes of GPUs, and the claim names none of them.
    NoSuchClass,
    /// Nothing of its party starts now.
    Closed(MemberId, Closed),
    /// Its applicant does not meet a condition of the treaty.
    NotEligible(MemberId, Condition),
    /// It waited long: GPUs are kept for it as they become idle.
    ReservedByAge,
    /// Idle GPUs are kept for a claim that waited long.
    KeptForAged,
    /// It has room, but does not say that it ends before a window opens there.
    WindowAhead {
        /// Window.
        window: WindowId,
        /// Start.
        opens: TimestampMillis,
    },
    /// Too few nodes are left outside an open window.
    NodesInWindow {
        /// Window.
        window: WindowId,
        /// End.
        closes: TimestampMillis,
    },
    /// An institution, project or person would exceed the ceiling that its own member, or the reserve's tier, sets.
    ShareCeilingReached(ShareLimit),
    /// The gang alone exceeds such a ceiling.
    ExceedsShareCeiling(ShareLimit),
    /// Its project has no tier in the reserve, or has used the tier's hours.
    Tier(MemberId, Option<Arc<str>>, Refusal),
}

/// A condition of eligibility.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The applicant states something at all.
    Statement,
    /// Kind of the organisation.
    OrganisationKind,
    /// Its country.
    Country,
    /// Purpose of the work.
    Purpose,
    /// Class of the data.
    DataClass,
}

/// A ceiling inside a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLimit {
    /// The party.
    pub member: MemberId,
    /// Whose ceiling it is: names from the outside in.
    pub path: SharePath,
    /// The ceiling.
    pub most: Gpus,
}

impl ShareLimit {
    /// Persons are not named where strangers read: their limit is one for all of a project.
    fn clause(&self) -> Clause {
        let mut path = self.path.to_vec();
        if path.len() == LEVELS {
            path[LEVELS - 1] = Arc::from("*");
        }
        Clause::Share(self.member, path.into())
    }

    fn sentence(&self, treaty: &Treaty, what: &str) -> String {
        let (party, most) = (treaty.member(self.member).name.as_str(), self.most);
        let whose = match self.path.len() {
            LEVELS => "its owner".to_owned(),
            _ => self.path.last().map_or_else(|| party.to_owned(), ToString::to_string),
        };
        let limit = if treaty.member(self.member).is_reserve {
            format!("the {most} GPUs of its tier in {party}")
        } else {
            format!("the {most} GPUs that {party} allows")
        };
        what.replace("WHOSE", &whose).replace("LIMIT", &limit)
    }
}

/// Why a claim must leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReclaimReason {
    /// A claim inside its member's guarantee needs the place.
    GuaranteeOf {
        /// The member that gets its own back.
        member: MemberId,
        /// The claim that will start there.
        claim: ClaimId,
    },
    /// The member is above its ceiling, because the treaty changed.
    AboveCeiling(MemberId),
    /// A node that it ran on is gone.
    NodeLost,
    /// It overran the run time that it states, on nodes that are kept for a claim that waited long.
    Overran {
        /// The claim that waits there.
        claim: ClaimId,
    },
    /// It would not be done before a window opens on its nodes.
    Window(WindowId),
}

impl WaitReason {
    /// CamelCase code for conditions, metrics and APIs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WaitingForReclaim => "WaitingForReclaim",
            Self::GuaranteeFragmented(_) => "GuaranteeFragmented",
            Self::NoIdleGpus(_) => "NoIdleGpus",
            Self::KeptByOwners => "KeptByOwners",
            Self::CeilingReached(_) => "CeilingReached",
            Self::ExceedsCeiling(_) => "ExceedsCeiling",
            Self::BorrowingLimited { most: 0, .. } => "BudgetOverdrawn",
            Self::BorrowingLimited { .. } => "BorrowingLimited",
            Self::ExceedsPool => "ExceedsPool",
            Self::PlaceTaken(_) => "PlaceTaken",
            Self::NoSuchPlace(_) => "NoSuchPlace",
            Self::UnsupportedShape => "UnsupportedShape",
            Self::NoSuchClass => "NoSuchClass",
            Self::NotEligible(..) => "NotEligible",
            Self::Closed(_, Closed::NotInForce) => "TreatyNotInForce",
            Self::Closed(_, Closed::Suspended) => "MemberSuspended",
            Self::Closed(_, Closed::ReserveNotOpen) => "ReserveNotOpen",
            Self::ReservedByAge => "ReservedByAge",
            Self::KeptForAged => "KeptForAged",
            Self::WindowAhead { .. } => "WindowAhead",
            Self::NodesInWindow { .. } => "NodesInWindow",
            Self::ShareCeilingReached(_) => "ShareCeilingReached",
            Self::ExceedsShareCeiling(_) => "ExceedsShareCeiling",
            Self::Tier(_, _, Refusal::NoTier) => "NoTier",
            Self::Tier(_, _, Refusal::TierHoursUsed) => "TierHoursUsed",
        }
    }

    /// Somebody has to decide something before it can start, so that no start can be forecast.
    #[must_use]
    pub const fn hangs_on_people(&self) -> bool {
        matches!(self, Self::Closed(..) | Self::Tier(..))
    }

    /// The clause behind it.
    #[must_use]
    pub fn clause(&self) -> Clause {
        match self {
            Self::WaitingForReclaim => Clause::Reclaim,
            Self::GuaranteeFragmented(m) | Self::NoIdleGpus(m) => Clause::Guarantee(*m),
            Self::CeilingReached(m) | Self::ExceedsCeiling(m) => Clause::Ceiling(*m),
            Self::BorrowingLimited { .. } => Clause::Budget,
            Self::NoSuchClass => Clause::Classes,
            Self::NotEligible(m, _) => Clause::Eligibility(*m),
            Self::Closed(_, Closed::NotInForce) => Clause::Effective,
            Self::Closed(m, Closed::Suspended) => Clause::Suspension(*m),
            Self::PlaceTaken(_) | Self::NoSuchPlace(_) => Clause::Capacity,
            Self::ReservedByAge | Self::KeptForAged => Clause::Line,
            Self::WindowAhead { .. } | Self::NodesInWindow { .. } => Clause::Windows,
            Self::Closed(m, Closed::ReserveNotOpen) | Self::Tier(m, ..) => Clause::Reserve(*m),
            Self::ShareCeilingReached(limit) | Self::ExceedsShareCeiling(limit) => limit.clause(),
            Self::KeptByOwners | Self::ExceedsPool | Self::UnsupportedShape => Clause::Capacity,
        }
    }

    /// One sentence for people: what it waits for and what would change it.
    #[must_use]
    pub fn sentence(&self, treaty: &Treaty, gpus: Gpus) -> String {
        let guarantee = |m: &MemberId| (treaty.member(*m).name.as_str(), treaty.member(*m).guarantee);
        let ceiling =
            |m: &MemberId| (treaty.member(*m).name.as_str(), treaty.member(*m).ceiling.unwrap_or(Gpus::MAX));
        match self {
            Self::WaitingForReclaim => "inside the guarantee; starts when the borrowers on its nodes have left".to_owned(),
            Self::GuaranteeFragmented(m) => {
                let (name, guaranteed) = guarantee(m);
                format!("{name} has room in its guarantee of {guaranteed} GPUs, but its running jobs leave no node free for {gpus}; starts when one of them ends")
            }
            Self::NoIdleGpus(m) => {
                let (name, guaranteed) = guarantee(m);
                format!("{name}'s guarantee of {guaranteed} GPUs has no room for {gpus} more now, and no idle GPUs of other members fit; starts when a job ends")
            }
            Self::KeptByOwners => "the idle GPUs are kept by their owners; starts when a job ends".to_owned(),
            Self::CeilingReached(m) => {
                let (name, most) = ceiling(m);
                format!("{name} would use more than its ceiling of {most} GPUs; starts when another job of {name} ends")
            }
            Self::ExceedsCeiling(m) => {
                let (name, most) = ceiling(m);
                format!("the gang needs {gpus} GPUs, but {name} may never use more than {most}; submit a smaller gang")
            }
            Self::BorrowingLimited { member, most, until } => limited(treaty, *member, *most, *until, gpus),
            Self::NoSuchClass => {
                let classes: Vec<&str> = treaty.classes().iter().map(|c| c.name.as_str()).collect();
                format!("the treaty has several classes of GPUs; name one of them: {}", classes.join(", "))
            }
            Self::NotEligible(m, condition) => not_eligible(treaty, *m, *condition),
            Self::Closed(_, Closed::NotInForce) => "the treaty is not in force today; starts once one is".to_owned(),
            Self::Closed(m, Closed::Suspended) => {
                format!("the rights of {} rest; starts once the suspension ends", treaty.member(*m).name)
            }
            Self::Closed(m, Closed::ReserveNotOpen) => {
                format!("the reserve {} is not open; starts once it is opened", treaty.member(*m).name)
            }
            Self::ReservedByAge => {
                "it waited so long that nobody passes it any more; starts when the jobs on its nodes have ended".to_owned()
            }
            Self::KeptForAged => {
                "the idle GPUs are kept for a claim that waited long; state a run time that ends before it starts, or wait until a job ends"
                    .to_owned()
            }
            Self::WindowAhead { window, opens } => format!(
                "there is room for {gpus} GPUs, but not until it is done: the window {} opens there at {}; state a run time that ends before, or it starts after the window",
                window_name(treaty, *window),
                treaty.civil_text(*opens)
            ),
            Self::NodesInWindow { window, closes } => format!(
                "the window {} leaves too few nodes for {gpus} GPUs; starts after {}",
                window_name(treaty, *window),
                treaty.civil_text(*closes)
            ),
            Self::ShareCeilingReached(limit) => {
                limit.sentence(treaty, "WHOSE would use more than LIMIT; starts when another job of WHOSE ends")
            }
            Self::ExceedsShareCeiling(limit) => {
                let what = format!("the gang needs {gpus} GPUs, but WHOSE may never use more than LIMIT; submit a smaller gang");
                limit.sentence(treaty, &what)
            }
            Self::Tier(m, project, why) => {
                let reserve = treaty.member(*m).name.as_str();
                let project = project.as_deref().unwrap_or("the claim's project");
                match why {
                    Refusal::NoTier => format!("{project} has no tier in {reserve}; starts once an application for one is approved"),
                    Refusal::TierHoursUsed => format!("{project} has used the GPU-hours of its tier in {reserve}; apply for a larger one"),
                }
            }
            Self::ExceedsPool => format!("the gang needs {gpus} GPUs, more than the pool has; submit a smaller gang"),
            Self::PlaceTaken(asked) => asked.taken(),
            Self::NoSuchPlace(asked) => asked.missing(),
            Self::UnsupportedShape => {
                "a gang larger than one node must fill whole nodes; change the number of pods or the GPUs of each".to_owned()
            }
        }
    }
}

/// What the treaty admits, and that the claim states otherwise.
fn not_eligible(treaty: &Treaty, party: MemberId, condition: Condition) -> String {
    let clause = treaty.eligibility_of(party).cloned().unwrap_or_default();
    let listed = |names: Vec<String>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let (what, admitted) = match condition {
        Condition::Statement => {
            return "the treaty has conditions, and nothing is stated of who applies and for what; state it in the project"
                .to_owned();
        }
        Condition::OrganisationKind => {
            let kinds = clause.organisation_kinds.iter().map(ToString::to_string);
            ("kind of organisation", listed(kinds.collect()))
        }
        Condition::Country => ("country", listed(clause.countries.clone())),
        Condition::Purpose => ("purpose", listed(clause.purposes.iter().map(ToString::to_string).collect())),
        Condition::DataClass => {
            let classes = clause.data_classes.iter().map(|class| class.name.clone());
            ("data class", listed(["public".to_owned()].into_iter().chain(classes).collect()))
        }
    };
    format!("the {what} of the project is not admitted; admitted: {admitted}; never starts as it is")
}

/// The sentence of a claim that over-use keeps from borrowing.
fn limited(
    treaty: &Treaty,
    member: MemberId,
    most: Gpus,
    until: Option<TimestampMillis>,
    gpus: Gpus,
) -> String {
    let member = treaty.member(member);
    let (name, guarantee) = (&member.name, member.guarantee);
    let borrows = if most == 0 {
        "borrows nothing".to_owned()
    } else if gpus > most {
        format!("borrows at most {most} GPUs at once, fewer than the {gpus} of this gang")
    } else {
        format!("borrows at most {most} GPUs at once")
    };
    let mut changes = Vec::new();
    if most >= gpus {
        changes.push(format!("a borrower of {name} ends"));
    }
    if guarantee >= gpus {
        changes.push(format!("its guarantee of {guarantee} GPUs has room"));
    }
    changes.push(until.map_or_else(
        || "the budget's period ends".to_owned(),
        |end| format!("the budget's period ends at {}", calendar::written(treaty.time_zone(), end)),
    ));
    format!("{name} has overdrawn its budget and {borrows}; starts when {}", changes.join(", or "))
}

fn window_name(treaty: &Treaty, window: WindowId) -> &str {
    treaty.window(window).map_or("", |rule| rule.name.as_str())
}

impl ReclaimReason {
    /// CamelCase code for conditions, Events and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GuaranteeOf { .. } => "ReclaimedForGuarantee",
            Self::AboveCeiling(_) => "AboveCeiling",
            Self::NodeLost => "NodeLost",
            Self::Overran { .. } => "Overran",
            Self::Window(_) => "Window",
        }
    }

    /// The clause behind it.
    #[must_use]
    pub const fn clause(&self) -> Clause {
        match self {
            Self::GuaranteeOf { member, .. } => Clause::Guarantee(*member),
            Self::AboveCeiling(member) => Clause::Ceiling(*member),
            Self::NodeLost => Clause::Capacity,
            Self::Overran { .. } => Clause::Line,
            Self::Window(_) => Clause::Windows,
        }
    }

    /// One sentence for people.
    #[must_use]
    pub fn sentence(&self, treaty: &Treaty) -> String {
        match self {
            Self::GuaranteeOf { member, claim } => {
                format!(
                    "the borrowed GPUs go back to {} for {claim}, which is inside its guarantee",
                    treaty.member(*member).name
                )
            }
            Self::AboveCeiling(member) => format!("{} is above its ceiling", treaty.member(*member).name),
            Self::NodeLost => "a node that it ran on is gone".to_owned(),
            Self::Overran { claim } => {
                format!(
                    "it runs longer than it states, on nodes that are kept for {claim}, which waited long"
                )
            }
            Self::Window(window) => {
                let name = window_name(treaty, *window);
                format!("the window {name} opens on its nodes, and it states no run time that ends before")
            }
        }
    }
}
