//! Reading a treaty from a file. The only place that knows the file's form; the rules are left to the treaty itself.

use std::path::Path;

use anyhow::{Context, bail};
use concord_treaty::document::Document;
use concord_treaty::treaty::Treaty;
use serde::Deserialize;

#[derive(Deserialize)]
struct Object {
    spec: Document,
}

/// Reads and validates the treaty.
///
/// # Errors
/// The file cannot be read, is not a treaty object, or has faults; all of them are named.
pub fn read(path: &Path) -> anyhow::Result<Treaty> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the treaty {shown}"))?;
    let object: Object = serde_yaml::from_str(&text).with_context(|| format!("{shown} is not a treaty"))?;
    match Treaty::validate(&object.spec) {
        Ok(treaty) => Ok(treaty),
        Err(faults) => {
            let lines: Vec<String> = faults.iter().map(|fault| format!("{shown}: {fault}")).collect();
            bail!("the treaty has {} faults:\n{}", faults.len(), lines.join("\n"))
        }
    }
}
