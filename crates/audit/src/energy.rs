//! Energy: what counters of agents grew by from reading to reading.

use std::collections::{BTreeMap, HashMap};

use concord_ledger::entry::Energy;
use jiff::Timestamp;
use serde::Serialize;

use crate::finding::{Findings, Kind};
use crate::span::Span;

/// Energy of the readings that ended in a span.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnergyTotals {
    /// By the counters of all GPUs, in millijoules.
    pub all_millijoules: u64,
    /// While nobody held a GPU.
    pub idle_millijoules: u64,
    /// Of claims whose party the agents could not tell.
    pub of_nobody_millijoules: u64,
    /// By member or reserve.
    pub parties: BTreeMap<String, u64>,
    /// Part of all that agents counted on GPUs that are made up.
    pub simulated_millijoules: u64,
    /// Readings.
    pub readings: u64,
}

/// Sums, and what each node's agent said last.
#[derive(Debug, Default)]
pub(crate) struct EnergyBooks {
    pub(crate) totals: EnergyTotals,
    nodes: HashMap<String, Counters>,
}

/// Counters of one agent.
#[derive(Debug, Default)]
struct Counters {
    read_at: Option<Timestamp>,
    all: u64,
    idle: u64,
    claims: HashMap<String, u64>,
    charged: u64,
}

impl EnergyBooks {
    pub(crate) fn take(&mut self, energy: &Energy, at: Timestamp, span: &Span, findings: &mut Findings) {
        let node = self.nodes.entry(energy.node.clone()).or_default();
        // Two operators may have read the agent, and the earlier reading was recorded later: it says nothing new.
        if node.read_at.is_some_and(|before| at <= before) {
            return;
        }
        if energy.all_millijoules < node.all {
            *node = Counters::default();
        }
        let counts = span.has(at.as_millisecond());
        let totals = &mut self.totals;
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(if counts { more } else { 0 });
        let grown = energy.all_millijoules - node.all;
        add(&mut totals.all_millijoules, grown);
        add(&mut totals.idle_millijoules, energy.idle_millijoules.saturating_sub(node.idle));
        if energy.simulated {
            add(&mut totals.simulated_millijoules, grown);
        }
        totals.readings += u64::from(counts);
        for claim in &energy.claims {
            let charged = claim.measured_millijoules.saturating_add(claim.estimated_millijoules);
            let before = node.claims.insert(claim.workload.clone(), charged).unwrap_or(0);
            let grown = charged.saturating_sub(before);
            node.charged = node.charged.saturating_add(grown);
            let sum = match &claim.party {
                Some(party) => match totals.parties.get_mut(party) {
                    Some(sum) => sum,
                    None => totals.parties.entry(party.clone()).or_default(),
                },
                None => &mut totals.of_nobody_millijoules,
            };
            add(sum, grown);
        }
        (node.read_at, node.all, node.idle) = (Some(at), energy.all_millijoules, energy.idle_millijoules);
        // Each counter is rounded to a millijoule by itself.
        let rounding = node.claims.len() as u64 + 2;
        let told = node.idle.saturating_add(node.charged);
        if told > node.all.saturating_add(rounding) {
            findings.add(Kind::Energy, || {
                let Energy { node: name, .. } = energy;
                format!("at {at} {told} mJ of node {name} are idle or charged to claims, and its GPUs spent {} mJ", node.all)
            });
        }
    }
}
