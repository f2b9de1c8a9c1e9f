//! Words and dates as sentences have them.

use jiff::Timestamp;

use super::Subject;
use crate::clauses::Matter;
use crate::units::TimestampMillis;

/// The word as it stands in a treaty.
#[must_use]
pub const fn matter_word(matter: Matter) -> &'static str {
    match matter {
        Matter::Body => "body",
        Matter::Annex => "annex",
        Matter::Emergency => "emergency",
        Matter::OpenReserve => "openReserve",
        Matter::Admission => "admission",
        Matter::Suspension => "suspension",
    }
}

impl Subject {
    /// All that an amendment can be.
    pub const ALL: [Self; 7] = [
        Self::Change(Matter::Body),
        Self::Change(Matter::Annex),
        Self::Change(Matter::Emergency),
        Self::Change(Matter::OpenReserve),
        Self::Change(Matter::Admission),
        Self::Change(Matter::Suspension),
        Self::Withdrawal,
    ];

    /// The word in an amendment and its note.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Change(matter) => matter_word(matter),
            Self::Withdrawal => "withdrawal",
        }
    }
}

/// A time in UTC, as sentences have it: whole seconds.
pub(super) fn time(at: TimestampMillis) -> String {
    let text = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    Timestamp::from_millisecond(at.0).map_or_else(|_| "the end of the calendar".to_owned(), text)
}

/// Names in a sentence.
pub(super) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.split_last() {
        None => "nobody".to_owned(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
