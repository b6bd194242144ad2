//! The command itself: its formats, inputs and mistakes.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::support::{Scenario, root, scenarios};

pub(crate) fn run(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_hopkeeper"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("should start");
    // A command that does not read its input has closed it.
    let _ = child.stdin.take().expect("should be piped").write_all(stdin.as_bytes());
    child.wait_with_output().expect("should end")
}

pub(crate) fn out(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("should be text")
}

pub(crate) fn directory(name: &str) -> (String, String) {
    let path = root().join(name);
    (path.join("chain.yaml").display().to_string(), path.display().to_string())
}

#[test]
fn each_decision_is_one_json_object_with_all_keys() {
    let (chain, logs) = directory("entry-ovpn-auth-failed");
    let text = out(&run(&["replay", "--chain", &chain, "--logs", &logs, "--format", "json"], ""));
    let first = text.lines().next().unwrap();
    assert_eq!(
        first,
        r#"{"time":"2026-11-22T16:25:54Z","hop":"entry","verdict":"rotate","rule":"openvpn-auth-failed","evidence":"own","cause":null,"action":"rotate"}"#
    );
    let second: serde_json::Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&second["hop"], &second["cause"], &second["action"]),
        (&"middle".into(), &"entry".into(), &"hold".into())
    );
}

#[test]
fn people_get_a_table_and_a_summary() {
    let (chain, logs) = directory("exit-ovpn-auth-failed");
    let text = out(&run(&["replay", "--chain", &chain, "--logs", &logs], ""));
    assert!(text.contains("after") && text.contains("The server rejected the user name or password"), "{text}");
    assert!(text.ends_with("\nhop at fault: exit (rotate, openvpn-auth-failed)\n"), "{text}");
    let (chain, logs) = directory("ok-ovpn-wg-ovpn");
    let text = out(&run(&["replay", "--chain", &chain, "--logs", &logs], ""));
    assert!(text.ends_with("no decision: the lines prove no fault\n"), "{text}");
}

/// A recording as Filebeat would ship it.
pub(crate) fn shipped(scenario: &Scenario) -> String {
    let mut records: Vec<_> = scenario.records.iter().enumerate().collect();
    records.sort_by_key(|(_, record)| record.time);
    let mut text = String::new();
    for (offset, record) in records {
        let hop = &scenario.chain.hops[record.hop].name;
        let event = serde_json::json!({
            "@timestamp": record.time, "message": record.text, "log": {"offset": offset},
            "kubernetes": {"namespace": "default", "container": {"name": "vpn"},
                           "pod": {"name": format!("lab-{hop}-5d9c7-x2x"), "uid": format!("uid-{hop}")}},
        });
        text.push_str(&format!("{event}\n"));
    }
    text
}

#[test]
fn a_shippers_file_standard_input_and_a_directory_come_to_the_same() {
    let temporary = tempfile::tempdir().unwrap();
    for scenario in scenarios().into_iter().step_by(5) {
        let (chain, logs) = directory(&scenario.name);
        let json = |logs: &str, input: &str| {
            out(&run(&["replay", "--chain", &chain, "--logs", logs, "--format", "json"], input))
        };
        let expected = json(&logs, "");
        let other_pod = r#"{"@timestamp":"2026-11-22T16:25:54Z","message":"AUTH: Received control message: AUTH_FAILED","kubernetes":{"namespace":"default","container":{"name":"vpn"},"pod":{"name":"other-entry-1","uid":"u"}}}"#;
        let text = format!("{other_pod}\n{}not json\n", shipped(&scenario));
        assert_eq!(json("-", &text), expected, "{}", scenario.name);
        let plain = temporary.path().join("records.ndjson");
        std::fs::write(&plain, &text).unwrap();
        assert_eq!(json(&plain.display().to_string(), ""), expected, "{}", scenario.name);
        let zipped = temporary.path().join("records.ndjson.gz");
        let mut encoder =
            flate2::write::GzEncoder::new(std::fs::File::create(&zipped).unwrap(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        assert_eq!(json(&zipped.display().to_string(), ""), expected, "{}", scenario.name);
        let zstd = temporary.path().join("records.ndjson.zst");
        std::fs::write(&zstd, compress_to_vec(text.as_bytes(), CompressionLevel::Fastest)).unwrap();
        assert_eq!(json(&zstd.display().to_string(), ""), expected, "{}", scenario.name);
    }
}

#[test]
fn the_shipped_rules_can_be_left_out() {
    let rules = tempfile::tempdir().unwrap();
    std::fs::write(rules.path().join("other.yaml"), OTHER_RULES).unwrap();
    let other = rules.path().display().to_string();
    let (chain, logs) = directory("exit-ovpn-auth-failed");
    let arguments = ["replay", "--chain", &chain, "--logs", &logs, "--rules", &other, "--no-shipped-rules"];
    let text = out(&run(&[&arguments[..], &["--format", "json"]].concat(), ""));
    assert!(text.lines().count() > 0 && text.lines().all(|line| line.contains(r#""rule":"refused""#)), "{text}");
    let output = run(&["replay", "--chain", &chain, "--logs", &logs, "--no-shipped-rules"], "");
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("--rules"));
}

const OTHER_RULES: &str = "version: 1\nclient: openvpn\nrules:\n  - id: refused\n    title: Refused\n    \
    pattern: '^AUTH: Received control message: AUTH_FAILED'\n    evidence: own\n    verdict: alert\n";

#[test]
fn two_rule_sets_are_compared() {
    let rules = tempfile::tempdir().unwrap();
    std::fs::write(rules.path().join("other.yaml"), OTHER_RULES).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").display().to_string();
    let other = rules.path().display().to_string();
    let (chain, logs) = directory("exit-ovpn-auth-failed");
    let compared = |rules: &str, against: &str| {
        out(&run(&["replay", "--chain", &chain, "--logs", &logs, "--rules", rules, "--against", against], ""))
    };
    assert_eq!(compared(&shipped, &shipped), "the two rule sets decide the same\n");
    let text = compared(&other, &shipped);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 4, "{text}");
    assert_eq!(rows[1], ["+", "2026-11-22T16:33:49Z", "exit", "alert", "-", "refused"]);
    assert_eq!(rows[2], ["-", "2026-11-22T16:33:59Z", "exit", "rotate", "-", "openvpn-auth-failed"]);
    // The user's rules lie over the shipped ones: what follows each refusal still counts.
    assert_eq!(rows[3], ["+", "2026-11-22T16:34:20Z", "exit", "rotate", "-", "openvpn-auth-exit"]);
}

#[test]
fn mistakes_name_the_place_and_the_remedy() {
    let (chain, logs) = directory("exit-ovpn-auth-failed");
    let empty = tempfile::tempdir().unwrap();
    let empty = empty.path().display().to_string();
    let one_line =
        |text: &[u8]| String::from_utf8_lossy(text).split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
    for (arguments, expected) in [
        (vec!["replay", "--chain", &chain], "--logs"),
        (vec!["replay", "--chain", &chain, "--logs", &empty], "has no log of the chain's hops (entry, middle, exit)"),
        (vec!["replay", "--chain", "/none.yaml", "--logs", &logs], "cannot read /none.yaml"),
        (vec!["replay", "--chain", &chain, "--logs", "/none"], "cannot read /none"),
    ] {
        let output = run(&arguments, "");
        assert!(!output.status.success());
        let error = one_line(&output.stderr);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
}

#[test]
fn rules_test_runs_whole_logs_and_shows_what_differs() {
    let cases = tempfile::tempdir().unwrap();
    std::fs::write(cases.path().join("other.yaml"), OTHER_RULES).unwrap();
    let case = cases.path().join("refused");
    std::fs::create_dir(&case).unwrap();
    std::fs::write(case.join("input.log"), "2026-11-22 16:25:44 AUTH: Received control message: AUTH_FAILED\n")
        .unwrap();
    let path = cases.path().display().to_string();
    let expect = |text: &str| std::fs::write(case.join("expected.yaml"), text).unwrap();

    expect("client: openvpn\ndecisions:\n  - { action: alert, rule: refused }\n");
    let text = out(&run(&["rules", "test", &path], ""));
    assert!(text.starts_with("1 rule, 0 samples, 1 log: all as their authors say"), "{text}");

    expect("client: openvpn\ndecisions:\n  - { action: rotate }\n");
    let output = run(&["rules", "test", &path], "");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        error.contains("expected.yaml:3: another decision was made\n  - {\"action\":\"rotate\"}\n  + {"),
        "{error}"
    );

    expect("decisions: []\n");
    let error = String::from_utf8_lossy(&run(&["rules", "test", &path], "").stderr).into_owned();
    assert!(error.contains("client: openvpn"), "{error}");

    // The recordings are such cases themselves.
    let text = out(&run(&["rules", "test", &root().display().to_string()], ""));
    assert!(text.contains(&format!("{} logs", scenarios().len())), "{text}");
}

#[test]
fn rules_beside_an_expected_yaml_are_tried_and_take_part() {
    let rules = tempfile::tempdir().unwrap();
    let path = rules.path().display().to_string();
    let write = |name: &str, text: &str| std::fs::write(rules.path().join(name), text).unwrap();
    let mine = |fires: &str| {
        format!(
            "version: 1\nclient: openvpn\nrules:\n  - {{ id: mine, title: M, pattern: '^hello', evidence: own, verdict: alert, samples: {{ fires: ['{fires}'] }} }}\n"
        )
    };
    write("provider.yaml", &mine("goodbye"));
    write("expected.yaml", "client: openvpn\ndecisions: []\n");
    write("input.log", "2026-11-22 16:25:44 hello\n");
    let output = run(&["rules", "test", &path], "");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("goodbye") && error.contains("1 of 1 samples, 1 of 1 logs came out wrong"), "{error}");

    write("provider.yaml", &mine("hello"));
    write("expected.yaml", "client: openvpn\ndecisions: [{ action: alert, rule: mine }]\n");
    let text = out(&run(&["rules", "test", &path], ""));
    assert!(text.starts_with("1 rule, 1 sample, 1 log: all as their authors say"), "{text}");
}

#[test]
fn a_line_that_was_shipped_twice_is_one_and_a_repeated_one_is_two() {
    let (chain, _) = directory("entry-ovpn-auth-failed");
    let refused = |offset: u64| {
        format!(
            r#"{{"@timestamp":"2026-11-22T16:25:54Z","message":"AUTH: Received control message: AUTH_FAILED","log":{{"offset":{offset}}},"kubernetes":{{"namespace":"default","container":{{"name":"vpn"}},"pod":{{"name":"lab-entry-7d9c6b5f4d-x2k4p","uid":"u"}}}}}}"#
        )
    };
    let replay = |offsets: [u64; 2]| {
        let text = offsets.map(refused).join("\n");
        out(&run(&["replay", "--chain", &chain, "--logs", "-", "-o", "json"], &text))
    };
    assert_eq!(replay([1234, 1234]), "");
    let text = replay([1234, 1300]);
    assert!(text.lines().count() == 1 && text.contains(r#""action":"rotate""#), "{text}");
}

#[test]
fn a_rule_with_another_title_decides_the_same() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::write(old.path().join("other.yaml"), OTHER_RULES).unwrap();
    std::fs::write(new.path().join("other.yaml"), OTHER_RULES.replace("Refused", "Turned away")).unwrap();
    let (chain, logs) = directory("exit-ovpn-auth-failed");
    let (old, new) = (old.path().display().to_string(), new.path().display().to_string());
    let compared = out(&run(&["replay", "--chain", &chain, "--logs", &logs, "--rules", &new, "--against", &old], ""));
    assert_eq!(compared, "the two rule sets decide the same\n");
}

#[test]
fn what_leaves_the_shipped_rules_out_for_run_does_so_for_replay() {
    let rules = tempfile::tempdir().unwrap();
    std::fs::write(rules.path().join("other.yaml"), OTHER_RULES).unwrap();
    let (chain, logs) = directory("exit-ovpn-auth-failed");
    let replay = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hopkeeper"));
        command.args(["replay", "--chain", &chain, "--logs", &logs, "-o", "json"]).args(more);
        command.env("HOPKEEPER_NO_SHIPPED_RULES", "true").output().expect("should run")
    };
    let text = out(&replay(&["--rules", &rules.path().display().to_string()]));
    assert!(text.lines().count() > 0 && text.lines().all(|line| line.contains(r#""rule":"refused""#)), "{text}");
    let output = replay(&[]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && error.contains("--rules"), "{error}");
}
