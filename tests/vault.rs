//! Vault as the operator uses it, on a real OpenBao: every login, expiry, refusals, sealing, and no secret in any error;
//! and `hopkeeper pool`, which fills it.
//!
//! Each test starts its own server (`HOPKEEPER_TEST_BAO`, else the lab's program); the lab need not run. The
//! Kubernetes login's TokenReview API is the only stand-in: OpenBao asks it, not Hopkeeper.

#[path = "vault/bao.rs"]
mod bao;
#[path = "shared/lab_dir.rs"]
mod lab_dir;
#[path = "shared/needs.rs"]
mod needs;
#[path = "vault/pool.rs"]
mod pool;
#[path = "vault/token_review.rs"]
mod token_review;

use std::path::PathBuf;

use bao::Bao;
use hopkeeper::parameters::vault::{Login, Vault, VaultError};
use hopkeeper::telemetry::error_chain;
use secrecy::ExposeSecret;
use token_review::{TokenReviews, service_account_token};

/// Part of every secret of these tests: no error may hold it.
const CANARY: &str = "CANARY";

fn vault(bao: &Bao, login: Login) -> Vault {
    Vault::new(&bao.address, None, login).unwrap_or_else(|error| panic!("should be a server: {error}"))
}

fn with_token(bao: &Bao, token: &str) -> Vault {
    vault(bao, Login::Token(token.into()))
}

fn app_role(bao: &Bao, secret_id_file: PathBuf) -> Vault {
    let role_id = bao.run(&["read", "-field=role_id", "auth/approle/role/hopkeeper/role-id"]);
    vault(bao, Login::AppRole { mount: "approle".into(), role_id, secret_id_file })
}

/// An AppRole whose tokens live as long as `settings` say.
fn enable_app_role(bao: &Bao, settings: &[&str]) {
    bao.allow("hops");
    bao.run(&["auth", "enable", "approle"]);
    bao.run(&[&["write", "auth/approle/role/hopkeeper", "token_policies=hops"], settings].concat());
}

fn new_secret_id(bao: &Bao) -> String {
    bao.run(&["write", "-f", "-field=secret_id", "auth/approle/role/hopkeeper/secret-id"])
}

fn secret_id_file(bao: &Bao, id: &str) -> PathBuf {
    bao.file("secret-id", &format!("{id}\n"))
}

fn remaining_uses(bao: &Bao, id: &str) -> String {
    let lookup = "auth/approle/role/hopkeeper/secret-id/lookup";
    bao.run(&["write", "-field=secret_id_num_uses", lookup, &format!("secret_id={id}")])
}

/// All that an error can show.
fn shown(error: &VaultError) -> String {
    let all = format!("{} {error:?}", error_chain(error));
    assert!(!all.contains(CANARY), "{all}");
    error_chain(error)
}

fn refusal<T>(result: Result<T, VaultError>) -> VaultError {
    match result {
        Ok(_) => panic!("should be refused"),
        Err(error) => error,
    }
}

async fn field(vault: &Vault, name: &str) -> Option<(String, String)> {
    let found = vault.read("secret", "vpn/entry", name).await;
    let found = found.unwrap_or_else(|error| panic!("should read {name}: {}", shown(&error)))?;
    Some((found.version, found.fields["profile"].expose_secret().to_owned()))
}

async fn names(vault: &Vault) -> Vec<String> {
    vault.list("secret", "vpn/entry").await.unwrap_or_else(|error| panic!("should list: {}", shown(&error)))
}

#[tokio::test]
async fn a_pool_is_its_keys_without_folders_and_a_candidate_its_newest_version() {
    let Some(bao) = Bao::start() else { return };
    bao.allow("hops");
    bao.put("vpn/entry/a", "profile=one");
    bao.put("vpn/entry/a", "profile=two");
    bao.put("vpn/entry/b", "profile=b");
    bao.put("vpn/entry/folder/c", "profile=c");
    let vault = with_token(&bao, &bao.token("hops"));

    assert_eq!(names(&vault).await, ["a", "b"]);
    assert_eq!(field(&vault, "a").await, Some(("2".into(), "two".into())));
    assert_eq!(field(&vault, "b").await, Some(("1".into(), "b".into())));
    assert_eq!(vault.list("secret", "vpn/nothing").await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_deleted_or_destroyed_candidate_is_none_and_comes_back_with_a_new_version() {
    let Some(bao) = Bao::start() else { return };
    bao.allow("hops");
    for name in ["deleted", "destroyed", "removed"] {
        bao.put(&format!("vpn/entry/{name}"), "profile=one");
    }
    bao.run(&["kv", "delete", "-mount=secret", "vpn/entry/deleted"]);
    bao.run(&["kv", "destroy", "-mount=secret", "-versions=1", "vpn/entry/destroyed"]);
    bao.run(&["kv", "metadata", "delete", "-mount=secret", "vpn/entry/removed"]);
    let vault = with_token(&bao, &bao.token("hops"));

    // A key whose newest version is deleted is still listed.
    assert_eq!(names(&vault).await, ["deleted", "destroyed"]);
    for name in ["deleted", "destroyed", "removed", "never"] {
        assert_eq!(field(&vault, name).await, None, "{name}");
    }
    bao.put("vpn/entry/deleted", "profile=two");
    assert_eq!(field(&vault, "deleted").await, Some(("2".into(), "two".into())));
}

#[tokio::test]
async fn a_mount_that_does_not_exist_is_an_error_and_not_an_empty_pool() {
    let Some(bao) = Bao::start() else { return };
    let vault = with_token(&bao, "root-CANARY-token");
    for error in [
        refusal(vault.list("sercet", "vpn/entry").await),
        refusal(vault.read("sercet", "vpn/entry", "a").await.map(drop)),
    ] {
        assert!(matches!(error, VaultError::Refused { code: 404, .. }), "{error:?}");
        let said = shown(&error);
        assert!(said.contains("sercet/vpn/entry") && said.contains("no KV version 2"), "{said}");
    }
}

#[tokio::test]
async fn a_token_file_is_read_anew_when_its_token_is_refused() {
    let Some(bao) = Bao::start() else { return };
    bao.allow("hops");
    bao.put("vpn/entry/a", "profile=CANARY");
    let first = bao.token("hops");
    let file = bao.file("token", &format!("{first}\n"));
    let vault = vault(&bao, Login::TokenFile(file));
    assert_eq!(names(&vault).await, ["a"]);

    bao.run(&["token", "revoke", &first]);
    let error = refusal(vault.list("secret", "vpn/entry").await);
    assert!(matches!(error, VaultError::Refused { code: 403, .. }), "{error:?}");
    let said = shown(&error);
    assert!(said.contains("its policy must allow read and list") && !said.contains(&first), "{said}");

    bao.file("token", &bao.token("hops"));
    assert_eq!(names(&vault).await, ["a"]);
}

#[tokio::test]
async fn an_app_roles_secret_id_is_read_at_each_login() {
    let Some(bao) = Bao::start() else { return };
    enable_app_role(&bao, &["secret_id_num_uses=0"]);
    bao.put("vpn/entry/a", "profile=CANARY");
    let first = new_secret_id(&bao);
    let vault = app_role(&bao, secret_id_file(&bao, &first));
    assert_eq!(names(&vault).await, ["a"]);

    // The secret id is replaced and the token revoked: the next call logs in with what the file says now.
    bao.run(&["write", "-f", "auth/approle/role/hopkeeper/secret-id/destroy", &format!("secret_id={first}")]);
    bao.run(&["lease", "revoke", "-sync", "-prefix", "auth/approle/login"]);
    let error = refusal(vault.list("secret", "vpn/entry").await);
    let said = shown(&error);
    assert!(said.contains("log in to vault by auth/approle") && !said.contains(&first), "{said}");
    assert!(said.contains("the login was refused") && !said.contains("its policy"), "{said}");

    secret_id_file(&bao, &new_secret_id(&bao));
    assert_eq!(names(&vault).await, ["a"]);
}

#[tokio::test]
async fn an_expired_token_is_replaced_without_anybody_noticing() {
    let Some(bao) = Bao::start() else { return };
    // Shorter than the margin at which a token is given up: each call logs in.
    enable_app_role(&bao, &["token_ttl=1s", "token_max_ttl=1s", "secret_id_num_uses=100"]);
    bao.put("vpn/entry/a", "profile=one");
    let id = new_secret_id(&bao);
    let vault = app_role(&bao, secret_id_file(&bao, &id));
    for _ in 0..2 {
        assert_eq!(names(&vault).await, ["a"]);
        assert_eq!(field(&vault, "a").await, Some(("1".into(), "one".into())));
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    }
    assert_eq!(remaining_uses(&bao, &id), "96");

    // A token that lives long and is revoked: noticed by the refusal, and replaced as quietly.
    bao.run(&["write", "auth/approle/role/hopkeeper", "token_ttl=1h", "token_max_ttl=2h"]);
    assert_eq!(names(&vault).await, ["a"]);
    assert_eq!(names(&vault).await, ["a"]);
    assert_eq!(remaining_uses(&bao, &id), "95");
    bao.run(&["lease", "revoke", "-sync", "-prefix", "auth/approle/login"]);
    assert_eq!(field(&vault, "a").await, Some(("1".into(), "one".into())));
    assert_eq!(remaining_uses(&bao, &id), "94");
}

#[tokio::test]
async fn what_the_policy_forbids_costs_no_login_and_says_what_is_missing() {
    let Some(bao) = Bao::start() else { return };
    enable_app_role(&bao, &["token_ttl=1h", "secret_id_num_uses=100"]);
    bao.put("other/entry/a", "profile=CANARY");
    let id = new_secret_id(&bao);
    let vault = app_role(&bao, secret_id_file(&bao, &id));
    let listed = refusal(vault.list("secret", "other/entry").await);
    let read = refusal(vault.read("secret", "other/entry", "a").await.map(drop));
    assert_eq!(remaining_uses(&bao, &id), "99");
    for (error, action) in
        [(listed, "failed to list secret/other/entry"), (read, "failed to read secret/other/entry/a")]
    {
        assert!(matches!(error, VaultError::Refused { code: 403, .. }), "{error:?}");
        let said = shown(&error);
        assert!(said.starts_with(action) && said.contains("must allow read and list"), "{said}");
    }
}

#[tokio::test]
async fn a_kubernetes_login_reads_the_projected_token_anew() {
    let Some(bao) = Bao::start() else { return };
    bao.allow("hops");
    bao.put("vpn/entry/a", "profile=one");
    let (first, second) = (service_account_token("CANARY-1"), service_account_token("CANARY-2"));
    let reviews = TokenReviews::start(&first).await;
    bao.run(&["auth", "enable", "kubernetes"]);
    let host = format!("kubernetes_host={}", reviews.address());
    bao.run(&[
        "write",
        "auth/kubernetes/config",
        &host,
        "token_reviewer_jwt=x",
        "kubernetes_ca_cert=unused: plain HTTP",
    ]);
    bao.run(&[
        "write",
        "auth/kubernetes/role/hopkeeper",
        "bound_service_account_names=hopkeeper",
        "bound_service_account_namespaces=hopkeeper",
        "token_policies=hops",
        "token_ttl=1h",
    ]);
    let file = bao.file("token", &first);
    let login =
        |role: &str| Login::Kubernetes { mount: "kubernetes".into(), role: role.into(), token_file: file.clone() };
    let vault_of = |role: &str| vault(&bao, login(role));
    let vault = vault_of("hopkeeper");
    assert_eq!(names(&vault).await, ["a"]);

    reviews.trust(&second);
    bao.run(&["lease", "revoke", "-sync", "-prefix", "auth/kubernetes/login"]);
    let error = refusal(vault.list("secret", "vpn/entry").await);
    assert!(matches!(error, VaultError::LoginRefused { code: 403, .. }), "{error:?}");
    let said = shown(&error);
    assert!(said.contains("auth/kubernetes as role \"hopkeeper\"") && said.contains("the login was refused"), "{said}");
    assert!(!said.contains(&first), "{said}");

    bao.file("token", &second);
    assert_eq!(names(&vault).await, ["a"]);

    let said = shown(&refusal(vault_of("nobody").list("secret", "vpn/entry").await));
    assert!(said.contains("as role \"nobody\"") && said.contains("the login was refused"), "{said}");
    std::fs::remove_file(&file).unwrap();
    let error = refusal(vault_of("hopkeeper").list("secret", "vpn/entry").await);
    assert_eq!(error.category(), "vault_login_file");
    assert!(shown(&error).contains("for the vault login"));
}

#[tokio::test]
async fn a_sealed_server_is_named_as_such_and_works_again_once_unsealed() {
    let Some(bao) = Bao::start() else { return };
    enable_app_role(&bao, &["token_ttl=1h"]);
    bao.put("vpn/entry/a", "profile=CANARY");
    let vault = app_role(&bao, secret_id_file(&bao, &new_secret_id(&bao)));
    let never_logged_in = app_role(&bao, bao.directory().join("secret-id"));
    assert_eq!(names(&vault).await, ["a"]);

    bao.seal();
    for error in [
        refusal(vault.list("secret", "vpn/entry").await),
        refusal(vault.read("secret", "vpn/entry", "a").await.map(drop)),
        refusal(never_logged_in.list("secret", "vpn/entry").await),
    ] {
        assert!(matches!(error, VaultError::Sealed { .. }), "{error:?}");
        assert!(shown(&error).contains("sealed or not ready; unseal it"));
    }

    bao.unseal();
    assert_eq!(names(&vault).await, ["a"]);
    assert_eq!(names(&never_logged_in).await, ["a"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_words() {
    let Some(bao) = Bao::start() else { return };
    let vault = with_token(&bao, "token-CANARY");
    drop(bao);
    let error = refusal(vault.list("secret", "vpn/entry").await);
    assert_eq!(error.category(), "vault_unreachable");
    let said = shown(&error);
    assert!(said.contains("failed to list secret/vpn/entry") && said.contains("check its address"), "{said}");
}
