//! What a Project says of who applied and for what; field names are those of its CRD.

use std::sync::Arc;

use anyhow::Result;
use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::document::{OrganisationKindName, PurposeName};
use serde::Deserialize;

use crate::commands::explain::object::Object;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stated {
    organisation_kind: OrganisationKindName,
    country: String,
    purpose: PurposeName,
    data_class: Option<String>,
}

/// The project's name and its applicant, if it states one.
///
/// # Errors
/// When a field is missing or is no such word.
pub fn read(object: &Object<'_>) -> Result<Option<(String, Arc<Applicant>)>> {
    let Some(part) = object.part("spec.applicant") else { return Ok(None) };
    let stated = Stated::deserialize(part.value()).map_err(|fault| part.fault(&fault.to_string()))?;
    let applicant = Applicant {
        organisation_kind: stated.organisation_kind.into(),
        country: stated.country,
        purpose: stated.purpose.into(),
        data_class: stated.data_class,
    };
    Ok(Some((object.text("metadata.name")?.to_owned(), Arc::new(applicant))))
}
