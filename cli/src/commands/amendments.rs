//! `concord amendments`: what is proposed, how it stands, who has signed and who has not.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use super::amend::cluster::ClusterArguments;
use super::files;

/// Arguments of `concord amendments`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// One amendment, with its ballots and dates; all in a table if not given
    name: Option<String>,
    /// Read this output of `kubectl get amendments -o json` instead of the cluster
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// The parts of an amendment that are told.
#[derive(Deserialize)]
struct Seen {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    treaty: String,
    matter: String,
    #[serde(default)]
    note: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    state: Option<String>,
    why: String,
    published_at: Option<String>,
    acts_from: Option<String>,
    in_force_from: Option<String>,
    sunset: Option<String>,
    next_at: Option<String>,
    missing: Vec<String>,
    received: Vec<Ballot>,
    counts: Option<Counts>,
}

#[derive(Deserialize)]
struct Ballot {
    member: String,
    act: String,
    at: String,
    #[serde(default)]
    refused: Option<String>,
}

#[derive(Deserialize)]
struct Counts {
    approving: i64,
    rejecting: i64,
    abstained: i64,
    absent: i64,
    recused: i64,
}

/// Lists amendments, or tells all of one.
///
/// # Errors
/// When the cluster or the file cannot be read, or there is none of that name.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let bytes = match &arguments.from {
        Some(file) => files::read(file)?.bytes,
        None => arguments.cluster.kubectl(&["get", "amendments", "-o", "json"], None)?,
    };
    let list: Value = serde_json::from_slice(&bytes)
        .context("that is no JSON; make it with kubectl get amendments -o json")?;
    let items = list["items"].as_array().cloned().unwrap_or_else(|| vec![list]);
    let all: Vec<Seen> = items
        .into_iter()
        .map(|item| serde_json::from_value(item).context("an entry is no amendment"))
        .collect::<Result<_>>()?;
    let mut out = std::io::stdout().lock();
    match &arguments.name {
        None => table(&mut out, &all)?,
        Some(name) => {
            let Some(seen) = all.iter().find(|seen| seen.metadata.name == *name) else {
                let names: Vec<&str> = all.iter().map(|seen| seen.metadata.name.as_str()).collect();
                bail!("no amendment is named {name:?}; there are: [{}]", names.join(", "));
            };
            one(&mut out, seen)?;
        }
    }
    Ok(true)
}

fn table(out: &mut impl Write, all: &[Seen]) -> Result<()> {
    if all.is_empty() {
        writeln!(out, "nothing is proposed; see concord propose --help")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:<24} {:<20} {:<11} {:<21} {:>3} {:>3}  NEXT",
        "NAME", "TREATY", "MATTER", "STATE", "YES", "NO"
    )?;
    for Seen { metadata, spec, status } in all {
        let state = status.state.as_deref().unwrap_or("-");
        let number = |of: fn(&Counts) -> i64| {
            status.counts.as_ref().map_or_else(|| "-".to_owned(), |c| of(c).to_string())
        };
        let next = status.next_at.as_deref().unwrap_or("-");
        writeln!(
            out,
            "{:<24} {:<20} {:<11} {state:<21} {:>3} {:>3}  {next}",
            metadata.name,
            spec.treaty,
            spec.matter,
            number(|c| c.approving),
            number(|c| c.rejecting)
        )?;
    }
    Ok(())
}

fn one(out: &mut impl Write, seen: &Seen) -> Result<()> {
    let Seen { metadata, spec, status } = seen;
    let state = status.state.as_deref().unwrap_or("the operator has not looked at it yet");
    writeln!(out, "{} ({} of treaty {}): {state}", metadata.name, spec.matter, spec.treaty)?;
    if !spec.note.is_empty() {
        writeln!(out, "{}", spec.note)?;
    }
    if !status.why.is_empty() {
        writeln!(out, "\n{}", status.why)?;
    }
    let dates = [
        ("published", &status.published_at),
        ("acts from", &status.acts_from),
        ("in force from", &status.in_force_from),
        ("ends", &status.sunset),
        ("next step by itself", &status.next_at),
    ];
    writeln!(out)?;
    for (what, at) in dates {
        if let Some(at) = at {
            writeln!(out, "{what:<20} {at}")?;
        }
    }
    if let Some(Counts { approving, rejecting, abstained, absent, recused }) = &status.counts {
        writeln!(
            out,
            "{:<20} {approving} yes, {rejecting} no, {abstained} abstained, {absent} absent, {recused} recused",
            "members"
        )?;
    }
    if !status.missing.is_empty() {
        writeln!(out, "{:<20} {}", "still to ratify", status.missing.join(", "))?;
    }
    for Ballot { member, act, at, refused } in &status.received {
        let act = match act.as_str() {
            "approve" => "yes",
            "reject" => "no",
            other => other,
        };
        let counts = refused.as_ref().map_or_else(String::new, |why| format!("  does not count: {why}"));
        writeln!(out, "{at}  {member} {act}{counts}")?;
    }
    Ok(())
}
