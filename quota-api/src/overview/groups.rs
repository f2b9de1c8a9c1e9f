//! Use by class of GPU, by purpose, by kind of organisation and by country. Never by person, and by project only as far as
//! projects state these. Pure.

use std::collections::{BTreeMap, HashMap};

use concord_api::{ClaimBasis, GpuClaim, Project, Treaty};
use concord_treaty::document::ClassDocument;
use k8s_openapi::api::core::v1::Node;
use serde::Serialize;
use utoipa::ToSchema;

use super::Seen;
use crate::pool_use::Use;

/// Name of the group of what states nothing.
pub const NOT_STATED: &str = "";

/// One group's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GroupUse {
    /// Name; empty for what is not stated.
    pub name: String,
    /// GPUs of the group's schedulable nodes; `null` where a group has no nodes of its own, or nodes are not known.
    pub capacity_gpus: Option<i64>,
    /// Use.
    #[serde(flatten)]
    pub used: Use,
}

/// Use by group, each list in order of name, what is not stated last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Groups {
    /// By class of GPU, in the treaty's order; empty when the treaty knows one kind of GPU only.
    pub classes: Vec<GroupUse>,
    /// By purpose that projects state.
    pub purposes: Vec<GroupUse>,
    /// By kind of organisation.
    pub organisation_kinds: Vec<GroupUse>,
    /// By country of the organisation.
    pub countries: Vec<GroupUse>,
}

impl Groups {
    /// Sums.
    #[must_use]
    pub fn of(ruling: Option<&Treaty>, seen: &Seen) -> Self {
        let stated: HashMap<&str, [String; 3]> =
            seen.projects.iter().flatten().map(|project| stated(project)).collect();
        let nothing: [String; 3] = Default::default();
        let mut sums: [BTreeMap<&str, Use>; 3] = Default::default();
        for claim in &seen.claims {
            let of = stated.get(claim.spec.project.as_str()).unwrap_or(&nothing);
            let used = Use::of(claim);
            for (sum, group) in sums.iter_mut().zip(of) {
                sum.entry(group.as_str()).or_default().add(used);
            }
        }
        let [purposes, organisation_kinds, countries] = sums.map(lines);
        let classes = ruling.map(|treaty| classes(&treaty.spec.classes, seen)).unwrap_or_default();
        Self { classes, purposes, organisation_kinds, countries }
    }
}

fn lines(sum: BTreeMap<&str, Use>) -> Vec<GroupUse> {
    let line = |(name, used): (&str, Use)| GroupUse { name: name.to_owned(), capacity_gpus: None, used };
    let mut lines: Vec<GroupUse> = sum.into_iter().filter(|(_, used)| !used.is_none()).map(line).collect();
    lines.sort_by_key(|line| line.name == NOT_STATED);
    lines
}

/// Purpose, kind of organisation and country, as the treaty's words name them.
fn stated(project: &Project) -> (&str, [String; 3]) {
    let name = project.metadata.name.as_deref().unwrap_or_default();
    let Some(applicant) = &project.spec.applicant else { return (name, Default::default()) };
    let word = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let purpose = word(serde_json::to_value(applicant.purpose));
    let kind = word(serde_json::to_value(applicant.organisation_kind));
    (name, [purpose, kind, applicant.country.to_ascii_uppercase()])
}

fn classes(classes: &[ClassDocument], seen: &Seen) -> Vec<GroupUse> {
    if classes.is_empty() {
        return Vec::new();
    }
    let nodes: HashMap<&str, (usize, i64)> =
        seen.nodes.iter().flatten().filter_map(|n| of_class(classes, n)).collect();
    let empty = |name: &str| GroupUse { name: name.to_owned(), capacity_gpus: None, used: Use::default() };
    let mut lines: Vec<GroupUse> = classes.iter().map(|class| empty(&class.name)).collect();
    lines.push(empty(NOT_STATED));
    if seen.nodes.is_some() {
        for (place, line) in lines.iter_mut().enumerate().take(classes.len()) {
            let gpus = nodes.values().filter(|(class, _)| *class == place).map(|(_, gpus)| gpus);
            line.capacity_gpus = Some(gpus.fold(0, |sum, gpus| sum.saturating_add(*gpus)));
        }
    }
    for claim in &seen.claims {
        for (place, used) in parts(classes, &nodes, claim) {
            lines[place.min(classes.len())].used.add(used);
        }
    }
    lines.retain(|line| line.name != NOT_STATED || !line.used.is_none());
    lines
}

/// A node's class and its GPUs if it takes work.
fn of_class<'n>(classes: &[ClassDocument], node: &'n Node) -> Option<(&'n str, (usize, i64))> {
    let pool_node = concord_api::node::PoolNode::of(node)?;
    let labels = node.metadata.labels.as_ref()?;
    let place = classes
        .iter()
        .position(|c| c.node_labels.iter().all(|(key, value)| labels.get(key) == Some(value)))?;
    let gpus = if pool_node.schedulable { i64::from(pool_node.gpus) } else { 0 };
    Some((node.metadata.name.as_deref()?, (place, gpus)))
}

/// What a claim uses of each class; what waits is of the class that it asks for.
fn parts(
    classes: &[ClassDocument],
    nodes: &HashMap<&str, (usize, i64)>,
    claim: &GpuClaim,
) -> Vec<(usize, Use)> {
    let unknown = classes.len();
    let status = claim.status.as_ref();
    if let Some((basis, status)) = status.and_then(|status| Some((status.basis?, status)))
        && !status.placement.is_empty()
    {
        let part = |placement: &concord_api::claim::Placement| {
            let place = nodes.get(placement.node.as_str()).map_or(unknown, |(place, _)| *place);
            let used = match basis {
                ClaimBasis::Guaranteed => Use { guaranteed_gpus: placement.gpus, ..Use::default() },
                ClaimBasis::Borrowed => Use { borrowed_gpus: placement.gpus, ..Use::default() },
            };
            (place, used)
        };
        return status.placement.iter().map(part).collect();
    }
    let asked = &claim.spec.node_selector;
    let place = classes
        .iter()
        .position(|class| class.node_labels.iter().all(|(key, value)| asked.get(key) == Some(value)))
        .unwrap_or(unknown);
    vec![(place, Use::of(claim))]
}
