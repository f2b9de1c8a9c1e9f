//! The treaty that rules a cluster: the oldest valid one, as for the operator.

use anyhow::{Context, Result, bail};
use concord_treaty::document::Document;
use concord_treaty::treaty::Treaty;
use serde::Deserialize;

use crate::commands::explain::object::Object;

/// The treaty in force, with notes on the others.
///
/// # Errors
/// When there is none, or none is valid; the faults of the oldest are told.
pub fn in_force(file: &str, objects: &[Object<'_>]) -> Result<(Treaty, Vec<String>)> {
    let mut by_age = Vec::new();
    for object in objects {
        let created = object.text_if("metadata.creationTimestamp")?.unwrap_or_default();
        by_age.push(((created, object.text("metadata.name")?), object));
    }
    by_age.sort_by_key(|(age, _)| *age);
    let mut notes = Vec::new();
    let mut first_fault = None;
    let mut ruling: Option<Treaty> = None;
    for ((_, name), object) in by_age {
        match (validate(object), &ruling) {
            (_, Some(_)) => notes.push(format!("treaty {name} does not rule: an older one is in force")),
            (Ok(treaty), None) => ruling = Some(treaty),
            (Err(fault), None) => {
                notes.push(format!("treaty {name} does not rule: it is not valid"));
                first_fault.get_or_insert(fault);
            }
        }
    }
    match (ruling, first_fault) {
        (Some(treaty), _) => Ok((treaty, notes)),
        (None, Some(fault)) => Err(fault),
        (None, None) => bail!("{file}: has no Treaty; list treaties too, or ask for the right cluster"),
    }
}

fn validate(object: &Object<'_>) -> Result<Treaty> {
    let spec = object.part("spec").with_context(|| object.fault("spec is missing").to_string())?;
    let document = Document::deserialize(spec.value()).map_err(|fault| spec.fault(&fault.to_string()))?;
    Treaty::validate(&document).map_err(|faults| {
        let first = faults.iter().find(|f| f.is_error());
        spec.fault(&first.map_or_else(String::new, |f| format!("{}: {}; {}", f.path, f.message, f.help)))
    })
}
