//! The two signs that regexes without regard to case take for letters of ASCII: the long s and the Kelvin sign.
//!
//! Texts to look for are written with the letters, so lines with a sign, which hardly any log has, are read so too.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::domain::ruleset::literal;

static FINDERS: LazyLock<[Finder<'static>; 2]> = LazyLock::new(|| literal::SIGNS.map(|(sign, _)| Finder::new(sign)));

/// The text with letters for the signs; nothing when there are none.
pub(super) fn as_letters(text: &str) -> Option<String> {
    has_sign(text).then(|| literal::as_letters(text))
}

fn has_sign(text: &str) -> bool {
    !text.is_ascii() && FINDERS.iter().any(|finder| finder.find(text.as_bytes()).is_some())
}

/// Calls `each` with parts of the text and where they begin, which together are all of it; lines with a sign by
/// themselves, with letters for it.
pub(super) fn for_each_part(text: &str, mut each: impl FnMut(&str, usize)) {
    if !has_sign(text) {
        return each(text, 0);
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        match as_letters(line) {
            Some(plain) => each(&plain, start),
            None => each(line, start),
        }
        start += line.len();
    }
}
