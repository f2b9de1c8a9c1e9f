//! The report as people read it: the verdict first, then what was checked, then the accounts, then what is wrong and what that
//! means.

use std::fmt::Write;

use concord_audit::finding::{Finding, Kind};
use concord_audit::report::{Check, Outcome, Party, Report};

use super::{Verdict, Verified};
pub use crate::commands::table::count;
use crate::commands::table::{self, Table, printable};

/// Findings of one kind that are written out.
const WRITTEN_MAX: usize = 10;
/// Characters in a line of prose.
const WIDTH: usize = 100;

/// The whole report.
pub fn render(verified: &Verified) -> String {
    let mut out = String::new();
    head(&mut out, verified);
    section(&mut out, "What was checked");
    for check in verified.record.iter().chain(&verified.report.checks) {
        line(&mut out, check);
    }
    for witness in &verified.witnesses {
        let (mark, words) = match witness.signed_at {
            Some(at) => ("yes", format!("witnessed by {} at {at}", witness.name)),
            None => ("no", format!("not witnessed by {}", witness.name)),
        };
        entry(&mut out, mark, &words);
    }
    for page in verified.pages.iter().flatten() {
        entry(&mut out, "yes", page);
    }
    if !verified.report.parties.is_empty() {
        accounts(&mut out, &verified.report);
    }
    if !verified.report.reclaims.is_empty() {
        reclaims(&mut out, &verified.report);
    }
    if !verified.report.notes.is_empty() {
        section(&mut out, "To be known");
        verified.report.notes.iter().for_each(|note| entry(&mut out, "-", &format!("{note}.")));
    }
    findings(&mut out, &verified.report);
    out
}

fn head(out: &mut String, verified: &Verified) {
    let Verified { verdict, origin, size, report, .. } = verified;
    let total = |promises: bool| -> u64 {
        report
            .finding_counts
            .iter()
            .filter(|(kind, _)| kind.is_promise() == promises)
            .map(|(_, count)| count)
            .sum()
    };
    let (wrong, broken) = (total(false), total(true));
    let first = match verdict {
        Verdict::Sound => format!("SOUND: the record of {origin} is what was signed, and adds up."),
        Verdict::PromisesBroken => format!(
            "SOUND, BUT {} BROKEN: the record of {origin} is what was signed and adds up, and it shows that the pool did not keep all promises.",
            many(broken, "PROMISE WAS", "PROMISES WERE")
        ),
        Verdict::NotSound => {
            format!(
                "NOT SOUND: {} with the record of {origin}.",
                many(wrong, "thing is wrong", "things are wrong")
            )
        }
    };
    prose(out, &first);
    if *verdict == Verdict::NotSound && broken > 0 {
        prose(out, &format!("Beside that, {} broken.", many(broken, "promise was", "promises were")));
    }
    if *verdict == Verdict::NotSound && report.time.is_some() {
        prose(out, "What follows is what the files say as they are. Nobody vouches for its numbers.");
    }
    if !verified.is_key_brought {
        prose(
            out,
            "Warning: the key was taken from beside the record, so that this only shows that the record agrees with itself. \
             Get the key from somebody else than the pool, and give it with --key.",
        );
    }
    if let Some((first, last)) = report.time {
        prose(
            out,
            &format!(
                "{} entries, from {first} until {last}. Fingerprint of all: {}",
                count(*size),
                verified.root
            ),
        );
    }
}

fn line(out: &mut String, check: &Check) {
    let mark = match check.outcome {
        Outcome::Holds => "yes",
        Outcome::Fails => "NO",
        Outcome::Unknown => "-",
    };
    entry(out, mark, &check.what);
}

fn accounts(out: &mut String, report: &Report) {
    let span = match (report.span.since, report.span.until) {
        (None, None) => String::new(),
        (Some(since), None) => format!(", from {since}"),
        (None, Some(until)) => format!(", until {until}"),
        (Some(since), Some(until)) => format!(", from {since} until {until}"),
    };
    section(out, &format!("Accounts in GPU-hours{span}"));
    let any = |has: fn(&Party) -> bool| report.parties.values().any(has);
    let has_credit = any(|party| party.credit_gpu_millis.is_some());
    let has_budget = any(|party| party.budget_left_gpu_millis.is_some());
    let mut titles =
        vec!["party", "used", "borrowed", "lent", "lost by reclaims", "missed floors", "energy, kWh"];
    titles.extend(has_credit.then_some("credit"));
    titles.extend(has_budget.then_some("budget left"));
    let mut table = Table::of(&titles);
    for (name, party) in &report.parties {
        let mut cells = vec![
            name.clone(),
            table::hours(party.used_gpu_millis),
            table::hours(party.borrowed_gpu_millis),
            party.lent_gpu_millis.map_or_else(unknown, table::hours),
            table::hours(party.lost_gpu_millis),
            format!("{} of {}", count(party.missed_floors), count(party.due_starts)),
            table::kilowatt_hours(party.energy_millijoules),
        ];
        if has_credit {
            cells.push(party.credit_gpu_millis.map_or_else(unknown, table::signed_hours));
        }
        if has_budget {
            cells.push(party.budget_left_gpu_millis.map_or_else(unknown, table::hours));
        }
        table.row(cells);
    }
    out.push_str(&table.text());
    if has_credit || has_budget {
        prose(out, "  Credits and budgets are those at the end of the record.");
    }
    if let Some(loans) = &report.loans {
        let [borrowed, lent, nobody] =
            [loans.borrowed_gpu_millis, loans.lent_gpu_millis, loans.of_nobody_gpu_millis].map(table::hours);
        prose(
            out,
            &format!(
                "  Worked out from treaty, nodes and runs: {borrowed} GPU-hours were used above guarantees. Members had left {lent} of \
                 them idle, and {nobody} were nobody's."
            ),
        );
    }
    let energy = &report.energy;
    if energy.readings > 0 {
        let [all, idle, nobody] =
            [energy.all_millijoules, energy.idle_millijoules, energy.of_nobody_millijoules]
                .map(table::kilowatt_hours);
        let simulated = if energy.simulated_millijoules > 0 { ", SIMULATED" } else { "" };
        prose(
            out,
            &format!(
                "  Energy of all GPUs{simulated}: {all} kWh, of which idle {idle} and of claims of nobody known {nobody}."
            ),
        );
    }
}

fn unknown() -> String {
    "?".to_owned()
}

fn reclaims(out: &mut String, report: &Report) {
    section(out, "Lent GPUs that were taken back");
    let mut table = Table::of(&["given back to", "by clause", "from", "runs stopped", "GPU-hours destroyed"]);
    let text = |text: &Option<String>| text.clone().unwrap_or_else(unknown);
    for reclaim in &report.reclaims {
        let lost = table::hours(reclaim.lost_gpu_millis);
        table.row(vec![
            text(&reclaim.to),
            text(&reclaim.clause),
            reclaim.from.clone(),
            count(reclaim.runs),
            lost,
        ]);
    }
    // The third column is text too.
    out.push_str(&table.left(3).text());
}

fn findings(out: &mut String, report: &Report) {
    for (kind, found) in &report.finding_counts {
        let of_kind: Vec<&Finding> = report.findings.iter().filter(|finding| finding.kind == *kind).collect();
        let promise = if kind.is_promise() { "Broken promise" } else { "Wrong" };
        section(out, &format!("{promise}: {} ({})", kind.title(), count(*found)));
        prose(out, &format!("  {}", Kind::meaning(*kind)));
        for finding in of_kind.iter().take(WRITTEN_MAX) {
            entry(out, "-", &finding.what);
        }
        let more = found.saturating_sub(of_kind.len().min(WRITTEN_MAX) as u64);
        if more > 0 {
            entry(out, "-", &format!("and {} more; --output json lists up to 50 of a kind", count(more)));
        }
    }
}

fn section(out: &mut String, title: &str) {
    let _ = write!(out, "\n{title}\n");
}

/// A line with a mark before it; what is too long goes on below, behind the mark.
fn entry(out: &mut String, mark: &str, words: &str) {
    wrapped(out, &format!("  {mark:<4} "), "       ", words);
}

fn prose(out: &mut String, words: &str) {
    let indent = &words[..words.len() - words.trim_start().len()];
    wrapped(out, indent, indent, words.trim_start());
}

fn wrapped(out: &mut String, first: &str, next: &str, words: &str) {
    let mut line = first.to_owned();
    let mut is_empty = true;
    for word in words.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(out, "{}", line.trim_end());
            next.clone_into(&mut line);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(&printable(word));
        is_empty = false;
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// "1 promise was", "2 promises were".
fn many(number: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { more })
}
