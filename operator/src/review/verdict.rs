//! What is said of one text. Pure.

use concord_api::{Amendment, MemberQuota, Treaty, TreatySpec};
use concord_ledger::note;
use concord_treaty::diagnostic::{Diagnostic, quoted};
use concord_treaty::quota::MemberQuota as Shares;
use concord_treaty::treaty::Treaty as Rules;
use kube::core::DynamicObject;
use kube::core::admission::AdmissionRequest;
use serde::de::DeserializeOwned;

use crate::amendments::keys;
use crate::standing::told;

/// The API server passes on so many characters of a warning.
const WARNING_CHARACTERS_MAX: usize = 250;

/// The answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Every fault that keeps it from coming into force.
    pub refusal: Option<String>,
    /// What the writer should know all the same.
    pub warnings: Vec<String>,
}

/// Looks at a new or changed text. A change that leaves the text as it is passes, and so does a kind that is not ours.
pub fn verdict(request: &AdmissionRequest<DynamicObject>, rules: Option<&Rules>) -> Verdict {
    let spec = |object: &Option<DynamicObject>| object.as_ref().and_then(|o| o.data.get("spec").cloned());
    if spec(&request.object).is_none() || spec(&request.object) == spec(&request.old_object) {
        return Verdict::default();
    }
    match request.kind.kind.as_str() {
        "Treaty" => read(request).map_or_else(unreadable, |treaty: Treaty| of_text(&treaty.spec)),
        "Amendment" => {
            read(request).map_or_else(unreadable, |amendment: Amendment| of_text(&amendment.spec.text))
        }
        "MemberQuota" => read(request).map_or_else(unreadable, |quota| of_quota(&quota, rules)),
        _ => Verdict::default(),
    }
}

fn read<K: DeserializeOwned>(request: &AdmissionRequest<DynamicObject>) -> Result<K, serde_json::Error> {
    serde_json::from_value(serde_json::to_value(&request.object)?)
}

#[allow(clippy::needless_pass_by_value, reason = "the shape that map_or_else asks for")]
fn unreadable(error: serde_json::Error) -> Verdict {
    Verdict { refusal: Some(format!("cannot be read: {error}")), warnings: Vec::new() }
}

/// Of a treaty, or of the text that an amendment proposes.
fn of_text(spec: &TreatySpec) -> Verdict {
    let (mut faults, warnings) = match Rules::validate_for_cluster_with_warnings(&spec.document()) {
        Err(faults) => (faults, Vec::new()),
        Ok((_, warnings)) => (Vec::new(), warnings),
    };
    // One of a wrong form was told already.
    if faults.is_empty() {
        faults.extend(note::dead_keys(keys(spec)).map(|(path, key)| dead_key(&path, key)));
    }
    if faults.is_empty() {
        return Verdict { refusal: None, warnings: warnings.iter().map(warning).collect() };
    }
    refused(&faults)
}

fn dead_key(path: &str, key: &str) -> Diagnostic {
    let message = format!("nobody can sign with the key {}: its id is not that of the key", quoted(key));
    Diagnostic::new("TR060", path, &message, "copy the line that `concord key new` printed")
}

fn of_quota(quota: &MemberQuota, rules: Option<&Rules>) -> Verdict {
    let faults = match rules {
        Some(rules) => quota.under(rules).err(),
        None => Shares::validate(kube::ResourceExt::name_any(quota).as_str(), &quota.document()).err(),
    };
    faults.map_or_else(Verdict::default, |faults| refused(&faults))
}

fn refused(faults: &[Diagnostic]) -> Verdict {
    let count = match faults.len() {
        1 => "1 fault".to_owned(),
        n => format!("{n} faults"),
    };
    Verdict { refusal: Some(format!("{count}; nothing was stored\n{}", told(faults))), warnings: Vec::new() }
}

fn warning(found: &Diagnostic) -> String {
    found.to_string().chars().take(WARNING_CHARACTERS_MAX).collect()
}
