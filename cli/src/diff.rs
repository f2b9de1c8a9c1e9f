//! `concord diff`: what a changed treaty does to each member.

/// Arguments of `concord diff`.
#[derive(clap::Args)]
pub struct Arguments {}

/// Compares two treaties.
pub fn run(_: &Arguments) -> anyhow::Result<bool> {
    Ok(true)
}
