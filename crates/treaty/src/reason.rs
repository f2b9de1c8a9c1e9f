//! Why something was decided: a closed list, so that texts, metrics and translations can be complete.

use std::sync::Arc;

use crate::quota::{LEVELS, Refusal};
use crate::snapshot::SharePath;
use crate::treaty::{Clause, Closed, Treaty};
use crate::units::{ClaimId, Gpus, MemberId};

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
    /// The gang is larger than the pool.
    ExceedsPool,
    /// The gang fits neither one node nor whole nodes.
    UnsupportedShape,
    /// The treaty has several classes of GPUs, and the claim names none of them.
    NoSuchClass,
    /// Nothing of its party starts now.
    Closed(MemberId, Closed),
    /// An institution, project or person would exceed the ceiling that its own member, or the reserve's tier, sets.
    ShareCeilingReached(ShareLimit),
    /// The gang alone exceeds such a ceiling.
    ExceedsShareCeiling(ShareLimit),
    /// Its project has no tier in the reserve, or has used the tier's hours.
    Tier(MemberId, Option<Arc<str>>, Refusal),
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
            Self::ExceedsPool => "ExceedsPool",
            Self::UnsupportedShape => "UnsupportedShape",
            Self::NoSuchClass => "NoSuchClass",
            Self::Closed(_, Closed::NotInForce) => "TreatyNotInForce",
            Self::Closed(_, Closed::Suspended) => "MemberSuspended",
            Self::Closed(_, Closed::ReserveNotOpen) => "ReserveNotOpen",
            Self::ShareCeilingReached(_) => "ShareCeilingReached",
            Self::ExceedsShareCeiling(_) => "ExceedsShareCeiling",
            Self::Tier(_, _, Refusal::NoTier) => "NoTier",
            Self::Tier(_, _, Refusal::TierHoursUsed) => "TierHoursUsed",
        }
    }

    /// The clause behind it.
    #[must_use]
    pub fn clause(&self) -> Clause {
        match self {
            Self::WaitingForReclaim => Clause::Reclaim,
            Self::GuaranteeFragmented(m) | Self::NoIdleGpus(m) => Clause::Guarantee(*m),
            Self::CeilingReached(m) | Self::ExceedsCeiling(m) => Clause::Ceiling(*m),
            Self::NoSuchClass => Clause::Classes,
            Self::Closed(_, Closed::NotInForce) => Clause::Effective,
            Self::Closed(m, Closed::Suspended) => Clause::Suspension(*m),
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
            Self::NoSuchClass => {
                let classes: Vec<&str> = treaty.classes().iter().map(|c| c.name.as_str()).collect();
                format!("the treaty has several classes of GPUs; name one of them: {}", classes.join(", "))
            }
            Self::Closed(_, Closed::NotInForce) => "the treaty is not in force today; starts once one is".to_owned(),
            Self::Closed(m, Closed::Suspended) => {
                format!("the rights of {} rest; starts once the suspension ends", treaty.member(*m).name)
            }
            Self::Closed(m, Closed::ReserveNotOpen) => {
                format!("the reserve {} is not open; starts once it is opened", treaty.member(*m).name)
            }
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
            Self::UnsupportedShape => {
                "a gang larger than one node must fill whole nodes; change the number of pods or the GPUs of each".to_owned()
            }
        }
    }
}

impl ReclaimReason {
    /// CamelCase code for conditions, Events and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GuaranteeOf { .. } => "ReclaimedForGuarantee",
            Self::AboveCeiling(_) => "AboveCeiling",
            Self::NodeLost => "NodeLost",
        }
    }

    /// The clause behind it.
    #[must_use]
    pub const fn clause(&self) -> Clause {
        match self {
            Self::GuaranteeOf { member, .. } => Clause::Guarantee(*member),
            Self::AboveCeiling(member) => Clause::Ceiling(*member),
            Self::NodeLost => Clause::Capacity,
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
        }
    }
}
