//! Where claims may lie: nodes with the labels that they ask for, in one rack or row where they say so.
//!
//! A claim that asks for a place which not every choice of nodes gives has no start in its member's line alone, because
//! that line has no places; whoever becomes due all the same would be promised what nobody can keep.

use std::collections::{BTreeMap, BTreeSet};

use super::Judge;
use crate::snapshot::{Claim, Level, Node, RACK_LABEL, ROW_LABEL, Slot};
use crate::units::Labels;

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
        let largest = self.snapshot.nodes.iter().map(|n| n.gpus).max().unwrap_or(0);
        let mut known: BTreeMap<(Option<Level>, &Labels), bool> = BTreeMap::new();
        for start in &self.plan.due {
            let Some(claim) = self.claim(&start.claim) else { continue };
            let within = claim.within.filter(|_| claim.gang.gpus() > largest);
            let wish = (within, &claim.node_labels);
            if *known.entry(wish).or_insert_with(|| self.is_a_wish(within, claim)) {
                self.report("DueSomewhere", format!("{} asks for a place and becomes due", start.claim));
            }
        }
    }

    fn nodes_of(&self, slots: &[Slot]) -> Vec<&'a Node> {
        slots.iter().filter_map(|slot| self.node(&slot.node)).collect()
    }

    /// Whether some choice of nodes would not be what the claim asks for.
    fn is_a_wish(&self, within: Option<Level>, claim: &Claim) -> bool {
        let nodes: Vec<&Node> = self.snapshot.nodes.iter().collect();
        within.is_some_and(|level| parts(&nodes, level) > 1)
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
