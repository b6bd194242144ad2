//! Compiles a rule's pattern within bounds; what is wrong with one is told at its own character.

use regex::{Regex, RegexBuilder};

use super::error::Place;
use super::scalar;

/// A pattern longer than this is refused.
pub(super) const MAX_CHARS: usize = 4096;
/// A compiled pattern larger than this is refused, not compiled: the compiler stops at the bound.
const MAX_COMPILED_BYTES: usize = 1024 * 1024;

/// Compiles `pattern`, which stands at `at` in `source`.
///
/// # Errors
/// The place of what is wrong with it, and what that is.
pub(super) fn compile(source: &str, at: Place, pattern: &str) -> Result<Regex, (Place, String)> {
    if pattern.is_empty() {
        return Err((at, "the pattern is empty; write the program's words, beginning with ^".to_owned()));
    }
    if pattern.chars().count() > MAX_CHARS {
        return Err((at, format!("the pattern has more than {MAX_CHARS} characters; split the rule")));
    }
    builder(pattern, MAX_COMPILED_BYTES).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => {
            (at, format!("the pattern compiles to more than {limit} bytes; use smaller repetitions"))
        }
        error => match regex_syntax::Parser::new().parse(pattern).err().map(|e| syntax_error(&e)) {
            Some((Some((offset, width)), message)) => {
                let place = scalar::within(source, at, offset, width).unwrap_or(at);
                (place, format!("the pattern is no regular expression: {message}"))
            }
            Some((None, message)) => (at, format!("the pattern is no regular expression: {message}")),
            None => (at, format!("the pattern is no regular expression: {error}")),
        },
    })
}

/// True when a pattern takes more than half of what it may.
pub(super) fn is_large(pattern: &str) -> bool {
    matches!(builder(pattern, MAX_COMPILED_BYTES / 2).build(), Err(regex::Error::CompiledTooBig(_)))
}

fn builder(pattern: &str, limit: usize) -> RegexBuilder {
    let mut builder = RegexBuilder::new(pattern);
    builder.size_limit(limit).dfa_size_limit(4 * MAX_COMPILED_BYTES).nest_limit(50);
    builder
}

/// Where in the pattern (characters from 0, width), what, and for common slips what to write instead.
fn syntax_error(error: &regex_syntax::Error) -> (Option<(usize, usize)>, String) {
    use regex_syntax::ast::ErrorKind;
    let (span, message, remedy) = match error {
        regex_syntax::Error::Parse(e) => {
            let remedy = match e.kind() {
                ErrorKind::GroupUnclosed | ErrorKind::GroupUnopened => {
                    "; a parenthesis of the text is written \\( or \\)"
                }
                ErrorKind::ClassUnclosed => "; a bracket of the text is written \\[",
                ErrorKind::RepetitionMissing => "; a *, + or ? of the text is written \\*, \\+ or \\?",
                ErrorKind::RepetitionCountInvalid | ErrorKind::RepetitionCountUnclosed => {
                    "; a brace of the text is written \\{"
                }
                ErrorKind::UnsupportedLookAround => "; use \"unless\" for what must not be there",
                ErrorKind::UnsupportedBackreference => "; there are no back references",
                _ => "",
            };
            (Some(*e.span()), e.kind().to_string(), remedy)
        }
        regex_syntax::Error::Translate(e) => (Some(*e.span()), e.kind().to_string(), ""),
        other => (None, other.to_string(), ""),
    };
    let place = span.map(|s| (s.start.column - 1, s.end.column.saturating_sub(s.start.column).max(1)));
    (place, format!("{message}{remedy}"))
}
