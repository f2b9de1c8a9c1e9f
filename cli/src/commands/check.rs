//! `concord check`: every fault of every treaty and member quota in one pass.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use concord_ledger::note;
use concord_treaty::diagnostic::{Diagnostic, quoted};
use concord_treaty::source::{Count, Reading, TreatyText, count, read};
use concord_treaty::treaty::Entitlements;
use serde::Serialize;

use super::files;
use super::nodes::NodeArguments;
use super::render::{Colour, Drawing, Output, line};

mod quotas;

/// Arguments of `concord check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Files, folders (all .yaml and .yml inside), or - for standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    nodes: NodeArguments,
    /// How the result is printed
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Whether the text has colours
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    color: Colour,
}

/// One file's result as JSON.
#[derive(Serialize)]
struct FileReport<'r> {
    file: &'r str,
    treaties: Vec<TreatyReport<'r>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    quotas: Vec<QuotaReport<'r>>,
    diagnostics: Vec<&'r Diagnostic>,
}

#[derive(Serialize)]
struct QuotaReport<'r> {
    name: &'r str,
    valid: bool,
}

#[derive(Serialize)]
struct TreatyReport<'r> {
    name: &'r str,
    valid: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberReport<'r>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MemberReport<'r> {
    name: &'r str,
    guaranteed_gpus: u32,
}

/// A file that was read, with what its treaties come to.
struct Checked {
    name: String,
    bytes: Vec<u8>,
    reading: Reading,
    entitlements: Vec<Option<Entitlements>>,
}

/// Checks all files and prints what is wrong. `Ok(true)`: no errors.
///
/// # Errors
/// When a file cannot be read, or the nodes do not fit a treaty.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let mut checked = Vec::new();
    for path in files::expand(&arguments.files)? {
        let text = files::read(&path)?;
        let mut reading = read(&text.bytes);
        reading.treaties.iter_mut().for_each(look_at_keys);
        let entitlements =
            reading.treaties.iter_mut().map(|t| hold(t, &arguments.nodes)).collect::<Result<_>>()?;
        checked.push(Checked { name: text.name, bytes: text.bytes, reading, entitlements });
    }
    quotas::hold(&mut checked);
    let total = count(checked.iter().flat_map(|c| c.reading.all()));
    let mut out = std::io::stdout().lock();
    match arguments.output {
        Output::Text => text(&mut out, &checked, total, arguments.color)?,
        Output::Line => {
            for (file, diagnostic) in checked.iter().flat_map(|c| c.reading.all().map(move |d| (c, d))) {
                writeln!(out, "{}", line(&file.name, diagnostic))?;
            }
        }
        Output::Json => {
            let files: Vec<FileReport<'_>> = checked.iter().map(Checked::report).collect();
            let report =
                serde_json::json!({ "files": files, "errors": total.errors, "warnings": total.warnings });
            writeln!(out, "{report:#}")?;
        }
    }
    Ok(total.errors == 0)
}

/// Keys of the right form that are none: the language knows no cryptography.
fn look_at_keys(text: &mut TreatyText) {
    let Some(members) = text.treaty.as_ref().and(text.document.as_ref()).map(|d| d.members.clone()) else {
        return;
    };
    let dead = note::dead_keys(members.iter().map(|member| member.keys.as_slice()));
    let fault = |(path, key): (String, &str)| {
        let message = format!("nobody can sign with the key {}: its id is not that of the key", quoted(key));
        Diagnostic::new("TR060", &path, &message, "copy the line that `concord key new` printed")
    };
    let found: Vec<Diagnostic> = dead.map(fault).collect();
    text.add(found);
}

/// Holds a sound treaty against the nodes, if any were stated.
pub fn hold(text: &mut TreatyText, nodes: &NodeArguments) -> Result<Option<Entitlements>> {
    let Some(treaty) = text.treaty.as_ref().filter(|_| nodes.stated()) else { return Ok(None) };
    let capacity = nodes.capacity(treaty)?;
    let entitlements = treaty.resolve(&capacity, nodes.day());
    let mut found = entitlements.diagnostics.clone();
    // Shapes of promises that are too much anyway would only repeat it.
    if !found.iter().any(Diagnostic::is_error) {
        found.extend(treaty.shape_faults(&entitlements, &capacity));
    }
    text.add(found);
    Ok(Some(entitlements))
}

fn text(out: &mut impl Write, checked: &[Checked], total: Count, colour: Colour) -> Result<()> {
    for file in checked {
        let drawing = Drawing::new(&file.name, &file.bytes, colour);
        for diagnostic in file.reading.all() {
            writeln!(out, "{}\n", drawing.draw(diagnostic))?;
        }
        for (treaty, entitlements) in file.reading.treaties.iter().zip(&file.entitlements) {
            let Some((rules, found)) = treaty.treaty.as_ref().zip(entitlements.as_ref()) else { continue };
            writeln!(out, "{}: guaranteed GPUs of {}", treaty.name, found.capacity.iter().sum::<u32>())?;
            for (index, member) in rules.members().iter().enumerate() {
                writeln!(out, "{:>9}  {}", found.of_member(index), member.name)?;
            }
            for (reserve, by_class) in rules.reserves().iter().zip(&found.reserves) {
                writeln!(out, "{:>9}  {} (reserve)", by_class.iter().sum::<u32>(), reserve.name)?;
            }
            writeln!(out, "{:>9}  nobody's (surplus)\n", found.surplus.iter().sum::<u32>())?;
        }
    }
    let treaties = checked.iter().map(|c| c.reading.treaties.len()).sum();
    let quotas = checked.iter().map(|c| c.reading.quotas.len()).sum();
    let what = match (treaties, quotas) {
        (treaties, 0) => some(treaties, "treaty"),
        (0, quotas) => some(quotas, "member quota"),
        (treaties, quotas) => format!("{} and {}", some(treaties, "treaty"), some(quotas, "member quota")),
    };
    let verdict = match (total.errors, total.warnings) {
        (0, 0) => "no errors".to_owned(),
        (0, warnings) => format!("no errors, {}", some(warnings, "warning")),
        (errors, 0) => some(errors, "error"),
        (errors, warnings) => format!("{}, {}", some(errors, "error"), some(warnings, "warning")),
    };
    writeln!(out, "{verdict}; {what} in {}", some(checked.len(), "file"))?;
    Ok(())
}

fn some(number: usize, what: &str) -> String {
    match (number, what) {
        (1, what) => format!("1 {what}"),
        (number, "treaty") => format!("{number} treaties"),
        (number, what) => format!("{number} {what}s"),
    }
}

impl Checked {
    fn report(&self) -> FileReport<'_> {
        let treaties = self.reading.treaties.iter().zip(&self.entitlements);
        FileReport {
            file: &self.name,
            treaties: treaties.map(|(text, found)| of_treaty(text, found.as_ref())).collect(),
            quotas: self
                .reading
                .quotas
                .iter()
                .map(|q| QuotaReport { name: &q.name, valid: q.quota.is_some() })
                .collect(),
            diagnostics: self.reading.all().collect(),
        }
    }
}

fn of_treaty<'r>(text: &'r TreatyText, found: Option<&Entitlements>) -> TreatyReport<'r> {
    let both = text.treaty.as_ref().zip(found);
    let members = both.into_iter().flat_map(|(treaty, found)| {
        let members = treaty.members().iter().enumerate();
        members.map(|(i, m)| MemberReport { name: &m.name, guaranteed_gpus: found.of_member(i) })
    });
    TreatyReport { name: &text.name, valid: text.count().errors == 0, members: members.collect() }
}
