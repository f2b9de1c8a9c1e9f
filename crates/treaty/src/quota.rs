//! How a member splits its own share: member, institution, project, person.
//!
//! The treaty rules between members; a [`MemberQuota`] is written by one member's own admins and rules only inside it.
//! Whose claim of a member is next is decided down its tree: at each level first who is below its floor, then who uses
//! least for its weight. Nothing here changes what the member may use, nor whom it sends away
//! (docs/decisions/0008-nested-shares.md).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::document::MemberQuotaDocument;
use crate::snapshot::SharePath;
use crate::units::Gpus;

mod against;
mod checker;
mod tree;

pub use tree::{Award, Branch, LEVELS, Limits, PartyShares, QuotaInForce, Refusal, ShareTree};

/// A quota that passed every rule that needs only its own text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberQuota {
    /// The member.
    pub member: String,
    /// Its institutions.
    pub institutions: Vec<Share>,
    /// Most GPUs of one person at once, in each project and class.
    pub person_ceiling: Option<Gpus>,
}

/// What one institution or project may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Name, a DNS label.
    pub name: String,
    /// Weight among its siblings, at least 1.
    pub weight: u32,
    /// Below this it comes before its siblings.
    pub floor: Option<GpusByClass>,
    /// Most GPUs at once.
    pub ceiling: Option<GpusByClass>,
    /// Projects of an institution.
    pub inside: Vec<Share>,
}

/// A number of GPUs for a pool of one class, or one for each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpusByClass {
    /// There is one class at most.
    One(Gpus),
    /// By the class's name.
    Named(BTreeMap<String, Gpus>),
}

impl GpusByClass {
    /// The number for a class; `None`: nothing is said of it.
    #[must_use]
    pub fn of(&self, class: Option<&str>) -> Option<Gpus> {
        match self {
            Self::One(gpus) => Some(*gpus),
            Self::Named(by_class) => by_class.get(class?).copied(),
        }
    }
}

impl MemberQuota {
    /// On whose behalf inside the member the work of a project is: of the institution that lists it. A project that none
    /// lists is the member's own.
    #[must_use]
    pub fn path_of(&self, project: &str) -> SharePath {
        let lists = |institution: &&Share| institution.inside.iter().any(|inside| inside.name == project);
        let names = |institution: &Share| [Arc::from(institution.name.as_str()), Arc::from(project)].into();
        self.institutions.iter().find(lists).map(names).unwrap_or_default()
    }

    /// Checks every rule of the text in one pass; `member` is the name of the object.
    ///
    /// # Errors
    /// All faults found, warnings among them, in the order of the document.
    pub fn validate(member: &str, document: &MemberQuotaDocument) -> Result<Self, Vec<Diagnostic>> {
        Self::validate_with_warnings(member, document).map(|(quota, _)| quota)
    }

    /// As [`Self::validate`], with the warnings of a quota that holds.
    ///
    /// # Errors
    /// All faults found, warnings among them.
    pub fn validate_with_warnings(
        member: &str,
        document: &MemberQuotaDocument,
    ) -> Result<(Self, Vec<Diagnostic>), Vec<Diagnostic>> {
        let (quota, faults) = checker::validate(member, document);
        if faults.iter().any(Diagnostic::is_error) { Err(faults) } else { Ok((quota, faults)) }
    }
}
