//! Any text as a client's record: each of its logical lines is bounded, and decided the same with and without prefilter.
#![no_main]

use std::sync::LazyLock;

use hopkeeper_fuzz::domain::line::{MAX_LINE_BYTES, logical_lines, program_text};
use hopkeeper_fuzz::domain::rule::Client;
use hopkeeper_fuzz::domain::ruleset::{Line, RuleSet};
use libfuzzer_sys::fuzz_target;

static RULES: LazyLock<RuleSet> = LazyLock::new(RuleSet::shipped);

fuzz_target!(|text: &str| {
    for line in logical_lines(text) {
        assert!(line.len() <= MAX_LINE_BYTES);
        assert!(line.contains(program_text(&line)));
        for client in Client::SOURCES {
            let id = |rule: Option<&hopkeeper_fuzz::domain::rule::Rule>| rule.map(|rule| rule.id.to_string());
            let line = Line::new(client, &*line);
            assert_eq!(id(RULES.decide(&line)), id(RULES.decide_naively(&line)), "{line:?}");
        }
    }
});
