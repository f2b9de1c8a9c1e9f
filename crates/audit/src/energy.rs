//! Energy from counters. What a node's first reading has was spent before the record; afterwards what counters grew by counts, and
//! all of a counter that began anew.

use std::collections::{BTreeMap, HashMap};

use concord_ledger::entry::Energy;
use jiff::Timestamp;
use serde::Serialize;

use crate::finding::{Findings, Kind};
use crate::span::Span;

/// Energy that was read in a span.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnergyTotals {
    /// By the counters of all GPUs, in millijoules.
    pub all_millijoules: u64,
    /// While nobody held a GPU.
    pub idle_millijoules: u64,
    /// Of claims whose party is not told, and of claims that ended before they were read once more.
    pub of_nobody_millijoules: u64,
    /// By member or reserve.
    pub parties: BTreeMap<String, u64>,
    /// Part of all that agents counted on GPUs that are made up.
    pub simulated_millijoules: u64,
    /// Readings.
    pub readings: u64,
}

/// Sums, and the counters of each node as they were read last.
#[derive(Debug, Default)]
pub(crate) struct EnergyBooks {
    pub(crate) totals: EnergyTotals,
    nodes: HashMap<String, Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    at: Timestamp,
    all: u64,
    idle: u64,
    /// By work: measured and estimated.
    claims: HashMap<String, [u64; 2]>,
}

impl EnergyBooks {
    pub(crate) fn take(&mut self, at: Timestamp, energy: &Energy, span: &Span, findings: &mut Findings) {
        let is_in_span = span.has(at.as_millisecond());
        self.totals.readings += u64::from(is_in_span);
        let Some(counters) = self.nodes.get_mut(&energy.node) else {
            self.nodes.insert(energy.node.clone(), Counters::of(at, energy));
            return;
        };
        if at <= counters.at {
            findings.add(Kind::Energy, || {
                let (node, before) = (&energy.node, counters.at);
                format!("node {node} was read at {before}, and then once more as of {at}")
            });
            return;
        }
        let anew = energy.all_millijoules < counters.all;
        if anew {
            *counters = Counters::default();
        }
        counters.at = at;
        let all = energy.all_millijoules - counters.all;
        counters.all = energy.all_millijoules;
        let idle = grown(&mut counters.idle, energy.idle_millijoules);
        let mut charged = u128::from(idle);
        let mut totals = if is_in_span { Some(&mut self.totals) } else { None };
        for claim in &energy.claims {
            let before = match counters.claims.get_mut(&claim.workload) {
                Some(before) => before,
                None => counters.claims.entry(claim.workload.clone()).or_default(),
            };
            let measured = grown(&mut before[0], claim.measured_millijoules);
            let more = measured.saturating_add(grown(&mut before[1], claim.estimated_millijoules));
            charged += u128::from(more);
            if let Some(totals) = &mut totals {
                add(totals.of(claim.party.as_deref()), more);
            }
        }
        // Of a claim that ended between two readings nobody has read the end.
        let unread = u128::from(all).checked_sub(charged);
        if unread.is_none() {
            findings.add(Kind::Energy, || {
                format!("node {} spent {all} mJ until {at}, and {charged} mJ were charged", energy.node)
            });
        }
        let Some(totals) = totals else { return };
        add(
            &mut totals.of_nobody_millijoules,
            unread.and_then(|unread| u64::try_from(unread).ok()).unwrap_or(0),
        );
        add(&mut totals.all_millijoules, all);
        add(&mut totals.idle_millijoules, idle);
        if energy.simulated {
            add(&mut totals.simulated_millijoules, all);
        }
    }
}

impl EnergyTotals {
    fn of(&mut self, party: Option<&str>) -> &mut u64 {
        match party {
            Some(party) => self.parties.entry(party.to_owned()).or_default(),
            None => &mut self.of_nobody_millijoules,
        }
    }
}

impl Counters {
    fn of(at: Timestamp, energy: &Energy) -> Self {
        let claims = energy
            .claims
            .iter()
            .map(|claim| (claim.workload.clone(), [claim.measured_millijoules, claim.estimated_millijoules]));
        Self { at, all: energy.all_millijoules, idle: energy.idle_millijoules, claims: claims.collect() }
    }
}

/// What a counter has more than before; one that is smaller began anew.
fn grown(counter: &mut u64, now: u64) -> u64 {
    let before = std::mem::replace(counter, now);
    now.checked_sub(before).unwrap_or(now)
}

fn add(sum: &mut u64, more: u64) {
    *sum = sum.saturating_add(more);
}

#[cfg(test)]
mod tests {
    use concord_ledger::entry::ClaimEnergy;

    use super::*;

    /// All, idle, and a claim of each party.
    type Reading<'r> = (u64, u64, &'r [(&'r str, u64)]);

    /// Readings of one node, a second apart.
    fn read(readings: &[Reading<'_>]) -> (EnergyTotals, u64) {
        let (mut books, mut findings) = (EnergyBooks::default(), Findings::default());
        for (second, (all, idle, claims)) in (1..).zip(readings) {
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
            let at = Timestamp::from_second(second).unwrap();
            books.take(at, &energy, &Span::default(), &mut findings);
        }
        (books.totals, findings.count(false))
    }

    #[test]
    fn what_counters_grew_by_counts_once() {
        let (totals, wrong) = read(&[
            // Before the record.
            (1_000, 400, &[("north", 600)]),
            (1_500, 450, &[("north", 1_050)]),
            // Nothing changed for north, which is not listed.
            (1_700, 500, &[("south", 100), ("", 50)]),
        ]);
        assert_eq!(wrong, 0);
        assert_eq!(
            (totals.all_millijoules, totals.idle_millijoules, totals.of_nobody_millijoules),
            (700, 100, 50)
        );
        assert_eq!(totals.parties, [("north".to_owned(), 450), ("south".to_owned(), 100)].into());
    }

    #[test]
    fn an_agent_that_begins_anew_loses_nothing_and_doubles_nothing() {
        let (totals, wrong) = read(&[
            (1_000, 400, &[("north", 600)]),
            (300, 100, &[("north", 200)]),
            (400, 100, &[("north", 300)]),
        ]);
        assert_eq!(wrong, 0);
        assert_eq!(
            (totals.all_millijoules, totals.idle_millijoules, totals.parties["north"]),
            (400, 100, 300)
        );
    }

    #[test]
    fn more_charged_than_spent_is_found_and_less_is_of_nobody() {
        let (totals, wrong) = read(&[(0, 0, &[]), (100, 50, &[("north", 40)])]);
        assert_eq!((wrong, totals.of_nobody_millijoules), (0, 10));
        assert_eq!(read(&[(0, 0, &[]), (100, 50, &[("north", 51)])]).1, 1);
        // Each reading for itself could be true.
        assert_eq!(read(&[(100, 0, &[("north", 10)]), (110, 0, &[("north", 21)])]).1, 1);
    }
}
