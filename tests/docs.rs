//! The documents do what they say: each `console` block of a guide is run in order, with the files that the guide shows, and its
//! output compared. The references of the command line, of the metrics and of the status page's API are
//! compared in `docs/cli.rs`, `docs/metrics.rs` and `docs/openapi.rs`.

#[path = "docs/cli.rs"]
mod cli;
#[path = "docs/links.rs"]
mod links;
#[path = "shared/markdown.rs"]
mod markdown;
#[path = "docs/metrics.rs"]
mod metrics;
#[path = "docs/openapi.rs"]
mod openapi;
#[path = "docs/translations.rs"]
mod translations;

use std::fs;
use std::path::Path;
use std::process::Command;

use hopkeeper::domain::rule::keys;

use markdown::blocks;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/writing-rules.md");

fn run(command: &str, directory: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_hopkeeper")).parent().expect("should be in a directory");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", &format!("{{ {command}\n}} 2>&1")])
        .current_dir(directory)
        .env("PATH", format!("{}:{path}", program.display()))
        .env("NO_COLOR", "1")
        .env_remove("HOPKEEPER_NO_SHIPPED_RULES")
        .output()
        .expect("bash should run");
    // The error report ends with an empty line.
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

/// Runs a document's `console` blocks in an empty directory; how many commands that were.
fn tried(document: &str) -> usize {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).expect("it should be readable");
    let directory = tempfile::tempdir().expect("should make a directory");
    let mut tried = 0;
    for block in blocks(&text) {
        let (line, name) = (block.line, block.text.lines().next().and_then(|first| first.strip_prefix("# ")));
        match (block.language, name) {
            ("yaml" | "text", Some(name)) => {
                let file = directory.path().join(name);
                fs::create_dir_all(file.parent().expect("should have a directory")).expect("should make it");
                fs::write(file, &block.text).expect("should write the file");
            }
            ("console", _) => {
                for (command, expected) in block.session() {
                    let shown = run(&command, directory.path());
                    assert_eq!(shown, expected.trim_end(), "{document}:{line}: $ {command}");
                    tried += 1;
                }
            }
            ("bash", _) => {} // Needs a cluster: tests/e2e/scenarios/guide.rs.
            (other, _) => {
                panic!("{document}:{line}: a block of {other:?} is not tried by anything, or a file without a name")
            }
        }
    }
    tried
}

#[test]
fn every_command_of_the_guide_to_rules_prints_what_the_guide_shows() {
    let tried = tried("docs/writing-rules.md");
    assert!(tried >= 10, "only {tried} commands were found");
}

#[test]
fn every_command_of_the_way_from_gluetun_prints_what_it_shows() {
    assert_eq!(tried("docs/how-to/migrate-from-gluetun.md"), 6);
}

#[test]
fn the_guide_explains_every_key_and_no_other() {
    let guide = fs::read_to_string(GUIDE).expect("the guide should be readable");
    let table = guide
        .split("## What the keys mean")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next())
        .expect("should be there");
    let mut explained: Vec<&str> = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('`').next()).collect();
    let mut known: Vec<&str> = keys::FILE.iter().chain(keys::RULE).map(|key| key.name).collect();
    for keys in [&mut explained, &mut known] {
        keys.sort_unstable();
        keys.dedup();
    }
    assert_eq!(explained, known);
}
