//! The guide does what it says: each `console` block of docs/writing-rules.md is run in order, with the files that the
//! guide shows, and its output compared. The references of the command line, of the metrics and of the status page's API are
//! compared in `docs/cli.rs`, `docs/metrics.rs` and `docs/openapi.rs`.

#[path = "docs/cli.rs"]
mod cli;
#[path = "docs/metrics.rs"]
mod metrics;
#[path = "docs/openapi.rs"]
mod openapi;

use std::fs;
use std::path::Path;
use std::process::Command;

use hopkeeper::domain::rule::keys;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/writing-rules.md");

/// A fenced block: its language, its text and the line where it begins.
fn blocks(text: &str) -> Vec<(&str, String, usize)> {
    let mut blocks: Vec<(&str, String, usize)> = Vec::new();
    let mut open = false;
    for (index, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(language), false) => {
                blocks.push((language, String::new(), index + 1));
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let (_, block, _) = blocks.last_mut().expect("should have begun a block");
                block.push_str(line);
                block.push('\n');
            }
            (None, false) => {}
        }
    }
    blocks
}

/// The commands of a console block, each with the output that it must have.
fn commands(block: &str) -> Vec<(&str, String)> {
    let mut commands: Vec<(&str, String)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command, String::new()));
        } else {
            let (_, output) = commands.last_mut().expect("a console block should begin with a command");
            output.push_str(line);
            output.push('\n');
        }
    }
    commands
}

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

#[test]
fn every_command_of_the_guide_prints_what_the_guide_shows() {
    let guide = fs::read_to_string(GUIDE).expect("the guide should be readable");
    let directory = tempfile::tempdir().expect("should make a directory");
    let mut tried = 0;
    for (language, block, line) in blocks(&guide) {
        match language {
            "yaml" => {
                let name = block
                    .lines()
                    .next()
                    .and_then(|first| first.strip_prefix("# "))
                    .expect("a file should begin with its name");
                let file = directory.path().join(name);
                fs::create_dir_all(file.parent().expect("should have a directory")).expect("should make it");
                fs::write(file, block).expect("should write the file");
            }
            "console" => {
                for (command, expected) in commands(&block) {
                    let shown = run(command, directory.path());
                    assert_eq!(shown, expected.trim_end(), "docs/writing-rules.md:{line}: $ {command}");
                    tried += 1;
                }
            }
            "bash" => {} // Needs a cluster: tests/e2e/scenarios/guide.rs.
            other => panic!("docs/writing-rules.md:{line}: a block of {other:?} is not tried by anything"),
        }
    }
    assert!(tried >= 10, "only {tried} commands were found");
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
