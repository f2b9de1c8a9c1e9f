//! Texts of the command line that somebody has reviewed.

use std::fs;
use std::path::Path;

/// Holds each text against `NAME.out` in the folder; `UPDATE_EXPECTED=1` writes it there, to be reviewed.
#[track_caller]
pub fn are_as_reviewed(folder: &Path, texts: impl IntoIterator<Item = (&'static str, String)>) {
    let mut wrong = Vec::new();
    for (name, out) in texts {
        let golden = folder.join(format!("{name}.out"));
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            fs::write(&golden, &out).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != out {
            wrong.push(format!("{name}:\n{out}"));
        }
    }
    assert!(wrong.is_empty(), "texts differ from the reviewed ones:\n{}", wrong.join("\n"));
}
