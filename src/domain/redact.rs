//! Masks what may be secret in a log line before anyone but the engine sees it.
//!
//! Rather too much than too little: keys, passwords, tokens, PEM blocks, challenge texts and long random words.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};

const MASK: &str = "[redacted]";
/// What programs say that a password is, which is none.
const STATES: &str = "a an being correct empty expired in incorrect invalid missing needed never no not now only required set the too used wrong";

/// The line with its secrets masked.
pub fn redact(line: &str) -> Cow<'_, str> {
    static PATTERNS: LazyLock<[(Regex, &str); 7]> = LazyLock::new(|| {
        let pattern = |text: &str| Regex::new(text).expect("should be a valid pattern");
        [
            (pattern(r"(?s)-----BEGIN [A-Z0-9 ]+-----.*?(?:-----END [A-Z0-9 ]+-----|$)"), MASK),
            (
                pattern(r#"(?i)(?-u:\b)((?:password|passphrase|passwd|pwd) (?:is:? )?)(?:(')[^']*'?|(")[^"]*"?)"#),
                "${1}${2}${3}[redacted]${2}${3}",
            ),
            // As far as the last `@`: a password may have one, and slashes too.
            (pattern(r"(?i)(?-u:\b)([a-z][a-z0-9+.-]*://[^\s/@:]*:)\S*@"), "${1}[redacted]@"),
            (pattern(r"(?i)\b(auth-token |auth-token-user |SESS_ID_|bearer )[^\s',]+"), "${1}[redacted]"),
            (pattern(r#"\bCMD '(password|username|cr-response|pk-sig)\b.*"#), "CMD '${1} [redacted]"),
            (pattern(r"\b(CRV1|SCRV1):[^']*"), "${1}:[redacted]"),
            (pattern(r"\b(?:hv[sbr]\.|ey[JK][\w-]{8,}\.)[\w.-]{8,}"), MASK),
        ]
    });
    /// What stands after a word for a secret: 1 ends with `is`, 2 is anything else, 3 is the secret.
    static NAMED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(concat!(
            r#"(?i)(?:((?-u:\b)(?:password|passphrase|passwd|pwd) is )|("#,
            r#"(?:pass(?:word|wd|phrase)?|pwd|secret|token|(?:private|preshared|shared|api)[ _-]?key|psk|"#,
            r#"credentials?|authorization|bearer)["']?(?: ?[=:] ?| is: )["']?|"#,
            r#"(?-u:\b)passwd |--auth-pass +["']?))(?:bearer )?([^\s"',;]+)"#
        ))
        .expect("should be a valid pattern")
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
    let masked = NAMED.replace_all(&text, |found: &Captures<'_>| {
        let (before, word) = (found.get(1).or(found.get(2)).map_or("", |before| before.as_str()), &found[3]);
        let is_state = found.get(1).is_some()
            && STATES.split(' ').any(|state| state.eq_ignore_ascii_case(word.trim_end_matches('.')));
        // A file of that name.
        let start = found.get(0).map_or(0, |all| all.start());
        let is_path = before.eq_ignore_ascii_case("passwd ") && text[..start].ends_with(['/', '.', '-']);
        if is_state || is_path { found[0].to_owned() } else { format!("{before}{MASK}") }
    });
    if let Cow::Owned(masked) = masked {
        text = Cow::Owned(masked);
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
            ("to socks5://joe:hunter2@192.0.2.1:1080 failed", "to socks5://joe:[redacted]@192.0.2.1:1080 failed"),
            ("http://:hunter2@proxy/ x", "http://:[redacted]@proxy/ x"),
            ("http://joe:p@ss/w@proxy:3128 x", "http://joe:[redacted]@proxy:3128 x"),
            ("user=joe pwd=hunter2 x", "user=joe pwd=[redacted] x"),
            ("pwd: 'hunter2'", "pwd: '[redacted]'"),
            ("passwd hunter2 x", "passwd [redacted] x"),
            ("Username/Password is hunter2 x", "Username/Password is [redacted] x"),
            ("the passwd is hunter2 x", "the passwd is [redacted] x"),
            ("using password 'hunter2' x", "using password '[redacted]' x"),
            ("using password \"hunter 2\" x", "using password \"[redacted]\" x"),
            ("your Password is hunter2, x", "your Password is [redacted], x"),
            ("password is: 'hunter2' x", "password is: '[redacted]' x"),
            ("openvpn --auth-pass hunter2 --verb 3", "openvpn --auth-pass [redacted] --verb 3"),
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
            "ERROR: Failed retrieving username or password",
            "can't ask for 'Enter Auth Username:'.  If you used --daemon, use --askpass",
            "Password is required, but none was given; the password is not set. Your password is incorrect.",
            "WARNING: this configuration may cache passwords in memory -- use the auth-nocache option to prevent this",
            "Enter Private Key Password:",
            "read /etc/passwd of the container",
            "see http://openvpn.net/howto.html#mitm for more info, or mail joe@example.com",
            "UDPv4 link remote: [AF_INET]192.0.2.1:1194, contact https://example.com:8443/a mail:x@y",
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
