//! Which treaty ruled when.

use concord_treaty::treaty::Treaty;

use crate::finding::{Findings, Kind};
use crate::history::History;
use crate::texts::Texts;

/// Treaties by the instant from which they ruled, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Rules<'t> {
    from: Vec<(i64, Option<&'t Treaty>)>,
}

impl<'t> Rules<'t> {
    /// Of a record; a text that is not there, or is no treaty, is a finding, and nothing is known while it rules.
    pub(crate) fn of(history: &History, texts: &'t Texts, findings: &mut Findings) -> Self {
        let mut from: Vec<(i64, Option<&'t Treaty>)> = Vec::new();
        for ruled in &history.treaties {
            let treaty = texts.treaty(&ruled.what.text);
            if let Err(why) = treaty {
                findings.add(Kind::Text, || {
                    let (name, generation) = (&ruled.what.treaty, ruled.what.generation);
                    format!(
                        "the text of treaty {name}, generation {generation}, in force from {}: {why}",
                        ruled.at
                    )
                });
            }
            from.push((ruled.at.as_millisecond(), treaty.ok()));
        }
        // Of several at one instant the last one rules.
        from.sort_by_key(|(at, _)| *at);
        Self { from }
    }

    /// The treaty at a time; `None`: none, or nobody can read it.
    pub(crate) fn at(&self, millis: i64) -> Option<&'t Treaty> {
        let after = self.from.partition_point(|(from, _)| *from <= millis);
        self.from.get(after.checked_sub(1)?)?.1
    }

    /// Instants at which another text begins to rule.
    pub(crate) fn changes(&self) -> impl Iterator<Item = i64> {
        self.from.iter().map(|(from, _)| *from)
    }

    /// Whether every text that ruled can be read.
    pub(crate) fn are_known(&self) -> bool {
        self.from.iter().all(|(_, treaty)| treaty.is_some())
    }

    /// Whether a party is in any treaty that ruled until then, readable or not.
    pub(crate) fn knew(&self, party: &str, millis: i64) -> bool {
        let mut ruled = self.from.iter().take_while(|(from, _)| *from <= millis).peekable();
        // Before the first treaty of the record nobody can say.
        ruled.peek().is_none() || ruled.any(|(_, treaty)| treaty.is_none_or(|t| t.party_id(party).is_some()))
    }
}
