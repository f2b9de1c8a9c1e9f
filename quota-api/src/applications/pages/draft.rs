//! The form of a draft, and what became of what was typed into it.

use askama::Template;
use axum::http::StatusCode;
use concord_treaty::access::Assessment;
use jiff::Timestamp;

use crate::applications::form::{ApplicationForm, FieldError, TERMS};
use crate::applications::view::{Party, day};
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;
use crate::store::drafts::StoredAttachment;

/// What became of what was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// The page was only opened.
    NotYet,
    /// It is kept.
    Saved,
    /// Fields must be mended.
    Wrong(Vec<FieldError>),
    /// What the treaty says to it.
    Told(Assessment),
    /// Without a treaty nobody can say anything.
    NoTreaty,
    /// The cluster did not take it: why.
    NotSent(String),
}

impl Checked {
    /// How the page is answered.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Told(said) if !said.faults.is_empty() => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoTreaty | Self::NotSent(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotYet | Self::Saved | Self::Told(_) => StatusCode::OK,
        }
    }
}

/// The form of a draft.
#[derive(Template)]
#[template(path = "draft.html")]
pub struct DraftPage {
    /// Frame.
    pub frame: Frame,
    /// Draft.
    pub id: String,
    /// As typed.
    pub form: ApplicationForm,
    /// What became of it.
    pub checked: Checked,
    /// Files.
    pub attachments: Vec<StoredAttachment>,
    /// Where one may apply.
    pub parties: Vec<Party>,
    /// Classes of data that the treaty knows.
    pub data_classes: Vec<String>,
}

impl DraftPage {
    fn errors(&self) -> &[FieldError] {
        match &self.checked {
            Checked::Wrong(errors) => errors,
            _ => &[],
        }
    }

    /// The text of a field's error.
    fn error(&self, field: &str) -> Option<String> {
        let error = self.errors().iter().find(|error| error.field == field)?;
        Some(self.frame.words.named(error.key, &error.name))
    }

    /// Label of a field, for the summary of errors.
    fn label(&self, field: &str) -> String {
        self.frame.words.get(format!("field-{}", field.replace('_', "-")))
    }

    fn promised(&self, said: &Assessment) -> String {
        let at = said.decide_by.and_then(|at| Timestamp::from_millisecond(at.0).ok());
        at.map(day).unwrap_or_default()
    }

    fn terms(&self) -> &'static str {
        TERMS
    }
}

/// The page of a draft.
pub fn draft(page: &DraftPage) -> Result<String, Error> {
    render(page)
}
