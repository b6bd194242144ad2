//! Can a server print, inside of another message, text that a pattern matches?
//!
//! It can where the pattern does not begin at the start of the program's own text, or begins there with "anything".

use regex_syntax::ast::{AssertionKind, Ast, Span, parse::Parser};
use regex_syntax::hir::Look;

/// After this many letters of the program's own, what follows is within a known message.
const OWN_TEXT: usize = 3;

/// How a pattern fails to be bound to the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loose {
    /// This part may match anywhere.
    NotAnchored,
    /// It begins at the start, but this part lets anything come before the words.
    AnythingFirst,
}

/// Where a pattern is loose: characters from 0, width.
pub(super) fn loose(pattern: &str) -> Option<(Loose, usize, usize)> {
    let ast = Parser::new().parse(pattern).ok()?;
    let hir = regex_syntax::Parser::new().parse(pattern).ok()?;
    let begins = hir.properties().look_set_prefix();
    let found = if begins.contains(Look::Start) || begins.contains(Look::StartLF) {
        (Loose::AnythingFirst, anything(&ast, &mut 0)?)
    } else {
        (Loose::NotAnchored, *unanchored(&ast).unwrap_or(ast.span()))
    };
    let (kind, span) = found;
    let start = pattern[..span.start.offset].chars().count();
    let width = pattern[span.start.offset..span.end.offset].chars().count();
    Some((kind, start, width.max(1)))
}

/// The first alternative that does not begin with an anchor.
fn unanchored(ast: &Ast) -> Option<&Span> {
    match ast {
        Ast::Assertion(assertion) => match assertion.kind {
            AssertionKind::StartLine | AssertionKind::StartText => None,
            _ => Some(&assertion.span),
        },
        Ast::Group(group) => unanchored(&group.ast),
        Ast::Alternation(branches) => branches.asts.iter().find_map(unanchored),
        Ast::Concat(parts) => {
            // Flags and other assertions take no text: the anchor may come after them.
            let takes_text = |ast: &&Ast| !matches!(ast, Ast::Flags(_) | Ast::Empty(_));
            let first = parts.asts.iter().find(takes_text)?;
            match unanchored(first) {
                None => None,
                // A single first letter says little; the words are what is meant.
                Some(_) if !matches!(first, Ast::Group(_) | Ast::Alternation(_)) => Some(&parts.span),
                found => found,
            }
        }
        other => Some(other.span()),
    }
}

/// The first `.*` or `.+` before which the program has not printed text of its own; `own` counts its letters.
fn anything(ast: &Ast, own: &mut usize) -> Option<Span> {
    if *own >= OWN_TEXT {
        return None;
    }
    match ast {
        Ast::Literal(_) => {
            *own += 1;
            None
        }
        Ast::Repetition(repetition) => {
            let is_open = !matches!(
                &repetition.op.kind,
                regex_syntax::ast::RepetitionKind::ZeroOrOne | regex_syntax::ast::RepetitionKind::Range(_)
            );
            if is_open && matches!(*repetition.ast, Ast::Dot(_)) {
                return Some(repetition.span);
            }
            // What may be missing is no text of its own.
            anything(&repetition.ast, &mut own.clone())
        }
        Ast::Group(group) => anything(&group.ast, own),
        Ast::Concat(parts) => parts.asts.iter().find_map(|part| anything(part, own)),
        Ast::Alternation(branches) => {
            let mut fewest = usize::MAX;
            for branch in &branches.asts {
                let mut so_far = *own;
                if let Some(found) = anything(branch, &mut so_far) {
                    return Some(found);
                }
                fewest = fewest.min(so_far);
            }
            *own = fewest;
            None
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(pattern: &str) -> Option<(Loose, String)> {
        let (kind, start, width) = loose(pattern)?;
        Some((kind, pattern.chars().skip(start).take(width).collect()))
    }

    #[test]
    fn every_alternative_must_begin_at_the_start_of_the_programs_text() {
        use Loose::{AnythingFirst, NotAnchored};
        for (pattern, expected) in [
            ("^AUTH", None),
            ("(?i)^auth", None),
            (r"\AAUTH", None),
            ("^(?:a|b)", None),
            ("(?:^a|^b)", None),
            ("^a|^b", None),
            ("(?m)^a", None),
            ("(?x) ^ a", None),
            ("AUTH", Some((NotAnchored, "AUTH"))),
            ("(?i)auth", Some((NotAnchored, "(?i)auth"))),
            ("^a|bcd", Some((NotAnchored, "bcd"))),
            ("(?:^a|bcd)e", Some((NotAnchored, "bcd"))),
            ("^?a", Some((NotAnchored, "^?a"))),
            (r"\bAUTH", Some((NotAnchored, r"\bAUTH"))),
            ("^.*AUTH", Some((AnythingFirst, ".*"))),
            ("^(?:.+ )?AUTH", Some((AnythingFirst, ".+"))),
            (r"^\[.*\] AUTH", Some((AnythingFirst, ".*"))),
            ("^(?:TLS: |.*)AUTH", Some((AnythingFirst, ".*"))),
            ("^PUSH: .*AUTH", None),
            (r"^\[[^\]]*\] Inactivity", None),
        ] {
            let expected = expected.map(|(kind, text)| (kind, text.to_owned()));
            assert_eq!(marked(pattern), expected, "{pattern}");
        }
    }
}
