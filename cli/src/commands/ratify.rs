//! `concord ratify`: a member votes on an amendment, or ratifies it, with its signature.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use concord_ledger::note::{self, MemberSigner};
use serde_json::{Value, json};

use super::amend::Form;
use super::amend::cluster::ClusterArguments;
use super::amend::object::Amendment;
use super::files;

/// Arguments of `concord ratify`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// Amendment, as `concord amendments` lists it
    #[arg(required_unless_present = "file")]
    name: Option<String>,
    /// Member that signs
    #[arg(long, value_name = "NAME")]
    member: String,
    /// Vote; without it the amendment is ratified, which binds the member after the vote
    #[arg(long, value_enum)]
    vote: Option<Vote>,
    /// File with the member's private key
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sign_with", "show"])]
    key: Option<PathBuf>,
    /// Command that signs, for keys that never leave a device: it gets the note on standard input and prints the signature line
    #[arg(long, value_name = "COMMAND", conflicts_with = "show")]
    sign_with: Option<String>,
    /// Print the note that would be signed, and nothing else
    #[arg(long)]
    show: bool,
    /// Read the amendment from this file instead of the cluster, and print it with the ballot
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Print the amendment with the ballot instead of adding it in the cluster
    #[arg(long, short, value_enum, value_name = "FORM")]
    output: Option<Form>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

const EXAMPLES: &str = "\
Examples:
  concord ratify more-gpus --member north --vote yes --key north.key
  concord ratify more-gpus --member north --key north.key             the signature after the vote
  concord ratify more-gpus --member north --vote yes --show           what exactly is signed
  concord ratify more-gpus --member north --vote yes --sign-with 'ssh vault sign-note'

A member votes once: the first valid ballot counts. Who adds it does not matter, the signature does.";

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Vote {
    /// For it
    Yes,
    /// Against it
    No,
    /// Neither, and present
    Abstain,
}

/// Signs, and adds the ballot.
///
/// # Errors
/// When the amendment cannot be read, the key is not the member's, or the ballot cannot be added.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let amendment = read(arguments)?;
    let member = &arguments.member;
    let act = match arguments.vote {
        Some(Vote::Yes) => "yes",
        Some(Vote::No) => "no",
        Some(Vote::Abstain) => "abstain",
        None => "ratify",
    };
    let text = amendment.proposal()?.ballot(member, act);
    if arguments.show {
        print!("{text}");
        return Ok(true);
    }
    let known = amendment.keys_of(member)?;
    for change in amendment.changes()? {
        eprintln!("  {change}");
    }
    eprintln!("{member} signs {act} to this.");
    let line = sign(arguments, &text)?;
    match &known {
        Some(keys) => note::verify(&text, &line, keys).with_context(|| {
            format!("the signature would not count; sign with the key that the treaty gives {member}")
        })?,
        None => eprintln!(
            "concord: the operator has not looked at this amendment yet, so that the key was not compared"
        ),
    }
    let id = format!("{member}-{act}-{}", &concord_ledger::text::sha256(line.as_bytes())[..8]);
    let ballot = json!({"member": member, "act": in_object(act), "signature": line});
    if arguments.file.is_some() || arguments.output.is_some() {
        let mut object = amendment.object;
        object["spec"]["ballots"][id] = ballot;
        print!("{}", arguments.output.unwrap_or(Form::Yaml).write(&object)?);
        return Ok(true);
    }
    let patch = json!({"spec": {"ballots": {id: ballot}}}).to_string();
    let told = arguments
        .cluster
        .kubectl(&["patch", "amendment", &amendment.name, "--type=merge", "-p", &patch], None)?;
    std::io::stdout().write_all(&told)?;
    println!("{member} signed {act}; see concord amendments {} for how it is counted", amendment.name);
    Ok(true)
}

/// The word of the object: YAML takes those of the note for switches.
fn in_object(act: &str) -> &str {
    match act {
        "yes" => "approve",
        "no" => "reject",
        other => other,
    }
}

fn read(arguments: &Arguments) -> Result<Amendment> {
    if let Some(file) = &arguments.file {
        let text = files::read(file)?;
        return Amendment::read(&text.bytes, &text.name);
    }
    let Some(name) = &arguments.name else { bail!("name an amendment") };
    let found = arguments.cluster.kubectl(&["get", "amendment", name, "-o", "json"], None)?;
    Amendment::of(serde_json::from_slice::<Value>(&found).context("kubectl printed no JSON")?)
}

fn sign(arguments: &Arguments, text: &str) -> Result<String> {
    if let Some(command) = &arguments.sign_with {
        return sign_with(command, text);
    }
    let Some(file) = &arguments.key else {
        bail!("with which key? --key FILE, or --sign-with COMMAND for a key on a device");
    };
    let shown = file.display();
    warn_if_open(file)?;
    let private = std::fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let signer = MemberSigner::of_text(&private).with_context(|| format!("{shown} holds no key"))?;
    Ok(signer.sign(text)?)
}

/// Others on this machine can read the key.
fn warn_if_open(file: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let shown = file.display();
    let mode = std::fs::metadata(file).with_context(|| format!("cannot read {shown}"))?.permissions().mode();
    if mode & 0o077 != 0 {
        eprintln!("concord: others on this machine can read {shown}; run chmod 600 {shown}");
    }
    Ok(())
}

fn sign_with(command: &str, text: &str) -> Result<String> {
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {command:?}"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // A command that reads nothing is told by its answer.
        let _ = pipe.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("cannot wait for {command:?}"))?;
    ensure!(output.status.success(), "{command:?} failed; nothing was signed");
    let answer = String::from_utf8(output.stdout).with_context(|| format!("{command:?} printed no text"))?;
    let line = answer.lines().find(|line| line.starts_with("— "));
    line.map(str::to_owned).with_context(|| {
        format!("{command:?} printed no signature line; it has to print `— <name> <base64>` as C2SP signed-note has it")
    })
}
