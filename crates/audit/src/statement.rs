//! A statement of account: what one party, or one of its projects, used in a span of time, run by run, from the record alone.
//!
//! A run that reaches over an end of the span counts with the part inside. Months are those of universal time.

use std::collections::{BTreeMap, BTreeSet};

use concord_ledger::entry::EndKind;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;

use crate::history::{History, Run};
use crate::names::Name;
use crate::promises::MissedFloor;
use crate::report::Report;
use crate::span::Span;

/// Months of a statement; a longer one has no months.
const MONTHS_MAX: usize = 1_200;

/// A statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Member or reserve.
    pub party: String,
    /// The project, if it is of one.
    pub project: Option<String>,
    /// Time of which it is.
    pub span: Span,
    /// Sums.
    pub total: Sums,
    /// By month, `2026-11`.
    pub months: BTreeMap<String, Sums>,
    /// By project: its name, where its opening is there, else the commitment to it.
    pub projects: BTreeMap<String, Sums>,
    /// Of a party: guaranteed, left idle and used by others, when it could be worked out.
    pub lent_gpu_millis: Option<u64>,
    /// Of a party: energy of its claims.
    pub energy_millijoules: Option<u64>,
    /// Floors that were missed.
    pub missed_floors: Vec<MissedFloor>,
    /// Run by run, in order of time.
    pub lines: Vec<Line>,
}

/// Sums of runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sums {
    /// Runs that touch the time.
    pub runs: u64,
    /// Used.
    pub used_gpu_millis: u64,
    /// Part of it that was borrowed.
    pub borrowed_gpu_millis: u64,
    /// Runs that were stopped because lent GPUs were taken back.
    pub reclaimed_runs: u64,
    /// What these stops destroyed.
    pub lost_gpu_millis: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// UID of the claim.
    pub claim: String,
    /// Part of its use.
    pub run: u64,
    /// Project: name or commitment.
    pub project: String,
    /// Class of GPUs.
    pub class: Option<String>,
    /// Clause by which it ran.
    pub clause: String,
    /// Whether the GPUs were borrowed.
    pub borrowed: bool,
    /// GPUs.
    pub gpus: u32,
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub until: Timestamp,
    /// In the span of the statement.
    pub gpu_millis: u64,
    /// Destroyed by its stop.
    pub lost_gpu_millis: u64,
    /// What ended.
    pub end: EndKind,
    /// Clause behind a reclaim.
    pub end_clause: Option<String>,
    /// Who got its GPUs back.
    pub end_party: Option<String>,
}

/// Nobody of that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// No such party.
    #[error("the record charges nothing to {0}; it charges {1}")]
    Party(String, String),
    /// No such project.
    #[error(
        "no project of {party} in the record opens as {project}; openings are deleted with the project, and without one nobody can tell which it was"
    )]
    Project {
        /// Party.
        party: String,
        /// Project.
        project: String,
    },
}

/// The commitments to projects that a party is charged for, so that their openings can be looked for.
#[must_use]
pub fn projects(history: &History, party: &str) -> Vec<String> {
    let Some(party) = history.names.find(party) else { return Vec::new() };
    let mut projects: Vec<Name> =
        history.runs.iter().filter(|run| run.party == party).map(|run| run.project).collect();
    projects.sort_unstable();
    projects.dedup();
    projects.into_iter().map(|name| history.names.text(name).to_owned()).collect()
}

/// The statement of a party in the span of the history, or of one of its projects by name or commitment. `report` is that of the same history, `openings` has the names of
/// commitments.
///
/// # Errors
/// When the record knows no such party or project.
pub fn of(
    history: &History,
    report: &Report,
    party: &str,
    project: Option<&str>,
    openings: &BTreeMap<String, String>,
) -> Result<Statement, NoAccount> {
    if !report.parties.contains_key(party) {
        let known: Vec<&str> = report.parties.keys().map(String::as_str).collect();
        return Err(NoAccount::Party(party.to_owned(), known.join(", ")));
    }
    let named = |run: &Run| {
        let commitment = history.names.text(run.project);
        openings.get(commitment).map_or(commitment, String::as_str)
    };
    let charged = history.names.find(party);
    let is_project =
        |run: &Run, wanted: &str| named(run) == wanted || history.names.text(run.project) == wanted;
    let is_wanted =
        |run: &&Run| Some(run.party) == charged && project.is_none_or(|wanted| is_project(run, wanted));
    if let Some(project) = project.filter(|_| !history.runs.iter().any(|run| is_wanted(&run))) {
        return Err(NoAccount::Project { party: party.to_owned(), project: project.to_owned() });
    }
    let mut statement = Statement {
        party: party.to_owned(),
        project: project.map(str::to_owned),
        span: history.span,
        total: Sums::default(),
        months: BTreeMap::new(),
        projects: BTreeMap::new(),
        lent_gpu_millis: report.parties[party].lent_gpu_millis.filter(|_| project.is_none()),
        energy_millijoules: Some(report.parties[party].energy_millijoules).filter(|_| project.is_none()),
        missed_floors: Vec::new(),
        lines: Vec::new(),
    };
    for run in history.runs.iter().filter(is_wanted) {
        let used = run.in_span(&history.span);
        if used == 0 && !history.span.has(run.until) {
            continue;
        }
        let name = named(run);
        statement.total.add(run, &history.span);
        statement.projects.entry(name.to_owned()).or_default().add(run, &history.span);
        for (month, span) in months(run, &history.span) {
            statement.months.entry(month).or_default().add(run, &span);
        }
        statement.lines.push(line(history, run, name, used));
    }
    statement
        .lines
        .sort_by(|one, other| (one.from, &one.claim, one.run).cmp(&(other.from, &other.claim, other.run)));
    let claims: BTreeSet<&str> = statement.lines.iter().map(|line| line.claim.as_str()).collect();
    let of_claim = |missed: &&MissedFloor| {
        missed.party == party && (project.is_none() || claims.contains(missed.claim.as_str()))
    };
    statement.missed_floors = report.missed_floors.iter().filter(of_claim).cloned().collect();
    Ok(statement)
}

impl Sums {
    fn add(&mut self, run: &Run, span: &Span) {
        let used = run.in_span(span);
        self.runs += 1;
        self.used_gpu_millis = self.used_gpu_millis.saturating_add(used);
        if run.is_borrowed {
            self.borrowed_gpu_millis = self.borrowed_gpu_millis.saturating_add(used);
        }
        if run.end == EndKind::Reclaimed && span.has(run.until) {
            self.reclaimed_runs += 1;
            self.lost_gpu_millis = self.lost_gpu_millis.saturating_add(run.lost_gpu_millis);
        }
    }
}

/// The months that a run touches, each with the part of the span in it.
fn months(run: &Run, span: &Span) -> Vec<(String, Span)> {
    let (since, until) = span.millis();
    let (from, until) = (run.from.max(since), run.until.min(until));
    let mut months = Vec::new();
    let Ok(first) = Timestamp::from_millisecond(from) else { return months };
    let mut month = first.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    while months.len() < MONTHS_MAX {
        let start =
            |date: jiff::civil::Date| date.to_zoned(jiff::tz::TimeZone::UTC).map(|zoned| zoned.timestamp());
        let next = month.checked_add(1.month());
        let Ok((begin, end)) = next.and_then(|next| Ok((start(month)?, start(next)?))) else { break };
        let part = Span {
            since: Some(span.since.map_or(begin, |since| since.max(begin))),
            until: Some(span.until.map_or(end, |until| until.min(end))),
        };
        months.push((month.strftime("%Y-%m").to_string(), part));
        let Ok(next) = month.checked_add(1.month()) else { break };
        month = next;
        if end.as_millisecond() > until {
            break;
        }
    }
    // Nothing is left of a run for the month at whose first instant it ended, except the end.
    months.retain(|(_, part)| part.overlap(run.from, run.until) > 0 || part.has(run.until));
    months
}

fn line(history: &History, run: &Run, project: &str, gpu_millis: u64) -> Line {
    let text = |name: Name| history.names.text(name).to_owned();
    let time = |millis| Timestamp::from_millisecond(millis).unwrap_or_default();
    Line {
        claim: history.names.claim_text(run.claim),
        run: run.number,
        project: project.to_owned(),
        class: run.class.map(text),
        clause: text(run.clause),
        borrowed: run.is_borrowed,
        gpus: run.gpus,
        from: time(run.from),
        until: time(run.until),
        gpu_millis,
        lost_gpu_millis: run.lost_gpu_millis,
        end: run.end,
        end_clause: run.end_clause.map(text),
        end_party: run.end_party.map(text),
    }
}
