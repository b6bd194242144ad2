//! Text for people's eyes: a VPN server chooses part of what its client logs, and must not choose how it looks.

use std::borrow::Cow;

/// The text without what would move a terminal's cursor, colour it, or turn the reading direction.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if text.contains(obeyed) { text.replace(obeyed, "\u{fffd}").into() } else { text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        assert_eq!(
            printable("AUTH_FAILED \u{1b}[2J\u{7}\r\n\u{202e}x"),
            "AUTH_FAILED \u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}\u{fffd}x"
        );
        assert_eq!(printable("entry → exit"), "entry → exit");
    }
}
