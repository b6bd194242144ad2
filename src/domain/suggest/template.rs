//! A line's template: its own words, with what changes from line to line (numbers, addresses, keys, names in quotes)
//! taken out. Lines of one template are of one kind.

use std::sync::LazyLock;

use regex::Regex;

/// A template covers at most so many characters of a line: what follows is seldom the program's own.
const MAX_CHARS: usize = 200;

/// What stands in a line's place of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A secret that was masked.
    Secret,
    /// Text in quotes.
    Quoted,
    /// A link.
    Url,
    /// A date, a time, or both.
    Time,
    /// An IP address, with or without a port, or a hardware address.
    Address,
    /// A key, its short form, a UUID or another long number in base 16.
    Key,
    /// A file's path.
    Path,
    /// A number.
    Number,
    /// A word that was seen to change.
    Word,
}

impl Class {
    /// A regular expression that matches whatever was found to be of this class.
    pub fn pattern(self) -> &'static str {
        match self {
            Self::Secret | Self::Word => r"\S+",
            Self::Quoted => r#"(?:"[^"]*"|'[^']*'|`[^`']*')"#,
            Self::Url => r"[a-z]+://\S+",
            Self::Time => r"[0-9][0-9T:./+Z-]+",
            Self::Address => r"[0-9A-Fa-f.:%/]+",
            Self::Key => r"[0-9A-Za-z+/=…-]+",
            Self::Path => r"/\S+",
            Self::Number => r"[0-9][0-9.,]*",
        }
    }

    /// How the title calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "<secret>",
            Self::Quoted => "<text>",
            Self::Url => "<link>",
            Self::Time => "<time>",
            Self::Address => "<address>",
            Self::Key => "<key>",
            Self::Path => "<path>",
            Self::Number => "<number>",
            Self::Word => "<word>",
        }
    }
}

/// One piece of a template.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Piece {
    /// The program's own words.
    Text(String),
    /// What changes.
    Change(Class),
}

/// A kind of line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Template(pub Vec<Piece>);

impl Template {
    /// The template of a program's text (see `line::program_text`).
    pub fn of(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = first_words(text);
        let mut before: Option<char> = None;
        while !rest.is_empty() {
            let found = find_change(rest, before);
            let Some((class, start, end)) = found else {
                push_words(&mut pieces, rest);
                break;
            };
            push_words(&mut pieces, &rest[..start]);
            pieces.push(Piece::Change(class));
            before = rest[..end].chars().next_back();
            rest = &rest[end..];
        }
        Self(pieces)
    }

    /// A regular expression that matches every line of the template, from its start on.
    pub fn pattern(&self) -> String {
        let mut pattern = String::from("^");
        for piece in &self.0 {
            match piece {
                // A dash needs no escape outside of brackets, and people read this.
                Piece::Text(text) => pattern.push_str(&regex::escape(text).replace("\\-", "-")),
                Piece::Change(class) => pattern.push_str(class.pattern()),
            }
        }
        pattern
    }

    /// The template for people.
    pub fn title(&self) -> String {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Change(class) => class.name(),
        });
        parts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The longest of the program's own words: none worth a rule below three letters.
    pub fn longest_word(&self) -> usize {
        let words = self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => text.split(|c: char| !c.is_alphabetic()).map(|word| word.chars().count()).max(),
            Piece::Change(_) => None,
        });
        words.max().unwrap_or(0)
    }
}

/// Words and the spaces between them as pieces of their own, so that a word can be found to change.
fn push_words(pieces: &mut Vec<Piece>, text: &str) {
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let spaces = first.is_whitespace();
        let end = rest.find(|c: char| c.is_whitespace() != spaces).unwrap_or(rest.len());
        pieces.push(Piece::Text(rest[..end].to_owned()));
        rest = &rest[end..];
    }
}

/// Whole words up to [`MAX_CHARS`]; a first word that is longer is cut.
fn first_words(text: &str) -> &str {
    let Some((limit, _)) = text.char_indices().nth(MAX_CHARS) else { return text };
    let cut = &text[..limit];
    cut.rfind(char::is_whitespace).filter(|at| *at > 0).map_or(cut, |at| cut[..at].trim_end())
}

/// The first place of change: its class and where it is.
fn find_change(text: &str, before: Option<char>) -> Option<(Class, usize, usize)> {
    /// In this order where several begin at one place.
    const CLASSES: [Class; 8] =
        [Class::Secret, Class::Quoted, Class::Url, Class::Time, Class::Address, Class::Key, Class::Path, Class::Number];
    static CHANGES: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r"(\[redacted\])",
            r#"|("[^"]*"|'[^']*'|`[^`']*')"#,
            r"|(https?://[^\s'\x22]+)",
            r"|([0-9]{4}[-/][0-9]{2}[-/][0-9]{2}(?:T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?Z?)?|[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)",
            r"|((?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:/[0-9]{1,2})?(?::[0-9]{1,5})?|(?:[0-9A-Fa-f]{1,4}:){3,7}(?::?[0-9A-Fa-f]{1,4})(?:/[0-9]{1,3})?|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*::(?:[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4})*)?(?:/[0-9]{1,3})?)",
            r"|(0x[0-9A-Fa-f]+|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[0-9A-Za-z+/]{4}…[0-9A-Za-z+/=]{4}|[0-9A-Fa-f]{12,})",
            r"|(/[0-9A-Za-z_.@+-]+(?:/[0-9A-Za-z_.@+-]*)+)",
            r"|([0-9]+(?:[.,][0-9]+)*)",
        ))
        .expect("should be a valid pattern")
    });
    let mut from = 0;
    while let Some(captures) = CHANGES.captures_at(text, from) {
        let (class, found) = (CLASSES.iter().enumerate())
            .find_map(|(n, class)| captures.get(n + 1).map(|found| (*class, found)))
            .expect("should have one of its groups");
        let previous = text[..found.start()].chars().next_back().or(before.filter(|_| found.start() == 0));
        let inside_a_word = previous.is_some_and(char::is_alphanumeric);
        // The quote in "can't" opens nothing, and the d's of "added" are no number. Numbers may end a name: wg0.
        if inside_a_word && class != Class::Number {
            from = found.start() + text[found.start()..].chars().next().map_or(1, char::len_utf8);
            continue;
        }
        return Some((class, found.start(), found.end()));
    }
    None
}
