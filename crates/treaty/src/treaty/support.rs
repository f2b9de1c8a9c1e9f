//! Which clauses this release enforces. Every clause that a treaty can state is enforced or refused here; nothing is
//! parsed and ignored. To switch a family on or off, change its line in [`FAMILIES`].

use crate::diagnostic::Diagnostic;
use crate::document::{Document, GuaranteeDocument, MemberDocument, ShareDocument};

/// A clause family and whether this release enforces it.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Clause as it stands in the text.
    pub clause: &'static str,
    /// Whether it is enforced.
    pub support: Support,
    /// Path of its first use in a document.
    pub first_use: fn(&Document) -> Option<String>,
}

/// Whether a clause is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Programs and engine keep it.
    Enforced,
    /// The engine keeps it, in the simulator; the operator refuses it, because it does not yet have what it takes: what
    /// that is.
    SimulatorOnly(&'static str),
    /// Not yet; from when on.
    NotSupported(&'static str),
}

use Support::{Enforced, NotSupported, SimulatorOnly};

/// Code of a clause that only the simulator keeps.
pub const SIMULATOR_ONLY: &str = "TR091";

const BOOKS: Support = SimulatorOnly("its books are not kept in a cluster");
const OPENINGS: Support = SimulatorOnly("no object of a cluster can yet open a reserve");

const PUBLICATION: Support = NotSupported("it comes with the release whose pages keep it");

/// All families beside the first ones (title, members, fixed guarantees, ceiling, keepGpus, noticeSeconds).
pub const FAMILIES: &[Family] = &[
    family("effective", Enforced, |d| d.effective.as_ref().map(|_| "effective".to_owned())),
    family("timeZone", Enforced, |d| d.time_zone.as_ref().map(|_| "timeZone".to_owned())),
    family("yearStartsInMonth", Enforced, |d| d.year_starts_in_month.map(|_| "yearStartsInMonth".to_owned())),
    family("classes", Enforced, |d| listed(&d.classes, "classes")),
    family("members[].contributions", Enforced, |d| {
        member(d, "contributions", |m| !m.contributions.is_empty())
    }),
    family("members[].weight", Enforced, |d| member(d, "weight", |m| m.weight.is_some())),
    family("members[].guarantee.percent", Enforced, |d| share(d, |s| s.percent.is_some())),
    family("members[].guarantee.proportional", Enforced, |d| share(d, |s| s.proportional)),
    family("members[].guarantee.residual", Enforced, |d| share(d, |s| s.residual)),
    family("members[].guarantee.byClass", Enforced, |d| guarantee(d, |g| !g.by_class.is_empty())),
    family("members[].lending.never", Enforced, |d| {
        member(d, "lending.never", |m| m.lending.as_ref().is_some_and(|l| l.never))
    }),
    family("members[].suspended", Enforced, |d| member(d, "suspended", |m| m.suspended.is_some())),
    family("members[].keys", Enforced, |d| member(d, "keys", |m| !m.keys.is_empty())),
    family("rounding", Enforced, |d| d.rounding.map(|_| "rounding".to_owned())),
    family("reserves[].opening", OPENINGS, |d| {
        let opened = d.reserves.iter().position(|reserve| reserve.opening.is_some());
        opened.map(|index| format!("reserves[{index}].opening"))
    }),
    family("surplus.weightBy", Enforced, |d| {
        d.surplus.and_then(|s| s.weight_by).map(|_| "surplus".to_owned())
    }),
    family("surplus.usageHalfLifeHours", BOOKS, |d| {
        d.surplus.and_then(|s| s.usage_half_life_hours).map(|_| "surplus.usageHalfLifeHours".to_owned())
    }),
    family("surplus.creditCapGpuHours", BOOKS, |d| {
        d.surplus.and_then(|s| s.credit_cap_gpu_hours).map(|_| "surplus.creditCapGpuHours".to_owned())
    }),
    family("line.alone", Enforced, |d| d.line.and_then(|l| l.alone).map(|_| "line.alone".to_owned())),
    family("line.shortestFirst", Enforced, |d| {
        d.line.filter(|l| l.shortest_first).map(|_| "line.shortestFirst".to_owned())
    }),
    family("line.agingHours", Enforced, |d| {
        d.line.and_then(|l| l.aging_hours).map(|_| "line.agingHours".to_owned())
    }),
    family("reclaim.minimumRunSeconds", Enforced, |d| {
        d.reclaim.minimum_run_seconds.map(|_| "reclaim.minimumRunSeconds".to_owned())
    }),
    family("budget", BOOKS, |d| d.budget.as_ref().map(|_| "budget".to_owned())),
    family("windows", Enforced, |d| listed(&d.windows, "windows")),
    family("eligibility", Enforced, |d| d.eligibility.as_ref().map(|_| "eligibility".to_owned())),
    family("votes", Enforced, |d| listed(&d.votes, "votes")),
    family("amendments", Enforced, |d| listed(&d.amendments, "amendments")),
    family("withdrawal", Enforced, |d| d.withdrawal.as_ref().map(|_| "withdrawal".to_owned())),
    family("publication", PUBLICATION, |d| d.publication.map(|_| "publication".to_owned())),
];

const fn family(
    clause: &'static str,
    support: Support,
    first_use: fn(&Document) -> Option<String>,
) -> Family {
    Family { clause, support, first_use }
}

/// The clauses of a document that this release does not keep.
#[must_use]
pub fn refused(document: &Document) -> Vec<Diagnostic> {
    refused_by(FAMILIES, document)
}

fn refused_by(families: &[Family], document: &Document) -> Vec<Diagnostic> {
    let refuse = |family: &Family| match family.support {
        Enforced => None,
        SimulatorOnly(lacking) => {
            (family.first_use)(document).map(|path| simulator_only(family.clause, &path, lacking))
        }
        NotSupported(from_when) => (family.first_use)(document).map(|path| {
            let message = format!("clause `{}` is not supported by this release: {from_when}", family.clause);
            let help = "leave the clause out of the object; keep it in the signed text until it can be kept";
            Diagnostic::new("TR090", &path, &message, help)
        }),
    };
    families.iter().filter_map(refuse).collect()
}

/// A clause that only the simulator keeps, because the operator does not yet have what it takes: what that is.
#[must_use]
pub fn simulator_only(clause: &str, path: &str, lacking: &str) -> Diagnostic {
    let message = format!("`{clause}` is kept by the simulator, but not by the operator: {lacking}");
    let help = "leave it out of the object that is applied; try it out with concord simulate";
    Diagnostic::new(SIMULATOR_ONLY, path, &message, help)
}

fn listed<T>(entries: &[T], path: &str) -> Option<String> {
    (!entries.is_empty()).then(|| path.to_owned())
}

fn member(document: &Document, field: &str, uses: fn(&MemberDocument) -> bool) -> Option<String> {
    document.members.iter().position(uses).map(|index| format!("members[{index}].{field}"))
}

fn guarantee(document: &Document, uses: fn(&GuaranteeDocument) -> bool) -> Option<String> {
    document
        .members
        .iter()
        .position(|m| uses(&m.guarantee))
        .map(|index| format!("members[{index}].guarantee"))
}

fn share(document: &Document, uses: fn(&ShareDocument) -> bool) -> Option<String> {
    let uses_any = |m: &MemberDocument| uses(&m.guarantee.whole()) || m.guarantee.by_class.values().any(uses);
    document.members.iter().position(uses_any).map(|index| format!("members[{index}].guarantee"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{ReclaimDocument, WindowDocument, WindowPurposeName};

    #[test]
    fn one_line_switches_a_family_off() {
        let window = WindowDocument {
            name: "w".to_owned(),
            purpose: WindowPurposeName::Maintenance,
            member: None,
            start: "2027-01-01T00:00".to_owned(),
            length_minutes: 1,
            time_zone: None,
            repeats: None,
            until: None,
            node_labels: Default::default(),
            announce_hours: None,
        };
        let reclaim = ReclaimDocument { notice_seconds: 1, minimum_run_seconds: Some(1) };
        let document = Document { windows: vec![window], reclaim, ..Document::default() };
        assert_eq!(refused(&document), []);
        let off: Vec<Family> =
            FAMILIES.iter().map(|f| Family { support: NotSupported("later"), ..*f }).collect();
        let paths: Vec<String> = refused_by(&off, &document).into_iter().map(|d| d.path).collect();
        assert_eq!(paths, ["reclaim.minimumRunSeconds", "windows"]);
    }

    #[test]
    fn what_only_the_simulator_keeps_is_told_and_refused_in_a_cluster() {
        let surplus = crate::document::SurplusDocument {
            weight_by: None,
            usage_half_life_hours: Some(48),
            credit_cap_gpu_hours: None,
        };
        let member = crate::document::MemberDocument {
            name: "a".to_owned(),
            guarantee: GuaranteeDocument::of_gpus(8),
            ..MemberDocument::default()
        };
        let title = "t".to_owned();
        let document =
            Document { title, members: vec![member], surplus: Some(surplus), ..Document::default() };
        let (_, found) = crate::treaty::Treaty::validate_with_warnings(&document).expect("it holds");
        assert_eq!(found.iter().map(|d| d.code).collect::<Vec<_>>(), [SIMULATOR_ONLY]);
        let refused = crate::treaty::Treaty::validate_for_cluster(&document).expect_err("not in a cluster");
        assert_eq!(refused[0].path, "surplus.usageHalfLifeHours");
        let plain = Document { surplus: None, ..document };
        assert!(crate::treaty::Treaty::validate_for_cluster(&plain).is_ok());
    }
}
