//! Which of an amendment's two texts the treaty has.

use concord_api::names::ANNOTATION_AMENDMENT;
use concord_api::{Amendment, Treaty};
use concord_ledger::note;
use kube::ResourceExt;

/// A text of the treaty, as an amendment sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The one that it changes.
    Before,
    /// Its own, put there by it.
    Ours,
    /// Another.
    Other,
}

/// Which text the treaty has; `None` when it cannot be written as JSON.
#[must_use]
pub fn found(amendment: &Amendment, treaty: &Treaty) -> Option<Found> {
    let text = note::text_sha256(&treaty.spec).ok()?;
    let ours = note::text_sha256(&amendment.spec.text).ok()?;
    let by_us = treaty.annotations().get(ANNOTATION_AMENDMENT) == Some(&amendment.name_any());
    Some(match text {
        text if text == amendment.spec.replaces => Found::Before,
        text if text == ours && by_us => Found::Ours,
        _ => Found::Other,
    })
}
