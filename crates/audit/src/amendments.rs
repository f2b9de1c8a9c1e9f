//! Amendments, from the record alone: who signed what, how it was counted, and whether a text that came to rule was carried by the
//! rules of the text before.
//!
//! ```text
//! steps of one UID ──case──> Case ──signed──> signatures that are a member's own
//!                                  └─outcome─> decided, in force, expired: as recorded, and as counted anew
//! treaty entries, cases ──carried──> what `changes` asks
//! ```
//!
//! What the record does not hold, such as a text that ruled before it begins, is told and not guessed.

mod carried;
mod case;
mod outcome;
mod signed;

use crate::finding::{Findings, LISTED_MAX};
use crate::history::History;
use crate::texts::Texts;

pub(crate) use carried::Doubt;
pub(crate) use case::Case;

/// What two machines of a cluster may differ in: one receives the last signature, another writes the treaty.
const CLOCKS_DIFFER_MOST_MILLIS: i64 = 60_000;

/// All amendments of a record.
#[derive(Debug, Default)]
pub(crate) struct Amendments<'h> {
    pub(crate) cases: Vec<Case<'h>>,
    /// How many could be counted anew.
    pub(crate) counted: u64,
    /// What is not wrong, and yet to be told.
    pub(crate) notes: Vec<String>,
}

/// Checks notes, signatures and outcomes of all amendments.
pub(crate) fn check<'h>(history: &'h History, texts: &Texts, findings: &mut Findings) -> Amendments<'h> {
    let mut all = Amendments { cases: case::gather(&history.amendments, findings), ..Amendments::default() };
    for case in &mut all.cases {
        signed::check(case, texts, findings);
        match case.way(texts) {
            Ok(way) => {
                all.counted += 1;
                outcome::check(case, &way, findings);
                all.notes.extend(outcome::untold(case, &way, history));
            }
            Err(Doubt::Wrong(why)) => outcome::impossible(case, &why, findings, &mut all.notes),
            Err(Doubt::Unknown(why)) => {
                all.notes.push(format!("the outcome of {} was not counted anew: {why}", case.title()));
            }
        }
    }
    if all.notes.len() > LISTED_MAX {
        let more = all.notes.split_off(LISTED_MAX).len();
        all.notes.push(format!("{more} notes of amendments like these are not listed"));
    }
    all
}
