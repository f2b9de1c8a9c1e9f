//! Diagnostics as people and programs read them: carets in a terminal, JSON, one line each.

use std::io::IsTerminal;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Level, Renderer, Snippet};
use concord_treaty::diagnostic::{Diagnostic, Place, Severity};

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// With the lines of the text and carets under the places
    Text,
    /// One JSON document
    Json,
    /// One line for each fault, as editors read it: file, line, column, code, severity, message, help
    Line,
}

/// Whether the result has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set (no-color.org)
    #[default]
    Auto,
    /// Also into files and pipes
    Always,
    /// Nowhere
    Never,
}

impl Colour {
    fn renderer(self) -> Renderer {
        let unwanted = || std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = || std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let coloured = match self {
            Self::Auto => std::io::stdout().is_terminal() && !unwanted() && !dumb(),
            Self::Always => true,
            Self::Never => false,
        };
        if coloured { Renderer::styled() } else { Renderer::plain() }
    }
}

/// Draws diagnostics beside the lines of one text.
pub struct Drawing<'t> {
    name: &'t str,
    text: String,
    renderer: Renderer,
}

impl<'t> Drawing<'t> {
    /// Of a text and the name under which people know it.
    pub fn new(name: &'t str, bytes: &[u8], colour: Colour) -> Self {
        Self { name, text: shown(bytes), renderer: colour.renderer() }
    }

    /// One diagnostic with its lines.
    pub fn draw(&self, diagnostic: &Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Note => Level::NOTE,
        };
        let mut snippet = Snippet::source(self.text.as_str()).path(self.name);
        if let Some(place) = diagnostic.place {
            let label = Some(diagnostic.path.as_str()).filter(|p| !p.is_empty());
            snippet = snippet.annotation(AnnotationKind::Primary.span(self.range(place)).label(label));
        }
        let related = diagnostic.related.iter().filter_map(|r| Some((r, r.place?)));
        let context = related.map(|(r, place)| -> Annotation<'_> {
            AnnotationKind::Context.span(self.range(place)).label(r.message.as_str())
        });
        let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
        let report = [title
            .element(snippet.annotations(context))
            .element(Level::HELP.message(diagnostic.help.as_str()))];
        self.renderer.render(&report)
    }

    fn range(&self, place: Place) -> Range<usize> {
        let end = place.end_byte.min(self.text.len());
        place.start_byte.min(end)..end
    }
}

/// One line for editors and continuous integration.
pub fn line(name: &str, diagnostic: &Diagnostic) -> String {
    let Diagnostic { code, severity, path, message, help, .. } = diagnostic;
    let (line, column) = diagnostic.place.map_or((1, 1), |p| (p.line, p.column));
    let at = if path.is_empty() { String::new() } else { format!("{path}: ") };
    format!("{name}:{line}:{column}: {code} {severity}: {at}{message}; {help}")
}

/// The text for drawing; bytes that are no UTF-8 become one character of one byte, so that places stay right.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    text
}
