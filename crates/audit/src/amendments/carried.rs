//! Whether an amendment carries a text that came to rule.

use concord_treaty::accounts::amendments::State;
use concord_treaty::ratify::Signature;
use concord_treaty::units::TimestampMillis;

use super::{CLOCKS_DIFFER_MOST_MILLIS, Case};
use crate::texts::Texts;

/// Why an amendment does not show that a text may rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// It is not so.
    Wrong(String),
    /// The record does not hold what is needed to tell.
    Unknown(String),
}

/// Which of an amendment's two texts another one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fits {
    /// The one that it proposes.
    Proposed,
    /// The one that it changes, which rules again when the amendment expires.
    Before,
}

impl Case<'_> {
    /// Which of its texts that is, if it was published by then.
    pub(crate) fn fits(&self, text: &str, millis: i64) -> Option<Fits> {
        let proposal = &self.proposed.as_ref()?.proposal;
        let is_public = proposal.published.as_millisecond() <= millis.saturating_add(999);
        match text {
            _ if !is_public => None,
            text if text == proposal.text => Some(Fits::Proposed),
            text if text == proposal.replaces => Some(Fits::Before),
            _ => None,
        }
    }

    /// The text that must have ruled before that one.
    pub(crate) fn follows(&self, fits: Fits) -> Option<&str> {
        let proposal = &self.proposed.as_ref()?.proposal;
        Some(if fits == Fits::Proposed { &proposal.replaces } else { &proposal.text })
    }

    /// Whether its recorded signatures carry that text at a time, by the rules of the text before.
    pub(crate) fn carries(&self, fits: Fits, millis: i64, texts: &Texts) -> Result<(), Doubt> {
        let way = self.way(texts)?;
        let all: Vec<Signature<'_>> = self.signatures.iter().map(|(_, signature)| *signature).collect();
        let standing = |at| way.standing(self.published(), &all, TimestampMillis(at));
        let (now, soon) = (standing(millis), standing(millis.saturating_add(CLOCKS_DIFFER_MOST_MILLIS)));
        let is_so = |state: &State| match fits {
            Fits::Proposed => state.acts(),
            Fits::Before => matches!(state, State::Expired { .. }),
        };
        if is_so(&now.state) || is_so(&soon.state) { Ok(()) } else { Err(Doubt::Wrong(now.why)) }
    }
}
