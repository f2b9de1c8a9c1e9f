//! `concord completion` and `concord man`: what packagers install beside the program.

use std::io::Write;

use anyhow::Result;

/// Arguments of `concord completion`.
#[derive(Debug, clap::Args)]
pub struct CompletionArguments {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints completions.
///
/// # Errors
/// When standard output cannot be written.
pub fn completion(arguments: &CompletionArguments, command: &mut clap::Command) -> Result<bool> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, command, "concord", &mut text);
    std::io::stdout().write_all(&text)?;
    Ok(true)
}

/// Prints the manual page.
///
/// # Errors
/// When standard output cannot be written.
pub fn manual(command: clap::Command) -> Result<bool> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command).render(&mut text)?;
    std::io::stdout().write_all(&text)?;
    Ok(true)
}
