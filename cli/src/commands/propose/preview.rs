//! What people see before they publish or sign: who gains and who loses, and what has to happen until it is law.

use std::io::Write;

use anyhow::Result;
use concord_treaty::ratify::Way;

use super::super::diff::{self, Side};
use super::super::nodes::NodeArguments;

/// Prints the difference, who gains and loses, and the way.
///
/// # Errors
/// When it cannot be written.
pub fn show(out: &mut impl Write, before: &Side, after: &Side, way: &Way) -> Result<()> {
    diff::show(out, before, after)?;
    let changes = diff::members(before, after);
    let told = |gains: bool| {
        let members = changes.iter().filter_map(|member| {
            let change = member.change();
            (change != 0 && (change > 0) == gains)
                .then(|| format!("{} ({})", member.name(), diff::signed(change)))
        });
        let members: Vec<String> = members.collect();
        if members.is_empty() { "nobody".to_owned() } else { members.join(", ") }
    };
    writeln!(out, "\nguaranteed GPUs: gains {}; loses {}", told(true), told(false))?;
    writeln!(out, "{}\n", way.in_words())?;
    Ok(())
}

/// The nodes as `concord simulate` is told them.
pub fn node_flags(nodes: &NodeArguments) -> Vec<String> {
    let mut flags = Vec::new();
    if !nodes.nodes.is_empty() {
        flags.extend(["--nodes".to_owned(), nodes.nodes.join(",")]);
    }
    if let Some(file) = &nodes.node_file {
        flags.extend(["--node-file".to_owned(), file.display().to_string()]);
    }
    flags.extend(["--gpus-per-node".to_owned(), nodes.gpus_per_node.to_string()]);
    if let Some(day) = nodes.on {
        flags.extend(["--on".to_owned(), day.to_string()]);
    }
    flags
}
