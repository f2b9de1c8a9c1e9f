//! The treaty that rules a cluster, as for the operator: the oldest valid one of those that hold today; when none does,
//! the oldest valid one.

use anyhow::{Context, Result, bail};
use concord_treaty::document::Document;
use concord_treaty::treaty::Treaty;
use concord_treaty::units::TimestampMillis;
use serde::Deserialize;

use crate::commands::explain::object::Object;

/// The treaty in force, with notes on the others.
///
/// # Errors
/// When there is none, or none is valid; the faults of the oldest are told.
pub fn in_force(file: &str, objects: &[Object<'_>], now: TimestampMillis) -> Result<(Treaty, Vec<String>)> {
    let mut valid = Vec::new();
    let mut faults = Vec::new();
    for object in objects {
        let created_at = object.text_if("metadata.creationTimestamp")?.unwrap_or_default();
        let name = object.text("metadata.name")?;
        match validate(object) {
            Ok(treaty) => {
                let holds = treaty.holds_on(treaty.day(now));
                valid.push(((!holds, created_at, !ruled(object)?, name), treaty));
            }
            Err(fault) => faults.push((created_at, name, fault)),
        }
    }
    valid.sort_by_key(|(order, _)| *order);
    faults.sort_by_key(|(created_at, name, _)| (*created_at, *name));
    let mut notes: Vec<String> =
        faults.iter().map(|(_, name, _)| format!("treaty {name} does not rule: it is not valid")).collect();
    let mut valid = valid.into_iter();
    let Some((_, treaty)) = valid.next() else {
        let fault = faults.into_iter().next().map(|(_, _, fault)| fault);
        bail!(fault.unwrap_or_else(|| {
            anyhow::anyhow!("{file}: has no Treaty; list treaties too, or ask for the right cluster")
        }))
    };
    notes
        .extend(valid.map(|((.., name), _)| format!("treaty {name} does not rule: another one is in force")));
    Ok((treaty, notes))
}

/// Whether the operator said that it rules; decides between two of the same age.
fn ruled(object: &Object<'_>) -> Result<bool> {
    let mut ruled = false;
    for condition in object.list("status.conditions")? {
        ruled |= condition.text("type")? == "InForce" && condition.text("status")? == "True";
    }
    Ok(ruled)
}

fn validate(object: &Object<'_>) -> Result<Treaty> {
    let spec = object.part("spec").with_context(|| object.fault("spec is missing").to_string())?;
    let document = Document::deserialize(spec.value()).map_err(|fault| spec.fault(&fault.to_string()))?;
    Treaty::validate(&document).map_err(|faults| {
        let first = faults.iter().find(|f| f.is_error());
        spec.fault(&first.map_or_else(String::new, |f| format!("{}: {}; {}", f.path, f.message, f.help)))
    })
}
