//! That treaties follow each other, and are what their amendments proposed.

use std::collections::BTreeMap;

use concord_ledger::entry::Step;

use crate::finding::Kind;
use crate::history::History;

/// Checks the changes of the treaty; what is not wrong and yet to be told.
pub(crate) fn check(history: &mut History) -> Vec<String> {
    let mut told = Vec::new();
    let mut newest: BTreeMap<&str, i64> = BTreeMap::new();
    let mut unvoted = 0;
    let History { treaties, amendments, findings, .. } = history;
    for ruled in treaties.iter() {
        let (treaty, generation) = (&ruled.what.treaty, ruled.what.generation);
        // `treaty/<UID>/<generation>/<since>`: an object of the same name that was made anew is another one.
        let uid = ruled.id.split('/').nth(1).unwrap_or_default();
        match newest.insert(uid, generation) {
            // The same text may stop ruling for a while, and rule again.
            Some(before) if generation == before => {}
            Some(before) if generation < before => findings.add(Kind::Succession, || {
                format!("generation {generation} of treaty {treaty} came into force at {} after generation {before}", ruled.at)
            }),
            Some(before) if generation > before + 1 => told.push(format!(
                "between generations {before} and {generation} of treaty {treaty} others may have been in force for a moment"
            )),
            Some(_) if ruled.what.amendment.is_none() => unvoted += 1,
            _ => {}
        }
        let Some(name) = &ruled.what.amendment else { continue };
        let steps = || amendments.iter().filter(|step| step.what.amendment == *name && step.at <= ruled.at);
        let proposes = |step: &Step| match step {
            // What an amendment replaced rules again when it expires.
            Step::Proposed { text, replaces, .. } => [text, replaces].contains(&&ruled.what.text),
            _ => false,
        };
        if !steps().any(|step| proposes(&step.what.step)) {
            findings.add(Kind::Succession, || {
                format!("generation {generation} of treaty {treaty} names amendment {name}, which did not propose its text")
            });
        }
        if steps().any(|step| matches!(step.what.step, Step::Decided { passed: false, .. })) {
            findings.add(Kind::Succession, || {
                format!(
                    "generation {generation} of treaty {treaty} names amendment {name}, which was voted down"
                )
            });
        }
    }
    if unvoted > 0 {
        told.push(format!(
            "{unvoted} changes of a treaty name no amendment: nobody voted on them in the record"
        ));
    }
    told
}
