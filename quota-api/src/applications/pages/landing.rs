//! Where one may apply; own drafts, applications and dates.

use askama::Template;
use concord_api::application::Application;
use jiff::Timestamp;

use super::row::Row;
use crate::applications::dates::{self, Due};
use crate::applications::form::ApplicationForm;
use crate::applications::view::{Party, minute};
use crate::error::Error;
use crate::frame::Frame;
use crate::pages::render;
use crate::store::drafts::Draft;

#[derive(Template)]
#[template(path = "apply.html")]
struct Landing {
    frame: Frame,
    parties: Vec<Party>,
    drafts: Vec<(String, String, String)>,
    own: Vec<Row>,
    due: Vec<Due>,
}

/// Where one may apply.
pub fn landing(
    frame: Frame,
    parties: Vec<Party>,
    drafts: &[Draft],
    own: &[std::sync::Arc<Application>],
) -> Result<String, Error> {
    let user = frame.person.as_ref().map(crate::auth::Principal::user_name).unwrap_or_default();
    let title = |draft: &Draft| {
        let form: ApplicationForm = serde_json::from_str(&draft.body).unwrap_or_default();
        (draft.id.clone(), form.title, minute(draft.changed_at))
    };
    let drafts = drafts.iter().map(title).collect();
    let now = Timestamp::now();
    let due = dates::due(own.iter().map(AsRef::as_ref), now);
    let own = own.iter().map(|a| Row::of(a, &user, now)).collect();
    render(&Landing { frame, parties, drafts, own, due })
}
