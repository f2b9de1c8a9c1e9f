//! What the reader of a result should know: promises that the nodes cannot keep, clauses that act on nothing here, and what
//! the comparison leaves out.

use std::collections::BTreeMap;

use concord_treaty::accounts::calendar;
use concord_treaty::clauses::{Eligibility, Opening};
use concord_treaty::diagnostic::Diagnostic;
use concord_treaty::simulate::{Ask, Setting};
use concord_treaty::snapshot::{Level, RACK_LABEL, ROW_LABEL};
use concord_treaty::treaty::{ClassCapacity, Entitlements};
use concord_treaty::units::TimestampMillis;

use super::pool::Pool;
use super::trace::Trace;
use super::treaty_file::TreatyFile;
use crate::commands::nodes::written;

/// Of the treaty on these nodes.
pub fn of_pool(
    file: &TreatyFile,
    setting: &Setting,
    (entitlements, capacity): (&Entitlements, &[ClassCapacity]),
) -> Vec<String> {
    let treaty = &file.treaty;
    let mut found = entitlements.diagnostics.clone();
    if !found.iter().any(Diagnostic::is_error) {
        found.extend(treaty.shape_faults(entitlements, capacity));
    }
    let mut notes: Vec<String> = found.iter().map(|d| format!("{}: {d}", file.place_of(&d.path))).collect();
    notes.extend(labels_of_no_node(file, setting));
    for (index, rule) in treaty.reserves().iter().enumerate() {
        let opened = setting.openings.iter().any(|o| o.reserve.index() == treaty.members().len() + index);
        if let (Opening::OnDecision { by, .. }, false) = (&rule.opening, opened) {
            let by = by.first().map_or("MEMBER", |m| treaty.member(*m).name.as_str());
            notes.push(format!(
                "{}: the reserve {} is never opened, so nothing of it starts; open it with --open {}={by}@SECOND",
                file.place_of(&format!("reserves[{index}].opening")),
                rule.name,
                rule.name
            ));
        }
        let awarded = setting.awards.iter().any(|a| a.reserve.index() == treaty.members().len() + index);
        if !rule.tiers.is_empty() && !awarded {
            notes.push(format!(
                "{}: no project has a tier of the reserve {}, so nothing of it starts; state them with --awards FILE",
                file.place_of(&format!("reserves[{index}].tiers")),
                rule.name
            ));
        }
    }
    notes
}

/// Windows and classes of data whose labels no node has.
fn labels_of_no_node(file: &TreatyFile, setting: &Setting) -> Vec<String> {
    let treaty = &file.treaty;
    let is_nowhere =
        |labels: &BTreeMap<String, String>| !setting.nodes.iter().any(|node| node.labels.have_all(labels));
    let note = |path: &str, what: &str, labels: &BTreeMap<String, String>| {
        format!(
            "{}: {what}: no simulated node has the labels {}; give nodes with labels by --node-file FILE",
            file.place_of(path),
            written(labels)
        )
    };
    let mut notes = Vec::new();
    for (index, window) in treaty.windows().iter().enumerate() {
        if is_nowhere(&window.node_labels) {
            let what = format!("the window {} has no effect", window.name);
            notes.push(note(&format!("windows[{index}].nodeLabels"), &what, &window.node_labels));
        }
    }
    let pool = treaty.eligibility().map(|clause| ("eligibility".to_owned(), clause));
    let reserves = treaty.reserves().iter().enumerate();
    let reserves =
        reserves.map(|(index, rule)| (format!("reserves[{index}].eligibility"), &rule.eligibility));
    for (path, clause) in pool.into_iter().chain(reserves) {
        let clause: &Eligibility = clause;
        for (index, class) in
            clause.data_classes.iter().enumerate().filter(|(_, c)| is_nowhere(&c.node_labels))
        {
            let what = format!("jobs with data of class {} never start", class.name);
            notes.push(note(&format!("{path}.dataClasses[{index}].nodeLabels"), &what, &class.node_labels));
        }
    }
    notes
}

/// Of the trace under the treaty.
pub fn of_trace(pool: &Pool, trace: &Trace) -> Vec<String> {
    let mut notes = trace.notes.clone();
    notes.extend(changes(pool, trace));
    notes.extend(wishes(pool, &trace.asks));
    notes
}

/// What changes while jobs arrive, and what does not follow.
fn changes(pool: &Pool, trace: &Trace) -> Option<String> {
    let setting = &pool.setting;
    let last = trace.jobs.last().map(|job| job.submitted_at)?;
    let (mut times, mut before) = (Vec::new(), pool.terms.clone());
    let mut at = TimestampMillis(0);
    while let Some(next) = setting.next_change(at).filter(|next| *next <= last) {
        at = next;
        let mut now = setting.terms(at);
        // Windows open and close all the time.
        for (now, before) in now.pools.iter_mut().zip(&before.pools) {
            now.windows.clone_from(&before.windows);
        }
        if now != before {
            times.push(calendar::written(setting.treaty.time_zone(), setting.in_treaty(at)));
            before = now;
        }
    }
    let first = times.first()?;
    let times = if times.len() == 1 {
        format!("at {first}")
    } else {
        format!("{} times, first at {first}", times.len())
    };
    Some(format!(
        "the treaty's numbers change {times}: shares follow; what each member would do alone, and policies without the \
         treaty, have those of the beginning throughout"
    ))
}

/// Places that jobs insist on and no node has.
fn wishes(pool: &Pool, asks: &[Ask]) -> Vec<String> {
    let nodes = &pool.setting.nodes;
    let mut notes = Vec::new();
    let nowhere = |ask: &&Ask| {
        !ask.node_labels.is_empty()
            && !nodes.iter().any(|n| ask.node_labels.iter().all(|(k, v)| n.labels.get(k) == Some(v)))
    };
    let never: Vec<&Ask> = asks.iter().filter(nowhere).collect();
    if let Some(first) = never.first() {
        let labels: Vec<String> = first.node_labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        notes.push(format!(
            "{} jobs never start: no simulated node has the labels that they ask for (first {}); give nodes with labels by \
             --node-file FILE",
            never.len(),
            labels.join(";")
        ));
    }
    for (level, label, name) in [(Level::Rack, RACK_LABEL, "rack"), (Level::Row, ROW_LABEL, "row")] {
        let asking = asks.iter().filter(|ask| ask.within == Some(level)).count();
        if asking > 0 && nodes.iter().all(|node| node.labels.get(label).is_none()) {
            notes.push(format!(
                "{asking} jobs ask for one {name}, but no node says its {name}, so all count as one; give nodes with the \
                 label {label} by --node-file FILE"
            ));
        }
    }
    notes
}
