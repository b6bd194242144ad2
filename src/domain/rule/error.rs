//! What is wrong with a rule file, and where: shown as `file:line:column: message` with the place marked.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Longer lines are cut where they are shown.
const MAX_SHOWN: usize = 160;
/// So much is shown before the place.
const LEAD: usize = 40;

/// One thing wrong in a rule file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct RuleError {
    /// The file's name.
    pub file: Arc<str>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
    /// The line itself.
    pub excerpt: String,
    /// How many characters to mark; at least 1.
    pub width: usize,
}

impl RuleError {
    pub(in crate::domain) fn at(file: &Arc<str>, source: &str, place: Place, message: impl Into<String>) -> Self {
        let line = place.line.max(1);
        let excerpt = source.lines().nth(line - 1).unwrap_or_default().to_owned();
        let column = place.column.max(1);
        let room = excerpt.chars().count().saturating_sub(column - 1);
        let width = if place.width == 0 { token_width(&excerpt, column) } else { place.width }.min(room).max(1);
        Self { file: Arc::clone(file), line, column, message: message.into(), excerpt, width }
    }

    /// The line with a caret under the place.
    pub fn marked(&self) -> impl fmt::Display + '_ {
        Marked(self)
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How many characters; 0 = the word that stands there.
    pub width: usize,
}

fn token_width(excerpt: &str, column: usize) -> usize {
    excerpt.chars().skip(column - 1).take_while(|c| !c.is_whitespace() && !matches!(c, ':' | ',')).count()
}

struct Marked<'a>(&'a RuleError);

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        let number = error.line.to_string();
        let margin = " ".repeat(number.len());
        // A long line is shown around the place only.
        let length = error.excerpt.chars().count();
        let from = if length > MAX_SHOWN { (error.column - 1).saturating_sub(LEAD) } else { 0 };
        let excerpt: String = error.excerpt.chars().skip(from).take(MAX_SHOWN).collect();
        let (before, after) = (if from > 0 { "…" } else { "" }, if length > from + MAX_SHOWN { "…" } else { "" });
        let place = error.column - 1 - from;
        // Tabs are kept, so that the caret stands under its character however wide a tab is shown.
        let lead: String = excerpt.chars().take(place).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let lead = format!("{}{lead}", " ".repeat(before.chars().count()));
        writeln!(f, " {number} | {before}{excerpt}{after}")?;
        write!(f, " {margin} | {lead}{}", "^".repeat(error.width.min(MAX_SHOWN - place.min(MAX_SHOWN - 1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let source = format!("{}(x{}", "a".repeat(500), "b".repeat(500));
        let place = Place { line: 1, column: 501, width: 1 };
        let marked = RuleError::at(&Arc::from("a.yaml"), &source, place, "m").marked().to_string();
        let lines: Vec<&str> = marked.lines().collect();
        assert!(lines[0].starts_with(" 1 | …a") && lines[0].ends_with("b…"), "{marked}");
        let caret = lines[1].chars().position(|c| c == '^').expect("should have a caret");
        assert_eq!(lines[0].chars().nth(caret), Some('('), "{marked}");
        assert!(lines[0].chars().count() < 200);
    }
}
