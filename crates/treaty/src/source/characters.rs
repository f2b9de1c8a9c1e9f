//! From bytes to a text that shows all that it says: UTF-8, of limited size, without characters that cannot be seen
//! or that turn the direction of reading (Trojan Source, CVE-2021-42574), without tabs in an indentation.

use crate::diagnostic::{Diagnostic, Place};
use crate::source::BYTES_MOST;

/// Faults of one kind that are worth showing; the rest are more of the same.
const SHOWN_MOST: usize = 10;

/// The text, or why it is not read any further.
pub fn text(bytes: &[u8]) -> Result<&str, Vec<Diagnostic>> {
    let start = Place { line: 1, column: 1, start_byte: 0, end_byte: 0 };
    if bytes.len() > BYTES_MOST {
        let message = format!("{} bytes, but at most {BYTES_MOST} are read", bytes.len());
        return Err(vec![Diagnostic::new("TR101", "", &message, "split the file").at(start)]);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let before = std::str::from_utf8(&bytes[..at]).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let place = Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            start_byte: at,
            end_byte: at + 1,
        };
        let message = format!("byte {at} (0x{:02x}) is not UTF-8", bytes[at]);
        vec![Diagnostic::new("TR100", "", &message, "save the file as UTF-8").at(place)]
    })?;
    let faults = unseen(text);
    if faults.is_empty() { Ok(text) } else { Err(faults) }
}

fn unseen(text: &str) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let (mut line, mut column, mut indentation) = (1, 0, true);
    for (start_byte, character) in text.char_indices() {
        column += 1;
        let place = Place { line, column, start_byte, end_byte: start_byte + character.len_utf8() };
        if let Some((code, message, help)) = fault(character, start_byte, indentation) {
            faults.push(Diagnostic::new(code, "", &message, help).at(place));
            if faults.len() == SHOWN_MOST {
                break;
            }
        }
        indentation = (indentation && matches!(character, ' ' | '\t')) || character == '\n';
        if character == '\n' {
            (line, column) = (line + 1, 0);
        }
    }
    faults
}

fn fault(character: char, byte: usize, indentation: bool) -> Option<(&'static str, String, &'static str)> {
    let name = format!("U+{:04X}", u32::from(character));
    match character {
        '\t' if indentation => {
            let help = "indent with spaces; most editors can turn tabs into spaces";
            Some(("TR107", "a tab in the indentation".to_owned(), help))
        }
        '\n' | '\r' | '\t' => None,
        '\u{feff}' if byte == 0 => {
            let help = "save the file as UTF-8 without byte order mark";
            Some(("TR105", format!("a byte order mark ({name}) before the text"), help))
        }
        c if turns_direction(c) => {
            let help = "delete the character; it makes a text look different from what it says";
            Some(("TR105", format!("a character that turns the direction of reading ({name})"), help))
        }
        c if c.is_control() || is_invisible(c) => Some((
            "TR105",
            format!("an invisible character ({name})"),
            "delete the character or type a space",
        )),
        _ => None,
    }
}

/// Whether a text looks different from what it says because of that character. Line breaks and tabs can be seen.
pub fn is_unseen(c: char) -> bool {
    turns_direction(c) || is_invisible(c) || (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
}

/// Bidirectional controls of Unicode.
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Format characters, separators that are not line breaks to YAML, and fillers.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{00a0}' | '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{2028}' | '\u{2029}'
            | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffc}' | '\u{e0000}'..='\u{e0fff}'
    )
}
