//! What of an application is told. Pure.

use concord_api::application::Application;
use jiff::Timestamp;

use crate::applications::view;

/// Something that happened to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// It came in.
    Submitted,
    /// It was answered.
    Decided,
    /// Its appeal came in.
    Appealed,
    /// Its appeal was answered.
    AppealDecided,
}

impl Event {
    /// As programs read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Decided => "decided",
            Self::Appealed => "appealed",
            Self::AppealDecided => "appeal-decided",
        }
    }

    /// The event of that name.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Submitted, Self::Decided, Self::Appealed, Self::AppealDecided]
            .into_iter()
            .find(|event| event.name() == name)
    }
}

/// What has happened so far, and when.
#[must_use]
pub fn of(application: &Application) -> Vec<(Event, Timestamp)> {
    let status = application.status.as_ref();
    let decision = status.and_then(|status| status.decision.as_ref());
    let on_appeal = status.and_then(|status| status.appeal_decision.as_ref());
    let all = [
        (Event::Submitted, Some(view::submitted_at(application))),
        (Event::Decided, decision.map(|decision| decision.at.0)),
        (Event::Appealed, application.spec.appeal.as_ref().map(|appeal| appeal.at.0)),
        (Event::AppealDecided, on_appeal.map(|decision| decision.at.0)),
    ];
    all.into_iter().filter_map(|(event, at)| Some((event, at?))).collect()
}
