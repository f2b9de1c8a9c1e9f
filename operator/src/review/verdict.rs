//! What is said of one text. Pure.

use concord_api::{MemberQuota, Treaty};
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::quota::MemberQuota as Shares;
use concord_treaty::treaty::Treaty as Rules;
use kube::core::DynamicObject;
use kube::core::admission::AdmissionRequest;
use serde::de::DeserializeOwned;

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
        "Treaty" => read(request).map_or_else(unreadable, |treaty| of_treaty(&treaty)),
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

fn of_treaty(treaty: &Treaty) -> Verdict {
    match Rules::validate_for_cluster_with_warnings(&treaty.spec.document()) {
        Err(faults) => refused(&faults),
        Ok((_, found)) => Verdict { refusal: None, warnings: found.iter().map(warning).collect() },
    }
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
