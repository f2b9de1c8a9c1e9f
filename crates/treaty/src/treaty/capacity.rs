//! Promises held against the nodes of a pool.

use crate::clauses::{ClassId, RoundingUnit, ShareRule};
use crate::diagnostic::Diagnostic;
use crate::snapshot::Node;
use crate::treaty::{ClassCapacity, Entitlements, Member, Treaty, cell_gpus};
use crate::units::Gpus;

/// How many parts of a sum are pointed at.
const PARTS_SHOWN_MOST: usize = 8;

/// Promises that the pool as it stands cannot keep.
pub fn shortfalls(treaty: &Treaty, nodes: &[Node]) -> Vec<Diagnostic> {
    let capacity: u64 = nodes.iter().filter(|n| n.schedulable).map(|n| u64::from(n.gpus)).sum();
    let promised: u64 = treaty.members.iter().map(|m| u64::from(m.guarantee)).sum();
    let mut found = Vec::new();
    if promised > capacity {
        found.push(too_much(treaty, promised, capacity));
    }
    let usable = nodes.iter().filter(|n| n.schedulable && n.gpus > 0).count() as u64;
    found.extend(shapes(
        treaty,
        |index| treaty.members[index].guarantee,
        cell_gpus(nodes),
        usable,
        promised <= capacity,
    ));
    found
}

fn too_much(treaty: &Treaty, promised: u64, capacity: u64) -> Diagnostic {
    let message = format!("guarantees add up to {promised} GPUs, but the pool has {capacity}");
    let mut fault = Diagnostic::new("TR010", "members", &message, "lower a guarantee or add nodes");
    let mut members: Vec<(usize, Gpus)> = treaty.members.iter().map(|m| m.guarantee).enumerate().collect();
    members.sort_by_key(|(_, gpus)| std::cmp::Reverse(*gpus));
    for (index, gpus) in members.into_iter().take(PARTS_SHOWN_MOST).filter(|(_, gpus)| *gpus > 0) {
        fault = fault.related_to(&format!("members[{index}].guarantee.gpus"), &format!("{gpus} GPUs"));
    }
    fault
}

/// Guarantees in whole nodes: more nodes than there are cannot be kept by shape.
fn shapes(
    treaty: &Treaty,
    gpus: impl Fn(usize) -> Gpus,
    cell: Gpus,
    usable: u64,
    fits: bool,
) -> Option<Diagnostic> {
    let cells: u64 = (0..treaty.members.len()).map(|i| u64::from(gpus(i).div_ceil(cell.max(1)))).sum();
    (fits && cells > usable).then(|| {
        let message =
            format!("guarantees need {cells} whole nodes of {cell} GPUs, but the pool has {usable}");
        Diagnostic::new("TR011", "members", &message, "round guarantees to whole nodes")
    })
}

/// What can be said once all shares are whole numbers.
pub fn after_resolution(treaty: &Treaty, found: &mut Entitlements) {
    for index in 0..found.classes.len() {
        let promised: u64 =
            found.members.iter().chain(&found.reserves).map(|by_class| u64::from(by_class[index])).sum();
        let capacity = found.capacity[index];
        let name = found.classes[index].map(|c| treaty.classes[usize::from(c.0)].name.as_str());
        if capacity == 0 && name.is_some() {
            let message = format!("class {:?} has no node in this pool", name.unwrap_or_default());
            let help = "check the class's labels against the nodes' labels";
            found.diagnostics.push(Diagnostic::new(
                "TR040",
                &format!("classes[{index}].nodeLabels"),
                &message,
                help,
            ));
        } else if promised > u64::from(capacity) {
            found.diagnostics.push(class_too_small(treaty, found, index, promised));
        }
    }
    for (index, member) in treaty.members.iter().enumerate() {
        let guarantee = found.of_member(index);
        let path = format!("members[{index}]");
        let fixed = |s: &crate::clauses::Share| matches!(s.rule, ShareRule::Fixed(_));
        if member.shares.iter().all(fixed) {
            continue;
        }
        if guarantee == 0 && member.suspended.is_none() {
            let message = format!("the share of {:?} comes to no GPU", member.name);
            let help = "add a floor with atLeastGpus, or state the share otherwise";
            found.diagnostics.push(Diagnostic::new("TR043", &format!("{path}.guarantee"), &message, help));
        }
        for (class, &guarantee) in found.classes.clone().iter().zip(&found.members[index].clone()) {
            found.diagnostics.extend(against_share(treaty, member, &path, *class, guarantee));
        }
    }
}

/// A ceiling below what the guarantee comes to in a class, and more kept than that.
fn against_share(
    treaty: &Treaty,
    member: &Member,
    path: &str,
    class: Option<ClassId>,
    guarantee: Gpus,
) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let of =
        class.filter(|_| treaty.classes.len() > 1).map(|c| treaty.classes[usize::from(c.0)].name.as_str());
    let field = |one: &str, by_class: &str| match of {
        Some(name) => format!("{path}.{by_class}.{name}"),
        None => format!("{path}.{one}"),
    };
    let what = of.map_or_else(|| "the guarantee".to_owned(), |name| format!("the guarantee of {name}"));
    let ceiling = class.and_then(|c| member.ceiling_by_class.get(&c).copied()).or(member.ceiling);
    if let Some(ceiling) = ceiling.filter(|c| *c < guarantee) {
        let message = format!("ceiling {ceiling} is below {what}, which comes to {guarantee}");
        let help = "raise the ceiling or cap the guarantee with atMostPercent";
        let at = field("ceiling.gpus", "ceiling.byClass");
        let fault = Diagnostic::new("TR005", &at, &message, help);
        found.push(fault.related_to(&format!("{path}.guarantee"), "the guarantee"));
    }
    let keep = class.and_then(|c| member.keep_by_class.get(&c).copied()).unwrap_or(member.keep);
    if keep > guarantee && !member.never_lends {
        let message = format!("keeps {keep} GPUs, but {what} comes to {guarantee}");
        let help = "keep at most the guarantee, or write {never: true}";
        let at = field("lending.keepGpus", "lending.keepByClass");
        found.push(Diagnostic::new("TR007", &at, &message, help));
    }
    found
}

fn class_too_small(treaty: &Treaty, found: &Entitlements, index: usize, promised: u64) -> Diagnostic {
    let class: Option<ClassId> = found.classes[index];
    let name = class.map(|c| treaty.classes[usize::from(c.0)].name.as_str());
    let what = name.map_or_else(|| "the pool".to_owned(), |n| format!("class {n:?}"));
    let message = format!("promises add up to {promised} GPUs, but {what} has {}", found.capacity[index]);
    let path = |list: &str, field: &str, entry: usize, by_class: bool| match name.filter(|_| by_class) {
        Some(name) => format!("{list}[{entry}].{field}.byClass.{name}"),
        None => format!("{list}[{entry}].{field}"),
    };
    let stated = |shares: &[crate::clauses::Share]| shares.iter().any(|s| s.class.is_some());
    let members = treaty
        .members
        .iter()
        .enumerate()
        .map(|(i, m)| (path("members", "guarantee", i, stated(&m.shares)), found.members[i][index]));
    let reserves = treaty
        .reserves
        .iter()
        .enumerate()
        .map(|(i, r)| (path("reserves", "size", i, stated(&r.shares)), found.reserves[i][index]));
    let mut parts: Vec<(String, Gpus)> = members.chain(reserves).filter(|(_, gpus)| *gpus > 0).collect();
    parts.sort_by_key(|(_, gpus)| std::cmp::Reverse(*gpus));
    let mut fault = Diagnostic::new("TR010", "members", &message, "lower a share or add nodes");
    for (path, gpus) in parts.into_iter().take(PARTS_SHOWN_MOST) {
        fault = fault.related_to(&path, &format!("{gpus} GPUs"));
    }
    fault
}

impl Treaty {
    /// Guarantees that cannot be kept by shape in this capacity: an error when they need more whole nodes than there
    /// are (pools of one class), a warning for each fixed one that is no number of whole nodes.
    #[must_use]
    pub fn shape_faults(&self, entitlements: &Entitlements, capacity: &[ClassCapacity]) -> Vec<Diagnostic> {
        let cell = capacity.iter().map(|c| c.gpus_per_node).max().unwrap_or(0);
        let mut found = Vec::new();
        if self.classes.len() <= 1 {
            let total: u64 = entitlements.capacity.iter().map(|g| u64::from(*g)).sum();
            let promised: u64 = (0..self.members.len()).map(|i| u64::from(entitlements.of_member(i))).sum();
            let usable = capacity.iter().filter(|c| c.gpus_per_node > 0).map(|c| u64::from(c.nodes)).sum();
            found.extend(shapes(self, |i| entitlements.of_member(i), cell, usable, promised <= total));
        }
        for (index, by_class) in entitlements.members.iter().enumerate() {
            for (class, gpus) in entitlements.classes.iter().zip(by_class) {
                let nodes = capacity.iter().filter(|c| c.class == *class && c.nodes > 0);
                let cell = nodes.map(|c| c.gpus_per_node).max().unwrap_or(0);
                if cell > 1 && gpus % cell != 0 {
                    let message = format!("{gpus} GPUs are no whole number of nodes of {cell} GPUs");
                    let help = self.whole_nodes_help(index, *gpus, cell);
                    found.push(Diagnostic::new(
                        "TR041",
                        &format!("members[{index}].guarantee"),
                        &message,
                        &help,
                    ));
                }
            }
        }
        found
    }

    fn whole_nodes_help(&self, index: usize, gpus: Gpus, cell: Gpus) -> String {
        let fixed = self.members[index].shares.iter().all(|s| matches!(s.rule, ShareRule::Fixed(_)));
        if fixed || self.rounding_unit == RoundingUnit::Node {
            let below = gpus / cell * cell;
            return format!(
                "write {below} or {}; a part of a node cannot be promised by shape",
                below + cell
            );
        }
        "add rounding: {to: nodes, remainder: largest}; a part of a node cannot be promised by shape"
            .to_owned()
    }
}
