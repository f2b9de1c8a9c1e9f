//! A statement in a terminal.

use std::collections::BTreeMap;
use std::fmt::Write;

use concord_audit::report::MissedFloor;
use concord_audit::statement::Sums;

use super::Told;
use crate::commands::table::{self, Table, count, hours, printable};

/// Sums of everything, by month and by project.
pub fn render(told: &Told) -> String {
    let statement = &told.statement;
    let mut out = String::new();
    let _ = writeln!(out, "{}", printable(&title(told)));
    let _ = writeln!(out, "{}\n", printable(&source(told)));
    let mut table =
        Table::of(&["", "runs", "GPU-hours used", "borrowed", "stopped runs", "lost by reclaims"]);
    rows(&mut table, &statement.months);
    table.row(row("all", &statement.total));
    out.push_str(&table.text());
    if statement.project.is_none() && !statement.projects.is_empty() {
        let mut table =
            Table::of(&["project", "runs", "GPU-hours used", "borrowed", "stopped runs", "lost by reclaims"]);
        rows(&mut table, &statement.projects);
        let _ = write!(out, "\n{}", table.text());
    }
    out.push('\n');
    for fact in facts(told).into_iter().chain(statement.missed_floors.iter().map(late)) {
        let _ = writeln!(out, "{}", printable(&fact));
    }
    out
}

fn rows(table: &mut Table, sums: &BTreeMap<String, Sums>) {
    for (name, sums) in sums {
        table.row(row(name, sums));
    }
}

fn row(name: &str, sums: &Sums) -> Vec<String> {
    let Sums { runs, used_gpu_millis, borrowed_gpu_millis, reclaimed_runs, lost_gpu_millis } = *sums;
    let [used, borrowed, lost] = [used_gpu_millis, borrowed_gpu_millis, lost_gpu_millis].map(hours);
    vec![name.to_owned(), count(runs), used, borrowed, count(reclaimed_runs), lost]
}

/// Of whom and of when.
pub fn title(told: &Told) -> String {
    let statement = &told.statement;
    let of = match &statement.project {
        Some(project) => format!("{project}, a project of {}", statement.party),
        None => statement.party.clone(),
    };
    let time = |time: Option<jiff::Timestamp>| time.map_or_else(String::new, |time| time.to_string());
    format!("Statement of {of}, from {} until {}", time(statement.span.since), time(statement.span.until))
}

/// Whence the numbers are.
pub fn source(told: &Told) -> String {
    let by = if told.is_key_brought { "by the key" } else { "by the key that lies beside it," };
    format!(
        "From the record of {} alone: {} entries with the fingerprint {}, believed {by} {}.",
        told.origin,
        count(told.size),
        told.root,
        told.key
    )
}

/// A start that was too late.
pub fn late(missed: &MissedFloor) -> String {
    let MissedFloor { claim, gpus, due_since, started, .. } = missed;
    format!("Too late: claim {claim}, {gpus} GPUs, was due at {due_since} and ran at {started}.")
}

/// What is no sum of runs.
pub fn facts(told: &Told) -> Vec<String> {
    let statement = &told.statement;
    let mut facts = Vec::new();
    if let Some(lent) = statement.lent_gpu_millis {
        facts.push(format!("Lent to others: {} GPU-hours of its guarantee.", hours(lent)));
    }
    if let Some(energy) = statement.energy_millijoules.filter(|energy| *energy > 0) {
        facts.push(format!("Energy of its claims: {} kWh.", table::kilowatt_hours(energy)));
    }
    match statement.missed_floors.len() {
        0 => facts.push("Every start inside the guarantee that is recorded was in time.".to_owned()),
        missed => facts.push(format!("Starts inside the guarantee that were too late: {missed}.")),
    }
    if statement.projects.keys().any(|name| name.len() == 64) {
        facts.push("A project of 64 digits is one whose name was deleted, or is not told.".to_owned());
    }
    facts.push("A run is recorded when it ends: what still runs is not in this statement.".to_owned());
    facts
}
