//! Member quotas held against the treaties of the same run, and against each other.

use std::collections::BTreeMap;

use concord_treaty::diagnostic::{Diagnostic, quoted};
use concord_treaty::source::QuotaText;
use concord_treaty::treaty::{Entitlements, Treaty};

use super::Checked;

/// A sound treaty of the run with what its shares come to, if the nodes are known.
type Known<'k> = (&'k Treaty, Option<&'k Entitlements>);

/// Adds to every sound quota what is wrong with it under each treaty that has its member.
pub(super) fn hold(checked: &mut [Checked]) {
    let mut found: Vec<Vec<Diagnostic>> = Vec::new();
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    let known: Vec<Known<'_>> = checked.iter().flat_map(treaties).collect();
    // A broken treaty may be the one that has the member.
    let all_sound = checked.iter().all(|c| c.reading.treaties.iter().all(|t| t.treaty.is_some()));
    for file in checked.iter() {
        for text in &file.reading.quotas {
            let mut faults = under(text, &known, all_sound);
            if let Some(other) = first.insert(&text.name, &file.name).filter(|_| !text.name.is_empty()) {
                let message = format!("{} has a quota already, in {other}", quoted(&text.name));
                faults.push(Diagnostic::new("TR055", "metadata.name", &message, "keep one of the two"));
            }
            found.push(faults);
        }
    }
    let texts = checked.iter_mut().flat_map(|c| &mut c.reading.quotas);
    texts.zip(found).for_each(|(text, faults)| text.add(faults));
}

fn treaties(file: &Checked) -> impl Iterator<Item = Known<'_>> {
    let texts = file.reading.treaties.iter().zip(&file.entitlements);
    texts.filter_map(|(text, found)| Some((text.treaty.as_ref()?, found.as_ref())))
}

fn under(text: &QuotaText, known: &[Known<'_>], all_sound: bool) -> Vec<Diagnostic> {
    let Some(quota) = &text.quota else { return Vec::new() };
    let of_member: Vec<&Known<'_>> =
        known.iter().filter(|(treaty, _)| treaty.member_id(&quota.member).is_some()).collect();
    if of_member.is_empty() && !known.is_empty() && all_sound {
        let treaties: Vec<&Treaty> = known.iter().map(|(treaty, _)| *treaty).collect();
        return vec![quota.unknown_member(&treaties)];
    }
    of_member.into_iter().flat_map(|(treaty, found)| quota.faults_under(treaty, *found)).collect()
}
