//! Whatever a pool holds: no content reaches an error or a note, and nothing dangerous reaches a client.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::tests::raw;
use super::*;

const SECRET: &str = "s3cr3tC4nary";
const DANGEROUS: [&str; 14] = [
    "script-security",
    "up",
    "down",
    "plugin",
    "route-up",
    "ipchange",
    "tls-verify",
    "management",
    "config",
    "log",
    "user",
    "daemon",
    "engine",
    "cd",
];
const CA: &str = "<ca>\nx\n</ca>\n";

/// Lines that a hostile or broken profile may consist of.
fn line() -> impl Strategy<Value = String> {
    let directive = prop_oneof![
        proptest::sample::select(&DANGEROUS[..]).prop_map(ToOwned::to_owned),
        proptest::sample::select(vec![
            "remote",
            "cipher",
            "auth",
            "verify-x509-name",
            "pull-filter",
            "<cert>",
            "</cert>",
            "<connection>",
            "</connection>",
            "</ca>",
            "<ca>",
            "proto",
            "setenv",
            "--up",
            "tls-auth",
            "key-direction"
        ])
        .prop_map(ToOwned::to_owned),
        Just(SECRET.to_owned()),
    ];
    let value = prop_oneof![
        Just(SECRET.to_owned()),
        Just(format!("\"{SECRET} \\\" up /bin/sh\"")),
        Just(format!("x\\\\ {SECRET}")),
        Just("\u{b}up /bin/sh".to_owned()),
        Just("\rup /bin/sh".to_owned()),
        Just(format!("{}</ca>", "a".repeat(245))),
        Just(format!("#{}up /bin/sh", " ".repeat(254))),
        "[ -~]{0,30}",
        Just("203.0.113.1".to_owned()),
    ];
    let prefix = proptest::sample::select(vec!["", " ", "\t", "--", "#", ";", "\u{feff}", "\u{a0}"]);
    (prefix, directive, proptest::collection::vec(value, 0..3))
        .prop_map(|(prefix, directive, values)| format!("{prefix}{directive} {}", values.join(" ")))
}

fn profile() -> impl Strategy<Value = String> {
    proptest::collection::vec(line(), 0..12)
        .prop_map(|lines| format!("remote 203.0.113.7 1194\n{CA}{}\n", lines.join("\n")))
}

/// The directives of a rendered file as OpenVPN would read them: outside of blocks, cut at 255 bytes.
fn directives(text: &str) -> Vec<String> {
    let (mut block, mut found) = (None::<String>, Vec::new());
    let cut = text.lines().flat_map(|line| {
        let bytes = line.as_bytes();
        bytes.chunks(255).map(|chunk| String::from_utf8_lossy(chunk).into_owned()).collect::<Vec<_>>()
    });
    for line in cut {
        let line = line.trim_start();
        match &block {
            Some(tag) if line.starts_with(&format!("</{tag}>")) => block = None,
            Some(_) => {}
            None if line.starts_with('<') => block = Some(line.trim_matches(['<', '>']).to_owned()),
            None => found.extend(line.split_whitespace().next().map(|word| word.trim_start_matches("--").to_owned())),
        }
    }
    assert!(block.is_none(), "every block should be closed");
    found
}

fn shows_secret(value: &impl fmt::Debug, displayed: &str) -> bool {
    format!("{value:?} {displayed}").contains(SECRET)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_secret_is_shown_and_nothing_dangerous_survives(profile in profile()) {
        let raw = raw(&[("profile", &profile), ("username", SECRET), ("password", SECRET)]);
        match parse(Implementation::OpenVpn, Transport::Any, &raw) {
            Err(error) => prop_assert!(!shows_secret(&error, &error.to_string())),
            Ok(parameters) => {
                prop_assert!(!shows_secret(&parameters.notes, ""));
                if let Ok(resolved) = parameters.resolve(&BTreeMap::new()) {
                    let config = resolved.files["client.conf"].expose_secret();
                    for directive in directives(config) {
                        prop_assert!(!DANGEROUS.contains(&directive.as_str()), "{} in:\n{}", directive, config);
                    }
                }
            }
        }
    }

    #[test]
    fn no_wireguard_configuration_shows_its_content(
        lines in proptest::collection::vec("(PrivateKey|PostUp|Address|Endpoint|AllowedIPs|x|\\[Peer\\]|\\[Interface\\])( = |)(s3cr3tC4nary|10\\.0\\.0\\.1/32|)", 0..10)
    ) {
        let raw = raw(&[("config", &lines.join("\n"))]);
        if let Err(error) = parse(Implementation::BoringTun, Transport::Any, &raw) {
            prop_assert!(!shows_secret(&error, &error.to_string()));
        }
    }
}
