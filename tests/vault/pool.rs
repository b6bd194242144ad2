//! `hopkeeper pool` as a person runs it, with a token of whoever fills the pools and no more.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::bao::Bao;
use super::{CANARY, enable_app_role, new_secret_id, secret_id_file};

const POOL: &str = "vault:secret/vpn/entry";
const CA: &str = "<ca>\n-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n</ca>\n";
const CERTIFICATE: &str = include_str!("../../src/domain/candidate/testdata/client.crt");

/// The policy of k8s/vault, for a token.
fn loader(bao: &Bao) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("k8s/vault/pools.hcl");
    bao.run(&["policy", "write", "hopkeeper-pools", &file.to_string_lossy()]);
    bao.token("hopkeeper-pools")
}

fn hopkeeper(bao: &Bao, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hopkeeper"));
    command.arg("pool").args(arguments).env_clear().env("VAULT_ADDR", &bao.address).env("HOME", bao.directory());
    command.env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

/// What a command printed on both of its outputs: never a secret.
fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!said.contains(CANARY), "{said}");
    // The error's sentence is wrapped at the terminal's width.
    said.replace("\n  │ ", " ").replace("\n  | ", " ")
}

fn succeeds(mut command: Command) -> String {
    let output = command.output().expect("should run");
    assert!(output.status.success(), "{command:?}: {}", said(&output));
    said(&output)
}

fn fails(command: Command) -> String {
    fails_with(1, command)
}

fn fails_with(code: i32, mut command: Command) -> String {
    let output = command.output().expect("should run");
    assert_eq!(output.status.code(), Some(code), "{command:?}: {}", said(&output));
    said(&output)
}

/// A folder of profiles: one by certificate, one with an account beside it, one that asks for the shared one.
fn folder(bao: &Bao) -> String {
    let folder = bao.directory().join("profiles");
    std::fs::create_dir(&folder).expect("should create");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("should write");
    let by_certificate = format!("<cert>\n{CERTIFICATE}</cert>\n<key>\nCANARY\n</key>");
    write("a.ovpn", &format!("remote a.example 443 tcp\nroute 10.0.0.0\n{by_certificate}\n{CA}"));
    write("b.ovpn", &format!("remote 203.0.113.7\nscript-security 2\nup /bin/CANARY\nplugin CANARY.so\n{CA}"));
    write("b.auth", "customer\nword-CANARY\n");
    write("c.ovpn", &format!("remote c.example\nauth-user-pass\n{CA}"));
    write("account", "shared\nshared-CANARY");
    folder.to_string_lossy().into_owned()
}

#[test]
fn a_folder_becomes_candidates_that_only_a_change_gives_a_new_version() {
    let Some(bao) = Bao::start() else { return };
    let (token, folder) = (loader(&bao), folder(&bao));
    let pool = |arguments: &[&str]| {
        let mut command = hopkeeper(&bao, arguments);
        command.env("VAULT_TOKEN", &token);
        command
    };
    let account = format!("{folder}/account");
    let add = || pool(&["add", POOL, &folder, "--credentials", &account]);
    let clean = "clean b, line 2: script-security is taken out: commands are never run\n\
        clean b, line 3: up is taken out: commands are never run\n\
        clean b, line 4: plugin is taken out: code is never loaded into the client\n";
    let b = "203.0.113.7:1194/udp";

    let mut dry = add();
    dry.arg("--dry-run").env("VAULT_ADDR", "http://127.0.0.1:1");
    let told = succeeds(dry);
    assert!(told.starts_with(clean) && told.ends_with("could go into vault:secret/vpn/entry; nothing was written\n"));

    let written = format!(
        "{clean}a: written as version 1: a.example:443/tcp\nb: written as version 1: {b}\n\
         c: written as version 1: c.example:1194/udp\n"
    );
    assert_eq!(succeeds(add()), written);
    let b = bao.run(&["kv", "get", "-mount=secret", "-format=json", "-field=data", "vpn/entry/b"]);
    let b: Value = serde_json::from_str(&b).expect("should be JSON");
    assert_eq!((&b["username"], &b["password"]), (&json!("customer"), &json!("word-CANARY")));
    let profile = b["profile"].as_str().unwrap_or_default();
    assert!(profile.starts_with("remote 203.0.113.7\n# taken out: script-security\n") && !profile.contains(".so"));

    assert_eq!(succeeds(add()), format!("{clean}a: unchanged\nb: unchanged\nc: unchanged\n"));
    std::fs::write(format!("{folder}/c.ovpn"), format!("remote d.example\nauth-user-pass\n{CA}"))
        .expect("should write");
    assert!(succeeds(add()).ends_with("b: unchanged\nc: written as version 2: d.example:1194/udp\n"));

    let listed: Value = serde_json::from_str(&succeeds(pool(&["list", POOL, "-o", "json"]))).expect("should be JSON");
    let row = |name: &str, version: &str, server: &str, until: Value| {
        json!({"name": name, "version": version, "client": "OpenVPN", "servers": [server],
               "client_certificate_expires": until, "problem": null})
    };
    assert_eq!(
        listed,
        json!([
            row("a", "1", "a.example:443/tcp", json!("2059-10-07T21:20:50Z")),
            row("b", "1", "203.0.113.7:1194/udp", Value::Null),
            row("c", "2", "d.example:1194/udp", Value::Null),
        ])
    );
    let table = succeeds(pool(&["list", POOL]));
    assert!(table.contains("a      1         OpenVPN   a.example:443/tcp      until 2059-10-07   ok\n"), "{table}");
}

#[test]
fn a_candidate_that_cannot_be_used_is_found_by_check_and_kept_out_by_add() {
    let Some(bao) = Bao::start() else { return };
    let token = loader(&bao);
    let pool = |arguments: &[&str]| {
        let mut command = hopkeeper(&bao, arguments);
        command.env("VAULT_TOKEN", &token);
        command
    };
    assert!(fails(pool(&["check", POOL])).contains("holds no candidate"));
    let stdin = |text: &str, name: &str| {
        let mut command = pool(&["add", POOL, "-", "--name", name]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("should run");
        child.stdin.take().expect("should be there").write_all(text.as_bytes()).expect("should write");
        let output = child.wait_with_output().expect("should end");
        (output.status.code(), said(&output))
    };
    let good = format!("remote 203.0.113.7\ndhcp-option DNS 1\n<auth-user-pass>\nu\nCANARY\n</auth-user-pass>\n{CA}");
    assert_eq!(stdin(&good, "good"), (Some(0), "good: written as version 1: 203.0.113.7:1194/udp\n".into()));
    let (code, refused) = stdin(&format!("frobnicate CANARY\n{good}"), "bad");
    let place = "standard input: candidate \"bad\", field profile, line 1: not a directive that hopkeeper knows";
    assert!(code == Some(1) && refused.starts_with(place) && refused.contains("nothing was written"), "{refused}");

    let ok = "good@1: ok, OpenVPN, 203.0.113.7:1194/udp; not followed by a hop: dhcp-option\n";
    assert_eq!(succeeds(pool(&["check", POOL])), ok);
    // By somebody's own hand.
    bao.put("vpn/entry/bad", "profile=plugin /CANARY.so");
    bao.put("vpn/entry/other", "config=[Interface]");
    let checked = fails(pool(&["check", POOL]));
    for expected in [
        "bad@1: cannot be used: candidate \"bad\", field profile, line 1: plugin is refused",
        ok,
        "other@1: cannot be used: candidate \"other\" is for WireGuard, but the hop's client is OpenVPN",
        "2 of 3 candidates in vault:secret/vpn/entry cannot be used",
    ] {
        assert!(checked.contains(expected), "{checked}");
    }
    assert!(succeeds(pool(&["list", POOL])).contains("cannot be used: see check"));
    assert!(fails(pool(&["check", POOL, "--transport", "tcp"])).contains("uses UDP, but the hop allows only TCP"));
}

#[test]
fn what_is_removed_is_confirmed_first_and_comes_back_with_a_later_version() {
    let Some(bao) = Bao::start() else { return };
    let (token, folder) = (loader(&bao), folder(&bao));
    // As `vault login` leaves it.
    bao.file(".vault-token", &token);
    let pool = |arguments: &[&str]| hopkeeper(&bao, arguments);
    let b = format!("{folder}/b.ovpn");
    succeeds(pool(&["add", POOL, &format!("{folder}/a.ovpn"), &b]));

    assert!(fails_with(2, pool(&["remove", POOL, "b"])).contains("say --yes"));
    let unknown = fails(pool(&["remove", POOL, "b", "x", "--yes"]));
    assert!(unknown.contains("has no candidate x") && unknown.contains("nothing was removed"), "{unknown}");
    let removed = succeeds(pool(&["remove", POOL, "b", "--yes"]));
    assert_eq!(removed, "b: removed from vault:secret/vpn/entry; 1 candidate left then\n");
    let listed = succeeds(pool(&["list", POOL]));
    assert!(listed.contains("\na ") && !listed.contains("\nb "), "{listed}");
    // Another candidate than the one that was there: never the same name and version.
    assert!(succeeds(pool(&["add", POOL, &b])).contains("b: written as version 2"));
}

#[test]
fn a_login_that_may_only_read_is_told_what_it_lacks() {
    let Some(bao) = Bao::start() else { return };
    let folder = folder(&bao);
    enable_app_role(&bao, &["token_ttl=1h"]);
    let role = bao.run(&["read", "-field=role_id", "auth/approle/role/hopkeeper/role-id"]);
    let file = secret_id_file(&bao, &new_secret_id(&bao)).to_string_lossy().into_owned();
    let a = format!("{folder}/a.ovpn");
    let pool = |arguments: &[&str]| {
        let mut command = hopkeeper(&bao, arguments);
        command.args(["--vault-auth", "approle", "--vault-role", &role, "--vault-credential-file", &file]);
        command
    };
    let refused = fails(pool(&["add", POOL, &a]));
    assert!(refused.contains("failed to write secret/vpn/entry/a: vault answered 403"), "{refused}");
    assert!(refused.contains("create and update on the path's data"), "{refused}");
    bao.put("vpn/entry/a", "profile=x");
    assert!(fails(pool(&["remove", POOL, "a", "--yes"])).contains("must allow delete on the path's data"));

    let mut nowhere = hopkeeper(&bao, &["list", POOL]);
    nowhere.env_remove("VAULT_ADDR");
    assert!(fails(nowhere).contains("say where that is, with VAULT_ADDR or --vault-address"));
}
