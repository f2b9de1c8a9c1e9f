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
    /// Of claims whose party the agents could not tell, and of those that ended before they were read once more.
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
        let mut told_now = energy.idle_millijoules.saturating_sub(node.idle);
        for claim in &energy.claims {
            let charged = claim.measured_millijoules.saturating_add(claim.estimated_millijoules);
            let before = node.claims.insert(claim.workload.clone(), charged).unwrap_or(0);
            let grown = charged.saturating_sub(before);
            node.charged = node.charged.saturating_add(grown);
            told_now = told_now.saturating_add(grown);
            let sum = match &claim.party {
                Some(party) => match totals.parties.get_mut(party) {
                    Some(sum) => sum,
                    None => totals.parties.entry(party.clone()).or_default(),
                },
                None => &mut totals.of_nobody_millijoules,
            };
            add(sum, grown);
        }
        // So that all is what is idle, the parties' and nobody's.
        add(&mut totals.of_nobody_millijoules, grown.saturating_sub(told_now));
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

#[cfg(test)]
mod tests {
    use concord_ledger::entry::ClaimEnergy;

    use super::*;

    /// All, idle, and a claim of each party.
    type Reading<'r> = (u64, u64, &'r [(&'r str, u64)]);

    /// Readings of one node at these seconds.
    fn read(readings: &[(i64, Reading<'_>)]) -> (EnergyTotals, u64) {
        let (mut books, mut findings) = (EnergyBooks::default(), Findings::default());
        for (second, (all, idle, claims)) in readings {
            let claims = claims.iter().map(|(party, millijoules)| ClaimEnergy {
                workload: format!("work-of-{party}"),
                party: (!party.is_empty()).then(|| (*party).to_owned()),
                measured_millijoules: *millijoules,
                estimated_millijoules: 0,
            });
            let energy = Energy {
                node: "n".to_owned(),
                all_millijoules: *all,
                idle_millijoules: *idle,
                claims: claims.collect(),
                simulated: false,
            };
            books.take(&energy, Timestamp::from_second(*second).unwrap(), &Span::default(), &mut findings);
        }
        let totals = books.totals;
        let parts =
            totals.idle_millijoules + totals.of_nobody_millijoules + totals.parties.values().sum::<u64>();
        assert!(parts >= totals.all_millijoules, "{totals:?}");
        (totals, findings.count(false))
    }

    #[test]
    fn what_counters_grew_by_counts_once() {
        let (totals, wrong) = read(&[
            (1, (1_000, 400, &[("north", 600)])),
            (2, (1_500, 450, &[("north", 1_050)])),
            // Recorded late, and older: nothing new.
            (1, (1_200, 420, &[("north", 780)])),
            // Nothing changed for north, which is not listed.
            (3, (1_700, 500, &[("south", 100), ("", 50)])),
        ]);
        assert_eq!(wrong, 0);
        assert_eq!(
            (totals.all_millijoules, totals.idle_millijoules, totals.of_nobody_millijoules),
            (1_700, 500, 50)
        );
        assert_eq!(totals.parties, [("north".to_owned(), 1_050), ("south".to_owned(), 100)].into());
    }

    #[test]
    fn an_agent_that_begins_anew_loses_nothing_and_doubles_nothing() {
        let (totals, wrong) = read(&[
            (1, (1_000, 400, &[("north", 600)])),
            (2, (300, 100, &[("north", 200)])),
            (3, (400, 100, &[("north", 300)])),
        ]);
        assert_eq!(wrong, 0);
        assert_eq!(
            (totals.all_millijoules, totals.idle_millijoules, totals.parties["north"]),
            (1_400, 500, 900)
        );
    }

    #[test]
    fn more_charged_than_spent_is_found_and_less_is_of_nobody() {
        let (totals, wrong) = read(&[(1, (100, 50, &[("north", 40)]))]);
        assert_eq!((wrong, totals.of_nobody_millijoules), (0, 10));
        assert_eq!(read(&[(1, (100, 50, &[("north", 53)]))]).1, 0, "each counter is rounded");
        assert_eq!(read(&[(1, (100, 50, &[("north", 54)]))]).1, 1);
        // Each reading for itself could be true.
        assert_eq!(read(&[(1, (100, 0, &[("north", 60)])), (2, (110, 0, &[("south", 60)]))]).1, 1);
    }
}
