//! What is wrong with a rule file, and where: shown as `file:line:column: message` with the place marked.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

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

/// A place in a file; all from 1, width 0 = the word that stands there.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::domain) struct Place {
    pub(in crate::domain) line: usize,
    pub(in crate::domain) column: usize,
    pub(in crate::domain) width: usize,
}

fn token_width(excerpt: &str, column: usize) -> usize {
    excerpt.chars().skip(column - 1).take_while(|c| !c.is_whitespace() && *c != ':').count()
}

struct Marked<'a>(&'a RuleError);

impl fmt::Display for Marked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        let number = error.line.to_string();
        let margin = " ".repeat(number.len());
        // Tabs are kept, so that the caret stands under its character however wide a tab is shown.
        let lead: String =
            error.excerpt.chars().take(error.column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        writeln!(f, " {number} | {}", error.excerpt)?;
        write!(f, " {margin} | {lead}{}", "^".repeat(error.width))
    }
}
