//! Masks what may be secret in a log line before anyone but the engine sees it.
//!
//! Rather too much than too little: keys, passwords, tokens, PEM blocks, challenge texts and long random words.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

const MASK: &str = "[redacted]";

/// The line with its secrets masked.
pub fn redact(line: &str) -> Cow<'_, str> {
    static PATTERNS: LazyLock<[(Regex, &str); 6]> = LazyLock::new(|| {
        let pattern = |text: &str| Regex::new(text).expect("should be a valid pattern");
        [
            (pattern(r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)"), MASK),
            (
                pattern(concat!(
                    r#"(?i)((?:pass(?:word|wd|phrase)?|secret|token|(?:private|preshared|shared|api)[ _-]?key|psk|"#,
                    r#"credentials?|authorization|bearer)["']?(?: ?[=:] ?)["']?)(?:bearer )?[^\s"',;]+"#
                )),
                "${1}[redacted]",
            ),
            (pattern(r"(?i)\b(auth-token |auth-token-user |SESS_ID_|bearer )[^\s',]+"), "${1}[redacted]"),
            (pattern(r#"\bCMD '(password|username|cr-response|pk-sig)\b.*"#), "CMD '${1} [redacted]"),
            (pattern(r"\b(CRV1|SCRV1):[^']*"), "${1}:[redacted]"),
            (pattern(r"\b(?:hv[sbr]\.|ey[JK][\w-]{8,}\.)[\w.-]{8,}"), MASK),
        ]
    });
    /// Words that look random: WireGuard keys, hex blobs, base64.
    static WORD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"[A-Za-z0-9+/_-]{32,}={0,2}").expect("should be a valid pattern"));

    let mut text = Cow::Borrowed(line);
    for (pattern, mask) in PATTERNS.iter() {
        if let Cow::Owned(masked) = pattern.replace_all(&text, *mask) {
            text = Cow::Owned(masked);
        }
    }
    let masked = WORD.replace_all(
        &text,
        |found: &Captures<'_>| {
            if looks_random(&found[0]) { MASK.to_owned() } else { found[0].to_owned() }
        },
    );
    if let Cow::Owned(masked) = masked {
        text = Cow::Owned(masked);
    }
    text
}

/// The redacted line, cut to `max` characters.
pub fn excerpt(line: &str, max: usize) -> String {
    // Secrets at the cut would be cut to something that no pattern knows: mask first, and scan no more than needed.
    let mut end = line.len().min(max.saturating_mul(8));
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    let masked = redact(&line[..end]);
    let mut text: String = masked.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max).collect();
    if masked.chars().nth(max).is_some() || end < line.len() {
        text.pop();
        text.push('…');
    }
    text
}

/// A path or a sentence in dashes has no such mix of letters, capitals and digits.
fn looks_random(word: &str) -> bool {
    let body = word.trim_end_matches('=');
    let hex = body.bytes().all(|b| b.is_ascii_hexdigit());
    let digit = body.bytes().any(|b| b.is_ascii_digit());
    let lower = body.bytes().any(|b| b.is_ascii_lowercase());
    let upper = body.bytes().any(|b| b.is_ascii_uppercase());
    (hex && digit)
        || (digit && lower && upper)
        || (word.len() == 44 && word.ends_with('='))
        || (lower && upper && !body.contains(['/', '-', '_']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked() {
        for (line, expected) in [
            ("private_key=yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=", "private_key=[redacted]"),
            ("peer yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk= gone", "peer [redacted] gone"),
            ("key c809fe5d3e2d76e8fcd4bb2e95f2a1b1c809fe5d3e2d76e8fcd4bb2e95f2a1b1 x", "key [redacted] x"),
            ("password: hunter2 rest", "password: [redacted] rest"),
            ("MANAGEMENT: CMD 'password \"Auth\" \"x\"'", "MANAGEMENT: CMD 'password [redacted]"),
            ("token=abc,x", "token=[redacted],x"),
            ("PUSH_REPLY,auth-token SESS_ID_AT_abc/def,x", "PUSH_REPLY,auth-token [redacted],x"),
            ("AUTH_FAILED,CRV1:R,E:Om01u7Fh4LrGBS7uh0SWmzwabUiGiW6l:Y3Ix:Please enter", "AUTH_FAILED,CRV1:[redacted]"),
            ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY----- tail", "[redacted] tail"),
            ("-----BEGIN PRIVATE KEY----- abc", "[redacted]"),
            ("vault hvs.CAESIJabcdefghijkl", "vault [redacted]"),
            ("Authorization: Bearer eyJhbGciOi.eyJzdWIiOiIx.abc", "Authorization: [redacted]"),
        ] {
            assert_eq!(redact(line), expected, "{line}");
        }
    }

    #[test]
    fn program_text_is_left_alone() {
        for line in [
            "AUTH: Received control message: AUTH_FAILED",
            "TLS Auth Error: Auth Username/Password verification failed for peer",
            "TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)",
            "boringtun::noise::timers: HANDSHAKE(REKEY_TIMEOUT) at /build/boringtun-0.7.1/src/noise/timers.rs:234",
            "ERROR: Cannot open TUN/TAP dev /dev/net/tun: No such file or directory (errno=2)",
            "peer(EvkR…GknM) - UAPI: Updating preshared key",
        ] {
            assert_eq!(redact(line), line);
        }
    }

    #[test]
    fn an_excerpt_is_short_and_on_one_line() {
        assert_eq!(excerpt("a\nb", 10), "a b");
        let cut = excerpt(&"ab ".repeat(1000), 512);
        assert_eq!(cut.chars().count(), 512);
        assert!(cut.ends_with('…'));
    }
}
