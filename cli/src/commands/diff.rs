//! `concord diff`: what a changed treaty does to each member, in words and numbers, and clause by clause.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use concord_treaty::document::Document;
use concord_treaty::ratify::changes;
use concord_treaty::source::read;
use concord_treaty::treaty::{Entitlements, Treaty};
use serde::Serialize;

use super::files::{self, Text};
use super::nodes::NodeArguments;
use super::render::{Colour, Drawing};

mod numbers;
mod pool_words;
mod words;

pub use words::signed;

/// Arguments of `concord diff`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The treaty as it is
    old: PathBuf,
    /// The treaty as it would be
    new: PathBuf,
    #[command(flatten)]
    nodes: NodeArguments,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Sentences and a table
    Text,
    /// One JSON document
    Json,
}

/// A treaty with its numbers worked out.
pub struct Side {
    /// The text.
    pub document: Document,
    treaty: Treaty,
    /// What shares come to, by class.
    entitlements: Entitlements,
}

/// What happens to one member.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberChange {
    name: String,
    /// GPUs before; absent when it was no member.
    guaranteed_before: Option<u32>,
    /// GPUs after; absent when it is no member any more.
    guaranteed_after: Option<u32>,
    /// The same in sentences, with everything else that changes for it.
    sentences: Vec<String>,
}

/// Compares two treaties. `Ok(false)`: one of them has errors, which are printed instead.
///
/// # Errors
/// When a file cannot be read or holds no treaty, or the nodes are missing or do not fit.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let old = side(&files::read(&arguments.old)?, &arguments.nodes)?;
    let new = side(&files::read(&arguments.new)?, &arguments.nodes)?;
    let (Some((_, old)), Some((_, new))) = (old, new) else { return Ok(false) };
    let mut out = std::io::stdout().lock();
    if arguments.output == Output::Json {
        let members = words::members(&old, &new);
        let of_pool = pool_words::sentences(&old, &new);
        let changes = changes(&old.document, &new.document)?;
        let report = serde_json::json!({ "members": members, "pool": of_pool, "clauses": changes });
        writeln!(out, "{report:#}")?;
        return Ok(true);
    }
    show(&mut out, &old, &new)?;
    Ok(true)
}

/// What happens to each member.
pub fn members(old: &Side, new: &Side) -> Vec<MemberChange> {
    words::members(old, new)
}

/// The difference for people.
///
/// # Errors
/// When it cannot be written.
pub fn show(out: &mut impl Write, old: &Side, new: &Side) -> Result<()> {
    let members = words::members(old, new);
    let of_pool = pool_words::sentences(old, new);
    let changes = changes(&old.document, &new.document)?;
    if changes.is_empty() {
        writeln!(out, "the two treaties say the same")?;
        return Ok(());
    }
    writeln!(out, "{:<24} {:>9} {:>9} {:>9}", "guaranteed GPUs", "before", "after", "change")?;
    for member in &members {
        let number = |gpus: Option<u32>| gpus.map_or_else(|| "-".to_owned(), |g| g.to_string());
        let (before, after) = (number(member.guaranteed_before), number(member.guaranteed_after));
        writeln!(out, "{:<24} {before:>9} {after:>9} {:>9}", member.name, words::signed(member.change()))?;
    }
    let sentences = members.iter().flat_map(|m| m.sentences.iter().map(move |s| format!("{} {s}", m.name)));
    let sentences: Vec<String> = sentences.chain(of_pool).collect();
    if !sentences.is_empty() {
        writeln!(out, "\nin words")?;
    }
    for sentence in sentences {
        writeln!(out, "  {sentence}")?;
    }
    writeln!(out, "\nclause by clause")?;
    for change in &changes {
        writeln!(out, "  {change}")?;
    }
    Ok(())
}

impl MemberChange {
    /// Who.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// GPUs more, or less.
    pub fn change(&self) -> i64 {
        i64::from(self.guaranteed_after.unwrap_or(0)) - i64::from(self.guaranteed_before.unwrap_or(0))
    }
}

/// A document that holds, with its numbers worked out.
///
/// # Errors
/// When it does not hold, or the nodes are missing or do not fit.
pub fn side_of(document: &Document, nodes: &NodeArguments) -> Result<Side> {
    let treaty = Treaty::validate(document).map_err(|faults| {
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the text has faults: {}", told.join("; "))
    })?;
    let capacity = if nodes.stated() { nodes.capacity(&treaty)? } else { Vec::new() };
    ensure!(nodes.stated() || !treaty.needs_capacity(), "shares depend on the pool: add --nodes N");
    let entitlements = treaty.resolve(&capacity, nodes.day());
    Ok(Side { document: document.clone(), treaty, entitlements })
}

/// One sound treaty with its name; `None` when its errors were printed.
///
/// # Errors
/// When the text holds no treaty or several, or the nodes are missing or do not fit.
pub fn side(text: &Text, nodes: &NodeArguments) -> Result<Option<(String, Side)>> {
    let mut reading = read(&text.bytes);
    let drawing = Drawing::new(&text.name, &text.bytes, Colour::Auto);
    if reading.all().any(|d| d.is_error()) {
        for diagnostic in reading.all().filter(|d| d.is_error()) {
            writeln!(std::io::stdout(), "{}\n", drawing.draw(diagnostic))?;
        }
        return Ok(None);
    }
    ensure!(
        reading.treaties.len() <= 1,
        "{} holds {} treaties; one is compared",
        text.name,
        reading.treaties.len()
    );
    let Some(mut found) = reading.treaties.pop() else { bail!("{} holds no treaty", text.name) };
    let entitlements = super::check::hold(&mut found, nodes)?;
    let document = found.document.context("a treaty without errors has a document")?;
    let treaty = found.treaty.context("a treaty without errors is valid")?;
    let Some(entitlements) = entitlements else {
        ensure!(!treaty.needs_capacity(), "shares of {} depend on the pool: add --nodes N", text.name);
        let entitlements = treaty.resolve(&[], nodes.day());
        return Ok(Some((found.name, Side { document, treaty, entitlements })));
    };
    for warning in &found.diagnostics {
        eprintln!("{}", super::render::line(&text.name, warning));
    }
    Ok(Some((found.name, Side { document, treaty, entitlements })))
}
