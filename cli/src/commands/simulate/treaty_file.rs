//! Reading a treaty from a file for commands that need a sound one.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use concord_treaty::source::{self, TreatyText};
use concord_treaty::treaty::Treaty;

use crate::commands::files;
use crate::commands::render::{Colour, Drawing};

/// A sound treaty with the text in which it stands.
pub struct TreatyFile {
    /// Name of the file.
    pub name: String,
    /// The treaty.
    pub treaty: Treaty,
    text: TreatyText,
}

impl TreatyFile {
    /// Where a field stands: `FILE:LINE:COLUMN`.
    pub fn place_of(&self, path: &str) -> String {
        let place = self.text.place_of(path);
        format!("{}:{}:{}", self.name, place.line, place.column)
    }
}

/// Reads and validates the one treaty of a file.
///
/// # Errors
/// The file cannot be read, holds no or several treaties, or has faults; all of them are drawn.
pub fn read(path: &Path) -> anyhow::Result<TreatyFile> {
    let text = files::read(path)?;
    let mut reading = source::read(&text.bytes);
    let faults: Vec<String> = {
        let drawing = Drawing::new(&text.name, &text.bytes, Colour::Auto);
        reading.all().filter(|d| d.is_error()).map(|d| drawing.draw(d)).collect()
    };
    if !faults.is_empty() {
        bail!("the treaty has faults; see concord check\n\n{}", faults.join("\n\n"));
    }
    let count = reading.treaties.len();
    ensure!(count <= 1, "{} holds {count} treaties; one is needed", text.name);
    let found = reading.treaties.pop().with_context(|| format!("{} holds no treaty", text.name))?;
    let treaty = found.treaty.clone().context("a treaty without errors is valid")?;
    Ok(TreatyFile { name: text.name, treaty, text: found })
}
