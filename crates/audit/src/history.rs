//! What happened, as the record tells it, in a form that a computer can hold: a run takes some 120 bytes.

use std::collections::BTreeSet;

use jiff::Timestamp;

use concord_ledger::entry::{
    AmendmentEvent, Capacity, Decision, EndKind, Entry, Event, Step, TreatyInForce, Usage,
};

use crate::energy::EnergyBooks;
use crate::finding::Findings;
use crate::names::{ClaimKey, Name, Names};
use crate::span::Span;

/// Everything of a record that counts, entry by entry.
#[derive(Debug)]
pub struct History {
    /// Names of parties, clauses, projects, claims.
    pub(crate) names: Names,
    /// In the order of the record.
    pub(crate) runs: Vec<Run>,
    pub(crate) treaties: Vec<Dated<TreatyInForce>>,
    pub(crate) capacities: Vec<Capacity>,
    pub(crate) amendments: Vec<Dated<AmendmentEvent>>,
    pub(crate) decisions: Vec<Dated<Decision>>,
    pub(crate) energy: EnergyBooks,
    /// When the first and the last thing happened that is recorded.
    pub(crate) time: Option<(Timestamp, Timestamp)>,
    /// Time of which accounts are wanted.
    pub(crate) span: Span,
    pub(crate) findings: Findings,
    /// Entries by kind, in the order of [`KINDS`].
    pub(crate) counts: [u64; KINDS.len()],
}

/// Kinds of entries as a report names them.
pub const KINDS: [&str; 8] = [
    "runs",
    "treaties",
    "changes of capacity",
    "steps of amendments",
    "decisions",
    "roles",
    "incidents",
    "energy readings",
];

/// An entry with the time and the id that it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Dated<T> {
    /// Id.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub what: T,
}

/// A part of a claim's use. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Run {
    pub(crate) claim: ClaimKey,
    pub(crate) number: u64,
    pub(crate) project: Name,
    pub(crate) party: Name,
    pub(crate) class: Option<Name>,
    pub(crate) clause: Name,
    pub(crate) is_borrowed: bool,
    pub(crate) gpus: u32,
    pub(crate) submitted_at: i64,
    pub(crate) due_since: Option<i64>,
    pub(crate) from: i64,
    pub(crate) until: i64,
    pub(crate) lost_gpu_millis: u64,
    pub(crate) end: EndKind,
    /// Clause behind a reclaim, and who got its GPUs back.
    pub(crate) end_clause: Option<Name>,
    pub(crate) end_party: Option<Name>,
}

impl Run {
    /// Its GPU-milliseconds in a span, whatever sum it states.
    pub(crate) fn in_span(&self, span: &Span) -> u64 {
        span.overlap(self.from, self.until).saturating_mul(u64::from(self.gpus))
    }
}

impl History {
    /// Nothing yet; accounts will be of that span, checks of all.
    #[must_use]
    pub fn new(span: Span) -> Self {
        Self {
            names: Names::default(),
            runs: Vec::new(),
            treaties: Vec::new(),
            capacities: Vec::new(),
            amendments: Vec::new(),
            decisions: Vec::new(),
            energy: EnergyBooks::default(),
            time: None,
            span,
            findings: Findings::default(),
            counts: [0; KINDS.len()],
        }
    }

    /// Takes an entry, in the order of the record.
    pub fn take(&mut self, entry: Entry) {
        let Entry { schema: _, id, at, event } = entry;
        self.time = Some(self.time.map_or((at, at), |(first, last)| (first.min(at), last.max(at))));
        let kind = match event {
            Event::Usage(usage) => {
                let run = self.run(&usage);
                self.runs.push(run);
                0
            }
            Event::Treaty(what) => {
                self.treaties.push(Dated { id, at, what });
                1
            }
            Event::Capacity(capacity) => {
                self.capacities.push(capacity);
                2
            }
            Event::Amendment(what) => {
                self.amendments.push(Dated { id, at, what });
                3
            }
            Event::Decision(what) => {
                self.decisions.push(Dated { id, at, what });
                4
            }
            Event::Role(_) => 5,
            Event::Incident(_) => 6,
            Event::Energy(energy) => {
                self.energy.take(&energy, at, &self.span, &mut self.findings);
                7
            }
        };
        self.counts[kind] += 1;
    }

    /// When the first and the last thing happened that is recorded; `None` of an empty record.
    #[must_use]
    pub const fn time(&self) -> Option<(Timestamp, Timestamp)> {
        self.time
    }

    /// Hashes of the texts that are needed to judge it. One that an amendment changes and that never ruled in the record may be
    /// missing.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        let ruled = self.treaties.iter().map(|treaty| treaty.what.text.as_str());
        let changed = self.amendments.iter().filter_map(|step| match &step.what.step {
            Step::Proposed { replaces, .. } => Some(replaces.as_str()),
            _ => None,
        });
        let all: BTreeSet<&str> = ruled.chain(self.proposed_texts()).chain(changed).collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Hashes of the texts that amendments propose.
    pub(crate) fn proposed_texts(&self) -> impl Iterator<Item = &str> {
        self.amendments.iter().filter_map(|step| match &step.what.step {
            Step::Proposed { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    fn run(&mut self, usage: &Usage) -> Run {
        let names = &mut self.names;
        let mut of = |text: &Option<String>| text.as_deref().map(|text| names.number(text));
        let (class, end_clause, end_party) = (of(&usage.class), of(&usage.end.clause), of(&usage.end.party));
        Run {
            claim: names.claim(&usage.claim),
            number: usage.run,
            project: names.number(&usage.project),
            party: names.number(&usage.party),
            class,
            clause: names.number(&usage.clause),
            is_borrowed: usage.borrowed,
            gpus: usage.gpus,
            submitted_at: usage.submitted_at.as_millisecond(),
            due_since: usage.due_since.map(Timestamp::as_millisecond),
            from: usage.from.as_millisecond(),
            until: usage.until.as_millisecond(),
            lost_gpu_millis: usage.lost_gpu_milliseconds,
            end: usage.end.kind,
            end_clause,
            end_party,
        }
    }
}
