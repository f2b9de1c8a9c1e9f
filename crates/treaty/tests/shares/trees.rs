//! Random trees and claims inside them, and what every oracle here needs: limits by path and plain sums.

use std::collections::BTreeMap;
use std::sync::Arc;

use concord_treaty::document::{
    InstitutionDocument, MemberQuotaDocument, PeopleDocument, ProjectShareDocument, QuotaGpusDocument,
};
use concord_treaty::quota::{MemberQuota, QuotaInForce};
use concord_treaty::snapshot::{Claim, ClaimState, SharePath};
use concord_treaty::units::{MemberId, TimestampMillis};
use proptest::prelude::*;

use crate::support::pool::Pool;

pub const INSTITUTIONS: [&str; 3] = ["a", "b", "c"];
pub const PROJECTS: [&str; 2] = ["x", "y"];
pub const PEOPLE: [&str; 2] = ["p", "q"];

pub fn gpus(number: Option<i64>) -> Option<QuotaGpusDocument> {
    number.map(QuotaGpusDocument::of_gpus)
}

pub fn path(names: &[&str]) -> SharePath {
    names.iter().map(|name| Arc::from(*name)).collect()
}

pub fn institution(name: &str, weight: i64, floor: Option<i64>, ceiling: Option<i64>) -> InstitutionDocument {
    InstitutionDocument {
        name: name.to_owned(),
        weight: Some(weight),
        guarantee: gpus(floor),
        ceiling: gpus(ceiling),
        projects: Vec::new(),
    }
}

pub fn project(name: &str, weight: i64, ceiling: Option<i64>) -> ProjectShareDocument {
    ProjectShareDocument {
        name: name.to_owned(),
        weight: Some(weight),
        guarantee: None,
        ceiling: gpus(ceiling),
    }
}

pub fn quota(institutions: Vec<InstitutionDocument>, person_ceiling: Option<i64>) -> MemberQuotaDocument {
    let people = PeopleDocument { weight_by: None, ceiling_gpus: person_ceiling };
    MemberQuotaDocument { institutions, people: Some(people) }
}

pub fn valid(document: &MemberQuotaDocument) -> Arc<MemberQuota> {
    Arc::new(MemberQuota::validate("m0", document).expect("a sound quota"))
}

/// The quota of a member since the beginning.
pub fn in_force(member: u16, document: &MemberQuotaDocument) -> QuotaInForce {
    QuotaInForce { member: MemberId(member), quota: Some(valid(document)), since: TimestampMillis(0) }
}

/// Some institutions are named, some are not; with floors, ceilings and projects or without.
pub fn any_quota(with_ceilings: bool) -> impl Strategy<Value = MemberQuotaDocument> {
    let ceiling = move |most: i64| {
        if with_ceilings { proptest::option::of(1..=most).boxed() } else { Just(None).boxed() }
    };
    let projects = proptest::collection::vec((1..4_i64, ceiling(8)), 0..=PROJECTS.len());
    let one = (1..4_i64, proptest::option::of(0..6_i64), ceiling(12), projects);
    (proptest::collection::vec(one, 1..=INSTITUTIONS.len()), ceiling(4)).prop_map(|(all, person)| {
        let institutions =
            all.into_iter().zip(INSTITUTIONS).map(|((weight, floor, ceiling, projects), name)| {
                let ceiling = ceiling.map(|c| c.max(floor.unwrap_or(0)));
                // Project names are unique in a member.
                let projects = projects.into_iter().zip(PROJECTS).map(|((weight, ceiling), project_name)| {
                    project(&format!("{name}-{project_name}"), weight, ceiling)
                });
                InstitutionDocument {
                    projects: projects.collect(),
                    ..institution(name, weight, floor, ceiling)
                }
            });
        quota(institutions.collect(), person)
    })
}

/// A path of any length, the project as the quota names it.
pub fn any_path() -> impl Strategy<Value = SharePath> {
    (0..4_usize, 0..INSTITUTIONS.len(), 0..PROJECTS.len(), 0..PEOPLE.len()).prop_map(|(length, i, j, k)| {
        let project = format!("{}-{}", INSTITUTIONS[i], PROJECTS[j]);
        let names = [INSTITUTIONS[i], project.as_str(), PEOPLE[k]];
        path(&names[..length])
    })
}

/// Weight, floor and ceiling of the element at the end of a path.
pub fn limits(quota: &MemberQuotaDocument, path: &[Arc<str>]) -> (u64, u64, Option<u64>) {
    let number = |n: &Option<QuotaGpusDocument>| n.as_ref().and_then(|n| n.gpus).map(i64::unsigned_abs);
    let institution = quota.institutions.iter().find(|i| path.first().is_some_and(|name| i.name == **name));
    let unnamed = (1, 0, None);
    match path.len() {
        1 => institution.map_or(unnamed, |i| {
            (i.weight.unwrap().unsigned_abs(), number(&i.guarantee).unwrap_or(0), number(&i.ceiling))
        }),
        2 => institution.and_then(|i| i.projects.iter().find(|p| p.name == *path[1])).map_or(unnamed, |p| {
            (p.weight.unwrap().unsigned_abs(), number(&p.guarantee).unwrap_or(0), number(&p.ceiling))
        }),
        3 => (1, 0, quota.people.and_then(|p| p.ceiling_gpus).map(i64::unsigned_abs)),
        _ => unnamed,
    }
}

/// Whether the claim holds GPUs, or they are kept for it.
pub fn uses(claim: &Claim) -> bool {
    matches!(claim.state, ClaimState::Holding(_) | ClaimState::Reserved(_))
}

/// What each part of a path uses, for one member.
pub fn sums(pool: &Pool, member: MemberId) -> BTreeMap<Vec<Arc<str>>, u64> {
    let mut sums = BTreeMap::new();
    for claim in pool.snapshot.claims.iter().filter(|c| c.member == member && uses(c)) {
        for length in 0..=claim.path.len() {
            *sums.entry(claim.path[..length].to_vec()).or_default() += u64::from(claim.gang.gpus());
        }
    }
    sums
}
