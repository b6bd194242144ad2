//! What a newcomer types wrongly: each mistake is answered with its place, the remedy and the right exit code, never by a panic
//! and never with a secret. No cluster, no server.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// What no output may have: it stands in every file that holds secrets.
const SECRET: &str = "CANARY";
const CHAIN: &str = "
apiVersion: hopkeeper.io/v1alpha1
kind: VpnChain
metadata: { name: berlin }
spec:
  hops: [{ name: entry, client: OpenVPN, parameters: { secretRef: { name: pool } } }]
  gateway: { cidr: 10.200.7.0/24 }
";
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
clusters: [{ name: c, cluster: { server: 'http://127.0.0.1:1' } }]
users: [{ name: u, user: { token: CANARY } }]
contexts: [{ name: x, context: { cluster: c, user: u } }]
current-context: x
";
const PROFILE: &str = "client\nremote 192.0.2.1 1194 udp\nauth-user-pass\n<ca>\n-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n</ca>\n";

/// A newcomer's directory.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().expect("should be made");
    let write = |name: &str, text: &[u8]| fs::write(directory.path().join(name), text).expect("should be written");
    write("chain.yaml", CHAIN.as_bytes());
    write("typo.yaml", CHAIN.replace("client:", "klient:").as_bytes());
    write("nameless.yaml", format!("kind: Pod\n---\n{}", CHAIN.replace("name: berlin", "")).as_bytes());
    write("two.yaml", format!("{CHAIN}---{CHAIN}").as_bytes());
    write("secret.yaml", b"kind: Secret\nstringData: { password: CANARY }\nkind: [ CANARY\n");
    write(
        "huge.yaml",
        CHAIN.replace("gateway:", "recovery: { budget: { actions: 99999999999999999999 } }\n  gateway:").as_bytes(),
    );
    write("deep.yaml", "[".repeat(100_000).as_bytes());
    write("config", KUBECONFIG.as_bytes());
    write("broken-config", format!("{KUBECONFIG}x: [ CANARY\n").as_bytes());
    write("binary", &[0xff, 0xfe, 0, 1]);
    write("empty", b"");
    write("long.log", &vec![b'x'; 3_000_000]);
    write("bad-rule.yaml", b"version: 1\nclient: openvpn\nrules:\n  - id: x\n    title: T\n    pattern: '('\n    evidence: own\n    verdict: rotate\n");
    write("entry.openvpn.log", b"2026-11-22T16:25:43Z Initialization Sequence Completed\n");
    write("a.ovpn", PROFILE.as_bytes());
    write("a.auth", b"user\nCANARY\n");
    write("bad.conf", b"[Interface]\nPrivateKey = CANARY\n");
    write("records", b"{\"message\":\"x\"}\nno record\n");
    fs::create_dir(directory.path().join("none")).expect("should be made");
    directory
}

fn command(directory: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopkeeper"));
    command
        .args(arguments.split_whitespace())
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory.join("none"))
        .env("VAULT_TOKEN", SECRET)
        .env("HOPKEEPER_ELASTICSEARCH_API_KEY", SECRET)
        .stdin(Stdio::null());
    command
}

fn run(directory: &Path, arguments: &str) -> Output {
    command(directory, arguments).output().expect("should run")
}

/// What it wrote to either place.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn each_mistake_is_answered_with_its_place_the_remedy_and_the_exit_code() {
    let directory = directory();
    let cluster = "is the API server reachable";
    let mut wrong = Vec::new();
    for (arguments, code, expected) in [
        ("", 2, &["Usage: hopkeeper <COMMAND>"][..]),
        ("frobnicate", 2, &["unrecognized subcommand"]),
        ("status", 1, &["no kubeconfig", "none/.kube/config", "set KUBECONFIG"]),
        ("status --kubeconfig missing", 1, &["no kubeconfig missing", "--kubeconfig"]),
        ("status --kubeconfig none", 1, &["kubeconfig none", "Is a directory"]),
        ("status --kubeconfig broken-config", 1, &["kubeconfig broken-config is not one: see line 8"]),
        ("status --kubeconfig config --context nope", 1, &["no context \"nope\""]),
        ("status --kubeconfig config", 1, &["Connection refused", cluster]),
        ("status --kubeconfig config --watch", 1, &["Connection refused", cluster]),
        ("status --kubeconfig config --check --timeout 9s", 1, &["Connection refused", cluster]),
        ("status -n a_b", 2, &["must be a namespace's name, for example vpn"]),
        ("status --check --timeout soon", 2, &["must be a number with a unit", "for example 30s"]),
        ("top", 1, &["needs a terminal", "hopkeeper status --watch"]),
        ("explain-incident x --kubeconfig config", 1, &[cluster]),
        ("rotate a/b --kubeconfig config", 1, &[cluster]),
        ("rotate a", 2, &["berlin/entry"]),
        ("pause x --kubeconfig config", 1, &[cluster]),
        ("resume x", 1, &["set KUBECONFIG"]),
        ("delete x --kubeconfig config", 1, &[cluster]),
        ("crd --apply", 1, &["no kubeconfig", "set KUBECONFIG"]),
        ("crd --apply --kubeconfig config", 1, &["Connection refused"]),
        ("run", 1, &["no kubeconfig"]),
        ("run --log a=b=c", 2, &["--log \"a=b=c\"", "for example hopkeeper=debug"]),
        ("run --source kafka", 2, &["--kafka-brokers kafka:9092"]),
        ("run --documents", 2, &["for example --elasticsearch-url https://elasticsearch:9200"]),
        ("run --source-pod berlin", 2, &["NAMESPACE/POD"]),
        ("run --image-openvpn=", 2, &["a value is required for '--image-openvpn"]),
        ("run --rules none", 1, &["none has no rule file"]),
        ("setup", 2, &["--elasticsearch https://"]),
        ("setup --kibana http://u:CANARI@127.0.0.1:1", 1, &["must not be in the URL"]),
        ("validate", 2, &["<FILE>"]),
        (
            "validate missing chain.yaml none",
            1,
            &[
                "missing: cannot read",
                "chain.yaml: berlin: valid, 1 hop\n",
                "none: cannot read none: Is a directory",
                "2 of 3 not valid",
            ],
        ),
        ("validate typo.yaml", 1, &["unknown field \"spec.hops[0].klient\" (did you mean \"client\"?)"]),
        ("validate nameless.yaml", 1, &["nameless.yaml: document 2: metadata.name: Required"]),
        ("validate secret.yaml", 1, &["secret.yaml:3:", "no YAML: "]),
        ("validate huge.yaml", 1, &["huge.yaml: berlin: spec.recovery.budget.actions"]),
        ("validate deep.yaml", 1, &["deep.yaml:1:", "recursion limit"]),
        ("validate binary", 1, &["binary: cannot read binary: it is not text"]),
        ("validate empty", 1, &["empty: no VpnChain in it"]),
        ("validate -", 1, &["standard input: no VpnChain in it"]),
        (
            "validate -o json missing",
            1,
            &[
                "{\"file\":\"missing\",\"document\":null,\"chain\":null,\"hops\":null,\"problems\":[\"cannot read missing: ",
            ],
        ),
        ("rules lint missing", 1, &["failed to read missing"]),
        ("rules lint none", 1, &["none has no rule file: put a *.yaml there"]),
        ("rules lint binary", 1, &["failed to read binary; a rule file is text"]),
        ("rules lint empty", 1, &["empty:1:1: a rule file must be a mapping"]),
        ("rules lint bad-rule.yaml", 1, &["bad-rule.yaml:6:15: the pattern is no regular expression"]),
        ("rules test bad-rule.yaml", 1, &["bad-rule.yaml:6:15: "]),
        ("rules list --rules missing", 1, &["failed to read missing"]),
        ("rules list -o xml", 2, &["[possible values: text, json, yaml, markdown]"]),
        ("rules explain", 2, &["--client"]),
        ("rules explain --client openvpn", 0, &[]),
        ("rules suggest none", 1, &["failed to draft rules from none", "Is a directory"]),
        ("rules suggest empty", 1, &["failed to draft rules from empty", "no line in it"]),
        ("rules suggest long.log --client openvpn", 0, &["lines of openvpn"]),
        ("rules suggest binary --top 99999999999999999999", 2, &["number too large"]),
        ("replay --chain chain.yaml", 2, &["--logs <PATH>|--kafka-brokers <LIST>"]),
        ("replay --chain typo.yaml --logs .", 1, &["typo.yaml: the chain is not valid", "klient"]),
        ("replay --chain two.yaml --logs .", 1, &["two.yaml: 2 VpnChains in it; this takes exactly one"]),
        ("replay --chain chain.yaml --logs none", 1, &["none has no log of the chain's hops", "entry.openvpn.log"]),
        ("replay --chain chain.yaml --logs empty", 1, &["empty: no record in it"]),
        (
            "replay --chain chain.yaml --logs binary",
            1,
            &["binary: no record of Filebeat's in it", "<hop>.<client>.log"],
        ),
        ("replay --chain chain.yaml --logs long.log", 1, &["long.log: no record of Filebeat's in it"]),
        (
            "replay --chain chain.yaml --logs . --from 2030-01-01T00:00:00Z",
            1,
            &["no line is of the time that is asked for", "from 2026-11-22T16:25:43Z"],
        ),
        (
            "replay --chain chain.yaml --logs . --from 2026-01-02T00:00:00Z --to 2026-01-01T00:00:00Z",
            2,
            &["--from must be before --to"],
        ),
        ("replay --chain chain.yaml --kafka-brokers 127.0.0.1:1", 1, &["127.0.0.1:1", "--kafka-brokers"]),
        (
            "replay --chain chain.yaml --elasticsearch-url http://127.0.0.1:1",
            1,
            &["elasticsearch does not answer at http://127.0.0.1:1", "--elasticsearch-url"],
        ),
        ("setup --elasticsearch http://127.0.0.1:1", 1, &["elasticsearch does not answer at http://127.0.0.1:1"]),
        ("setup --kibana http://127.0.0.1:1", 1, &["kibana does not answer at http://127.0.0.1:1"]),
        ("watch --chain chain.yaml --no-shipped-rules", 2, &["leave no rule", "--rules"]),
        ("watch --chain chain.yaml --listen 192.0.2.1:9", 1, &["cannot listen on 192.0.2.1:9", "of this machine"]),
        ("pool add vault:secret a.ovpn", 2, &["vault:secret/vpn/entry"]),
        ("pool add vault:secret/x - --dry-run", 2, &["say --name NAME"]),
        ("pool add vault:secret/x a.ovpn a.ovpn --name x", 2, &["there are 2"]),
        ("pool add vault:secret/x none --dry-run", 1, &["none holds no *.ovpn"]),
        ("pool add vault:secret/x bad.conf --dry-run", 1, &["bad.conf: candidate \"bad\"", "PrivateKey"]),
        ("pool add vault:secret/x a.ovpn --dry-run", 0, &["a: can be used: 192.0.2.1:1194/udp"]),
        ("pool list vault:secret/x", 1, &["VAULT_ADDR", "--vault-address https://vault:8200"]),
        ("pool list vault:secret/x --vault-address http://127.0.0.1:1", 1, &["secret/x", "http://127.0.0.1:1"]),
        ("pool check secret:vpn/x", 1, &["no kubeconfig", "set KUBECONFIG"]),
        ("pool check secret:vpn/x --kubeconfig config -o yaml", 1, &["secret \"x\"", "Connection refused"]),
        ("hop files --chain chain.yaml --candidates none --output out", 1, &["hop entry", "none/entry.ovpn"]),
        ("completions tcsh", 2, &["[possible values: bash"]),
        ("man empty", 1, &["failed to write man pages to empty"]),
    ] {
        let output = run(directory.path(), arguments);
        let said = said(&output);
        let missing: Vec<_> = expected.iter().filter(|expected| !said.contains(**expected)).collect();
        let is_safe = !said.contains(SECRET) && !said.contains("panicked");
        if output.status.code() != Some(code) || !missing.is_empty() || !is_safe {
            wrong.push(format!("hopkeeper {arguments}: {}, without {missing:?}: {said}", output.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_login_without_a_token_says_where_one_is_looked_for() {
    let directory = directory();
    let arguments = "pool list vault:secret/x --vault-address http://127.0.0.1:1";
    let output = command(directory.path(), arguments).env_remove("VAULT_TOKEN").output().expect("should run");
    let said = said(&output);
    assert!(output.status.code() == Some(1) && said.contains("VAULT_TOKEN") && said.contains("vault login"), "{said}");
}

/// `hopkeeper … | head -1`, and `2>&1` with it.
#[test]
fn a_reader_that_has_gone_away_ends_a_command_quietly() {
    let directory = directory();
    for (arguments, code) in [
        ("crd", 0),
        ("validate chain.yaml typo.yaml", 1),
        ("rules list", 0),
        ("rules schema", 0),
        ("rules test bad-rule.yaml", 1),
        ("rules lint bad-rule.yaml -o json", 1),
        ("replay --chain chain.yaml --logs .", 0),
        ("pool add vault:secret/x a.ovpn --dry-run", 0),
        ("completions bash", 0),
        ("frobnicate", 2),
    ] {
        let (reader, writer) = std::io::pipe().expect("should be made");
        drop(reader);
        let both = writer.try_clone().expect("should be cloned");
        let status = command(directory.path(), arguments).stdout(writer).stderr(both).status().expect("should run");
        assert_eq!(status.code(), Some(code), "hopkeeper {arguments}");
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error_and_no_panic() {
    let directory = directory();
    for arguments in
        ["crd", "validate chain.yaml", "rules list", "completions zsh", "replay --chain chain.yaml --logs ."]
    {
        let full = OpenOptions::new().write(true).open("/dev/full").expect("should be there");
        let output = command(directory.path(), arguments).stdout(full).output().expect("should run");
        let said = said(&output);
        assert!(output.status.code() == Some(1) && said.contains("No space left on device"), "{arguments}: {said}");
    }
}

#[test]
fn an_error_stays_in_one_line_and_has_no_colour_where_it_is_read_by_a_program() {
    let directory = directory();
    let path = format!("{}/file", "a-long-name/".repeat(12));
    let output = run(directory.path(), &format!("validate {path}"));
    let said = String::from_utf8(output.stderr).expect("should be text");
    assert!(said.contains(&path) && !said.contains('\u{1b}'), "{said}");
}

#[test]
fn what_is_said_to_programs_can_be_read_by_them() {
    let directory = directory();
    for (arguments, is_lines) in [
        ("rules list -o json", false),
        ("rules lint -o json bad-rule.yaml", true),
        ("validate -o json chain.yaml typo.yaml", true),
        ("replay --chain chain.yaml --logs . -o json", true),
        ("replay --chain chain.yaml --logs . --format json", true),
    ] {
        let text = String::from_utf8(run(directory.path(), arguments).stdout).expect("should be text");
        let parts: Vec<&str> = if is_lines { text.lines().collect() } else { vec![&text] };
        for part in parts {
            assert!(serde_json::from_str::<serde_json::Value>(part).is_ok(), "hopkeeper {arguments}: {part}");
        }
    }
    let yaml = String::from_utf8(run(directory.path(), "rules list -o yaml").stdout).expect("should be text");
    let rules: Vec<serde_json::Value> = serde_saphyr::from_str(&yaml).expect("should be YAML");
    assert!(rules.len() > 50);
}

#[test]
fn an_endless_line_on_standard_input_is_read_in_pieces() {
    let directory = directory();
    let mut child = command(directory.path(), "rules explain --client openvpn -o json")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("should start");
    let mut stdin = child.stdin.take().expect("should be piped");
    let written = std::thread::spawn(move || stdin.write_all(&vec![b'x'; 1 << 20]));
    let output = child.wait_with_output().expect("should end");
    written.join().expect("should end").expect("should be read");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 16);
}
