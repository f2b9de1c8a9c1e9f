//! What changed from one text to another, for a page. Pure.

use similar::{ChangeTag, TextDiff};

/// Lines around a change that are shown with it.
const CONTEXT: usize = 3;
/// A treaty of 500 members has about 3,000 lines; a difference longer than this is cut, and the page says so.
const LINES_MAX: usize = 2_000;

/// A difference as `public/difference.html` shows it.
pub struct Difference {
    /// Lines, [`LINES_MAX`] at most.
    pub lines: Vec<Changed>,
    /// There are more.
    pub is_cut: bool,
}

/// A line of a difference.
pub struct Changed {
    /// `+`, `-` or a blank; `…` where lines are left out.
    pub sign: char,
    /// Text.
    pub text: String,
}

impl Difference {
    /// Unified: changed lines with three around them.
    pub fn of(old: &str, new: &str) -> Self {
        let difference = TextDiff::from_lines(old, new);
        let mut lines = Vec::new();
        for (place, group) in difference.grouped_ops(CONTEXT).iter().enumerate() {
            if place > 0 {
                lines.push(Changed { sign: '…', text: String::new() });
            }
            for change in group.iter().flat_map(|part| difference.iter_changes(part)) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                lines.push(Changed { sign, text: change.value().trim_end_matches('\n').to_owned() });
            }
        }
        let is_cut = lines.len() > LINES_MAX;
        lines.truncate(LINES_MAX);
        Self { lines, is_cut }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_and_what_is_around_it() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\n";
        let new = "a\nb\nc\nd\ne\nF\ng\nh\n";
        let shown: String = Difference::of(old, new)
            .lines
            .iter()
            .map(|line| format!("{}{}\n", line.sign, line.text))
            .collect();
        assert_eq!(shown, " c\n d\n e\n-f\n+F\n g\n h\n");
        assert!(Difference::of(old, old).lines.is_empty());
    }
}
