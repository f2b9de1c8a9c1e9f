//! What a Project says of who applied and for what; field names are those of its CRD.

use std::sync::Arc;

use anyhow::Result;
use concord_treaty::accounts::eligibility::Applicant;
use concord_treaty::document::ApplicantDocument;
use serde::Deserialize;

use crate::commands::explain::object::Object;

/// The project's name and its applicant, if it states one.
///
/// # Errors
/// When a field is missing or is no such word.
pub fn read(object: &Object<'_>) -> Result<Option<(String, Arc<Applicant>)>> {
    let Some(part) = object.part("spec.applicant") else { return Ok(None) };
    let stated =
        ApplicantDocument::deserialize(part.value()).map_err(|fault| part.fault(&fault.to_string()))?;
    Ok(Some((object.text("metadata.name")?.to_owned(), Arc::new((&stated).into()))))
}
