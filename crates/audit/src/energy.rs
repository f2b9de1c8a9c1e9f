//! Energy, added up reading by reading. That a reading's own parts add up is checked where it is read.

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

/// Sums, and up to when each node is read.
#[derive(Debug, Default)]
pub(crate) struct EnergyBooks {
    pub(crate) totals: EnergyTotals,
    read_until: HashMap<String, Timestamp>,
}

impl EnergyBooks {
    pub(crate) fn take(&mut self, energy: &Energy, span: &Span, findings: &mut Findings) {
        let before = self.read_until.get(&energy.node).copied();
        if let Some(before) = before.filter(|before| energy.from < *before) {
            findings.add(Kind::Energy, || {
                let Energy { node, from, .. } = energy;
                format!("a reading of node {node} begins at {from}, and it was read until {before} already")
            });
        }
        self.read_until
            .insert(energy.node.clone(), before.map_or(energy.until, |before| before.max(energy.until)));
        if !span.has(energy.until.as_millisecond()) {
            return;
        }
        let totals = &mut self.totals;
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut totals.all_millijoules, energy.all_millijoules);
        add(&mut totals.idle_millijoules, energy.idle_millijoules);
        if energy.simulated {
            add(&mut totals.simulated_millijoules, energy.all_millijoules);
        }
        totals.readings += 1;
        for claim in &energy.claims {
            let sum = match &claim.party {
                Some(party) => match totals.parties.get_mut(party) {
                    Some(sum) => sum,
                    None => totals.parties.entry(party.clone()).or_default(),
                },
                None => &mut totals.of_nobody_millijoules,
            };
            add(sum, claim.measured_millijoules.saturating_add(claim.estimated_millijoules));
        }
    }
}
