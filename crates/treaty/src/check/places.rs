//! Where claims may lie: nodes with the labels that they ask for, in one rack or row where they say so.
//!
//! A claim that asks for a place which not every choice of nodes gives has no start in its member's line alone, because
//! that line has no places; whoever becomes due all the same would be promised what nobody can keep.

use std::collections::BTreeSet;

use super::Judge;
use crate::snapshot::{Claim, Level, Node, RACK_LABEL, ROW_LABEL, Slot};

impl<'a> Judge<'a> {
    pub(super) fn places_are_as_asked(&mut self) {
        let started = self.plan.admissions.iter().map(|a| (&a.claim, &a.slots));
        let kept = self.plan.reservations.iter().map(|r| (&r.claim, &r.kept.slots));
        for (id, slots) in started.chain(kept) {
            let asks = |claim: &&Claim| claim.within.is_some() || !claim.node_labels.is_empty();
            let Some(claim) = self.claim(id).filter(asks) else { continue };
            let nodes = self.nodes_of(slots);
            for node in nodes.iter().filter(|node| !has_labels(node, claim)) {
                let detail = format!("{id} gets {} without the labels that it asks for", node.name);
                self.report("WrongLabels", detail);
            }
            if let Some(level) = claim.within.filter(|level| parts(&nodes, *level) > 1) {
                self.report("NotTogether", format!("{id} must lie in one {level:?} and gets {slots:?}"));
            }
        }
        for start in &self.plan.due {
            if self.claim(&start.claim).is_some_and(|claim| self.asks_for_a_place(claim)) {
                self.report("DueSomewhere", format!("{} asks for a place and becomes due", start.claim));
            }
        }
    }

    fn nodes_of(&self, slots: &[Slot]) -> Vec<&'a Node> {
        slots.iter().filter_map(|slot| self.node(&slot.node)).collect()
    }

    /// Whether some choice of nodes would not be what the claim asks for.
    fn asks_for_a_place(&self, claim: &Claim) -> bool {
        let nodes: Vec<&Node> = self.snapshot.nodes.iter().collect();
        let largest = nodes.iter().map(|n| n.gpus).max().unwrap_or(0);
        let apart = |level| claim.gang.gpus() > largest && parts(&nodes, level) > 1;
        claim.within.is_some_and(apart)
            || !claim.node_labels.is_empty() && !nodes.iter().all(|node| has_labels(node, claim))
    }
}

fn has_labels(node: &Node, claim: &Claim) -> bool {
    claim.node_labels.iter().all(|(key, value)| node.labels.get(key) == Some(value))
}

/// In how many racks or rows the nodes stand. A rack's name counts inside its row.
fn parts(nodes: &[&Node], level: Level) -> usize {
    let rack = |node: &&Node| (level == Level::Rack).then(|| node.labels.get(RACK_LABEL).map(str::to_owned));
    let part = |node: &&Node| (node.labels.get(ROW_LABEL).map(str::to_owned), rack(node));
    nodes.iter().map(part).collect::<BTreeSet<_>>().len()
}
