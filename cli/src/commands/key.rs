//! `concord key`: keys by which members vote and ratify.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use concord_ledger::note::MemberSigner;

/// Arguments of `concord key`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, clap::Subcommand)]
enum Act {
    /// Make a pair: the private key in a file that only you can read, the public one on standard output
    New(New),
}

#[derive(Debug, clap::Args)]
struct New {
    /// Name of the member, as it stands in the treaty
    member: String,
    /// File for the private key; MEMBER.key if not given. One that exists is never written over
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Makes a key.
///
/// # Errors
/// When the name is none, or the file exists or cannot be written.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let Act::New(New { member, file }) = &arguments.act;
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        !member.is_empty() && member.chars().all(fits),
        "{member:?} is no name of a member; write lower-case letters, digits and hyphens"
    );
    let file = file.clone().unwrap_or_else(|| PathBuf::from(format!("{member}.key")));
    let (private, public) = MemberSigner::generate(member);
    let shown = file.display();
    let mut written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).with_context(|| {
            format!("cannot make {shown}; a key file is never written over, name another with --file")
        })?;
    writeln!(written, "{private}").with_context(|| format!("cannot write {shown}"))?;
    eprintln!(
        "The private key is in {shown}: keep it off line, and a copy where it burns with nothing else.\n\
         The public key goes into the treaty, under the member {member}, by an amendment of matter admission:\n\
         \x20 keys: [\"{public}\"]"
    );
    println!("{public}");
    Ok(true)
}
