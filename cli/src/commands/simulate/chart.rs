//! tbd
use super::trials::{Answer, Question};
/// Draws.
pub fn draw(_question: &Question<'_>, _answer: &Answer) -> String { String::new() }
