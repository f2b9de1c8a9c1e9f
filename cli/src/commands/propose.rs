//! `concord propose`: a new text of a treaty as an amendment, looked at from all sides before anybody is asked to sign it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use concord_ledger::note;
use concord_treaty::document::Document;
use concord_treaty::ratify::{Subject, Way, changes, concerned, without};

use super::amend::Form;
use super::amend::cluster::ClusterArguments;
use super::amend::object::{self, Texts};
use super::diff;
use super::files::{self, Text};
use super::nodes::NodeArguments;

mod preview;

/// Arguments of `concord propose`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The whole new text; not with --withdraw
    #[arg(required_unless_present = "withdraw", conflicts_with = "withdraw")]
    new: Option<PathBuf>,
    /// Treaty that is changed: a file, or a name in the cluster
    #[arg(long, value_name = "NAME|FILE")]
    treaty: String,
    /// Name of the amendment: lower-case letters, digits and hyphens
    #[arg(long)]
    name: String,
    /// As what it is proposed
    #[arg(long, value_enum, required_unless_present = "withdraw")]
    matter: Option<MatterArgument>,
    /// This member leaves: the text is the one before without it
    #[arg(long, value_name = "MEMBER", conflicts_with = "matter")]
    withdraw: Option<String>,
    /// Why, for the members
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    nodes: NodeArguments,
    /// Also replay this trace under both texts, as concord simulate does
    #[arg(long, value_name = "CSV")]
    trace: Option<PathBuf>,
    /// How the object is printed
    #[arg(long, short, value_enum, default_value_t = Form::Yaml)]
    output: Form,
    /// Publish it in the cluster instead of printing it
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
}

const EXAMPLES: &str = "\
Examples:
  concord propose new.yaml --treaty two-states --matter annex --name more-gpus            look at it
  concord propose new.yaml --treaty two-states --matter annex --name more-gpus --apply    publish it
  concord propose new.yaml --treaty old.yaml --matter body --name longer -o json > longer.json
  concord propose --withdraw isle --treaty two-states --name isle-leaves

What is gained and lost goes to standard error, the object to standard output: pipe it into kubectl create -f -";

/// A matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum MatterArgument {
    /// The text
    Body,
    /// Numbers: guarantees, ceilings, budgets, weights, windows
    Annex,
    /// What cannot wait; ends by itself
    Emergency,
    /// Who is a member, and by which keys
    Admission,
    /// A member's rights rest, or do not any more
    Suspension,
}

impl MatterArgument {
    const fn word(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Annex => "annex",
            Self::Emergency => "emergency",
            Self::Admission => "admission",
            Self::Suspension => "suspension",
        }
    }
}

/// Checks the proposal, shows what it does, and prints or publishes it. `Ok(false)`: it cannot be decided on as it is.
///
/// # Errors
/// When a text cannot be read, or kubectl fails.
pub fn run(arguments: &Arguments) -> Result<bool> {
    ensure!(
        is_name(&arguments.name),
        "{:?} is no name of an amendment; write lower-case letters, digits and hyphens",
        arguments.name
    );
    let before = treaty(arguments)?;
    let Some((old, before)) = diff::side(&before, &arguments.nodes)? else { return Ok(false) };
    let (new, after) = match (&arguments.withdraw, &arguments.new) {
        (Some(member), _) => {
            ensure!(
                before.document.members.iter().any(|m| m.name == *member),
                "{old} has no member {member:?}"
            );
            (old.clone(), diff::side_of(&without(&before.document, member), &arguments.nodes)?)
        }
        (None, Some(file)) => match diff::side(&files::read(file)?, &arguments.nodes)? {
            Some(found) => found,
            None => return Ok(false),
        },
        (None, None) => bail!("name the new text, or who leaves"),
    };
    ensure!(old == new, "the treaty is {old:?}, and the new text is of {new:?}; a treaty keeps its name");
    let (word, subject) = match arguments.matter {
        Some(matter) => (matter.word(), subject_of(matter.word())?),
        None => ("withdrawal", Subject::Withdrawal),
    };
    let whom: BTreeSet<String> = concerned(&changes(&before.document, &after.document)?);
    let way = match Way::of(&before.document, &after.document, subject, &whom) {
        Ok(way) => way,
        Err(refusal) => {
            eprintln!("concord: {refusal}");
            return Ok(false);
        }
    };
    let replaces = note::text_sha256(&before.document)?;
    let mut shown = std::io::stderr().lock();
    preview::show(&mut shown, &before, &after, &way)?;
    if let Some(trace) = &arguments.trace {
        replay(&mut shown, trace, arguments, (&old, &before.document), &after.document)?;
    }
    let concerns: Vec<String> = whom.into_iter().collect();
    let texts = Texts { replaces: &replaces, text: &after.document, concerns: &concerns };
    let object = object::new(&arguments.name, &old, word, texts, &arguments.note);
    if arguments.apply {
        let told = arguments.cluster.kubectl(&["create", "-f", "-"], Some(&object.to_string()))?;
        std::io::stdout().write_all(&told)?;
        writeln!(
            shown,
            "Published. Members sign: concord ratify {} --member MEMBER --vote yes --key FILE",
            arguments.name
        )?;
        return Ok(true);
    }
    print!("{}", arguments.output.write(&object)?);
    Ok(true)
}

fn subject_of(word: &str) -> Result<Subject> {
    let known = Subject::ALL.into_iter().find(|subject| subject.word() == word);
    known.with_context(|| format!("{word:?} is no matter"))
}

fn is_name(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(fits)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The text that is changed, from a file or from the cluster.
fn treaty(arguments: &Arguments) -> Result<Text> {
    let file = Path::new(&arguments.treaty);
    if file.exists() || arguments.treaty.contains(['/', '.']) {
        return files::read(file);
    }
    let bytes = arguments.cluster.kubectl(&["get", "treaty", &arguments.treaty, "-o", "yaml"], None)?;
    Ok(Text { name: format!("treaty {}", arguments.treaty), bytes })
}

/// The same trace under both texts, by the command that replays traces.
fn replay(
    out: &mut impl Write,
    trace: &Path,
    arguments: &Arguments,
    (name, before): (&str, &Document),
    after: &Document,
) -> Result<()> {
    let folder = tempfile::tempdir().context("no place for the two texts")?;
    for (when, text) in [("before", before), ("after", after)] {
        let file = folder.path().join(format!("{when}.yaml"));
        let object = serde_json::json!({"apiVersion": "concord.dev/v1alpha1", "kind": "Treaty", "metadata": {"name": name}, "spec": text});
        std::fs::write(&file, serde_yaml::to_string(&object)?)?;
        let mut command = Command::new(std::env::current_exe().context("where am I?")?);
        command.arg("simulate").arg("--treaty").arg(&file).arg("--trace").arg(trace);
        command.args(preview::node_flags(&arguments.nodes));
        let output = command.output().context("cannot replay the trace")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the trace cannot be replayed under the text {when}:\n{told}");
        writeln!(out, "\nthe trace under the text {when}\n{}", String::from_utf8_lossy(&output.stdout))?;
    }
    Ok(())
}
