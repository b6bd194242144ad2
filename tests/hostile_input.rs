//! The worst inputs of the largest size that is let in, by an allocator that counts what is held at most. Times are
//! printed; one that grew with the square of the input would take minutes, and be seen.

use std::alloc::System;
use std::time::Instant;

use cap::Cap;
use hopkeeper::domain::envelope;
use hopkeeper::domain::event::{Position, Shard};
use hopkeeper::domain::line::{logical_lines, program_text, unwrap_json};
use hopkeeper::domain::rule::Client;
use hopkeeper::domain::rule::file::{MAX_FILE_BYTES, Strictness, parse};
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::source::MAX_RECORD_BYTES;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// None of them may make the program hold more at once.
const MOST: usize = 160 * 1024 * 1024;

/// Its name, its size, and what is done with it.
type Input<'a> = (String, usize, Box<dyn Fn() + 'a>);

fn repeated(piece: &str, bytes: usize) -> String {
    piece.repeat(bytes / piece.len())
}

fn record(message: &str) -> String {
    let message = serde_json::Value::from(message);
    format!(
        r#"{{"@timestamp":"2026-11-22T16:25:43Z","kubernetes":{{"pod":{{"uid":"u"}},"container":{{"name":"vpn"}}}},"message":{message}}}"#
    )
}

#[test]
fn the_worst_inputs_are_done_in_bounded_memory() {
    let rules = RuleSet::shipped();
    let mut inputs: Vec<Input<'_>> = Vec::new();

    let decode = |bytes: &[u8]| drop(envelope::decode(bytes, Position::new(Shard::new("s"), 0), None));
    for (name, text) in [
        ("arrays in arrays", repeated("[", MAX_RECORD_BYTES)),
        ("objects in objects", repeated("{\"log\":", MAX_RECORD_BYTES)),
        ("a key for each byte", format!("{{{}}}", repeated("\"\":0,", MAX_RECORD_BYTES))),
        ("a message of escapes", record(&repeated("\u{1}\"\\", MAX_RECORD_BYTES / 12))),
        ("a number of digits", format!("{{\"log\":{{\"offset\":{}}}}}", repeated("9", MAX_RECORD_BYTES - 20))),
        (
            "a path of underscores",
            record("x").replace("\"vpn\"", "\"\"").replace(
                "\"message\"",
                &format!(
                    "\"log\":{{\"file\":{{\"path\":\"/pods/{}\"}}}},\"message\"",
                    repeated("_/", MAX_RECORD_BYTES - 300)
                ),
            ),
        ),
    ] {
        inputs.push((format!("envelope: {name}"), text.len(), Box::new(move || decode(text.as_bytes()))));
    }

    for (name, text) in [
        ("escapes", repeated("\x1b[", MAX_RECORD_BYTES)),
        ("colours", repeated("\x1b[1;33m", MAX_RECORD_BYTES)),
        ("line breaks", repeated("\n", MAX_RECORD_BYTES)),
        ("lines of one letter", repeated("x\n", MAX_RECORD_BYTES)),
        ("continuations", format!("x{}", repeated("\n at /", MAX_RECORD_BYTES))),
        ("prefixes", repeated("2026-11-22 16:25:43 [INFO] vpn-1  | ", MAX_RECORD_BYTES)),
        ("almost prefixes", repeated("2026-11-22 16:25:4 ", MAX_RECORD_BYTES)),
        ("braces", repeated("{", MAX_RECORD_BYTES)),
        ("health lines in one", repeated("{\"hopkeeper\":\"health\",", MAX_RECORD_BYTES)),
        ("a message that many rules begin like", repeated("AUTH: TLS Error: VERIFY ERROR: ", MAX_RECORD_BYTES)),
    ] {
        let rules = &rules;
        let work = move || {
            for line in logical_lines(&unwrap_json(&text)) {
                program_text(&line);
            }
            // Clients differ in the rules that read them, not in how: the others meet a part. All are ASCII.
            for (client, part) in Client::SOURCES.into_iter().zip([1].into_iter().chain(std::iter::repeat(16))) {
                rules.decide_record(client, &text[..text.len() / part]);
            }
        };
        inputs.push((format!("line: {name}"), MAX_RECORD_BYTES, Box::new(work)));
    }

    let head = "version: 1\nclient: openvpn\nrules:\n";
    let rule = |rest: &str| format!("  - {{ id: a, title: t, evidence: own, verdict: alert, {rest} }}\n");
    let laughs = (1..20).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
        let before = format!("*a{}", n - 1);
        format!("{text}a{n}: &a{n} [{before}, {before}, {before}, {before}]\n")
    });
    for (name, text) in [
        ("aliases of aliases", laughs),
        ("nesting", repeated("[", MAX_FILE_BYTES)),
        ("nested maps", (0..1_400).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect()),
        ("rules that are all wrong", format!("{head}{}", repeated(&rule("pattern: '('"), MAX_FILE_BYTES - 100))),
        ("rules that are all empty", format!("{head}{}", repeated("  - {}\n", MAX_FILE_BYTES - 100))),
        ("a long pattern", format!("{head}{}", rule(&format!("pattern: '{}'", repeated("(a|b)*", 4_000))))),
        ("a large repetition", format!("{head}{}", rule("pattern: '(?:x{1000}){1000000}'"))),
        ("large classes", format!("{head}{}", rule(&format!("pattern: '{}'", repeated("\\w", 4_000))))),
        ("a scalar", format!("{head}  - id: |\n{}", repeated("      x\n", MAX_FILE_BYTES - 100))),
        ("comments", repeated("#\n", MAX_FILE_BYTES)),
        ("a key for each line", repeated("a: b\n", MAX_FILE_BYTES)),
    ] {
        inputs.push((
            format!("rule file: {name}"),
            text.len(),
            Box::new(move || drop(parse("f", &text, Strictness::User))),
        ));
    }

    for (name, bytes, work) in &inputs {
        let begun = Instant::now();
        work();
        let most = ALLOCATOR.max_allocated();
        println!("{name}: {bytes} bytes, {:?}, at most {} MiB held so far", begun.elapsed(), most / 1024 / 1024);
        assert!(most <= MOST, "{name}: {most} bytes held for {bytes}");
    }
}
