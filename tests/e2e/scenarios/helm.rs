//! The chart as a person uses it: installed, tested, upgraded and uninstalled by helm, with the operator in a pod.

use std::collections::BTreeMap;

use hopkeeper::crd::incident::StepAction;
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::rotation::heals;
use super::{LIMIT, seconds};
use crate::app;
use crate::chain::{Chain, kubectl, phase};
use crate::lab::{Fault, LANES};
use crate::leaks::{Leaker, Senders, outside};
use crate::processes::{NET_ADMIN, Process, processes};
use crate::release::{self, Release, pool, values};
use crate::turn::{Need, turn};
use crate::wait::until;
use crate::walls::{self, Neighbour};

/// A rule of the user's own, on what the lab's servers can be made to say.
fn rule(words: &str) -> Value {
    let rule = format!(
        "{{id: provider-says, title: The provider says so, pattern: '{words}', evidence: own, verdict: alert, \
         samples: {{fires: ['{words}'], silent: ['all is well']}}}}"
    );
    json!(format!("version: 1\nclient: openvpn\nrules:\n  - {rule}\n"))
}

#[tokio::test]
async fn an_installed_chart_heals_its_chain_upgrades_one_hop_and_leaves_what_it_promised() {
    // The operator's pod is on the network on which the scenario of the leaks listens.
    let turn = turn("helm", Need::ThisLane(LANES[0])).await;
    turn.lane.mend();
    let chain = Chain::vacant(turn.lane, "helm").await;
    let release = Release::new("e2e-helm-operator");
    let mut values = values(&chain);
    values["rules"] = json!({"extra": {"mine.yaml": rule("plan expired")}});
    values["operator"]["keepIncidents"] = json!(1);

    let began = Timestamp::now();
    let notes = release.install(release::earlier_chart().path(), &values);
    chain.claim().await;
    println!("    installed after {:.1} s", seconds(began, Timestamp::now()));
    for hop in ["entry", "middle", "exit"] {
        let command = format!("kubectl -n {} create secret generic {}", chain.namespace, pool(hop));
        assert!(notes.contains(&command), "the notes should name the pool of {hop}: {notes}");
        chain.pool(&pool(hop), hop);
    }
    chain.until_up(LIMIT).await;
    app::start(&chain).await;
    let page = app::until_page(&chain, began, LIMIT).await;
    println!("    first page {:.1} s after `helm install` began", seconds(began, page));
    nobody_has_more_rights_than_needed(&chain, &release).await;

    heals(&chain, "entry", &["revoke-password", "entry", "a"], StepAction::RotateInPlace).await;

    tests_pass(&release);
    one_hop_is_upgraded(&chain, &release, &mut values).await;
    rolled_back(&chain, &release).await;
    until("closed incidents are kept by number", LIMIT, || async {
        let closed = chain.incidents().await.iter().filter(|i| phase(i).is_closed()).count();
        if closed == 1 { Ok(()) } else { Err(format!("{closed} closed incidents")) }
    })
    .await;

    the_operator_reaches_what_it_works_with(&chain, &release).await;
    uninstalled(&chain, &release).await;
}

/// By the chart's own policy.
async fn the_operator_reaches_what_it_works_with(chain: &Chain, release: &Release) {
    let neighbour = Neighbour::start(chain).await;
    let operator = release.operator(&chain.client).await;
    assert_eq!(
        neighbour.reached_by(&operator),
        [walls::API].into(),
        "this release reads lines and pools from the Kubernetes API"
    );
    assert!(!neighbour.reaches(&operator), "only its metrics are there for others");
    kubectl(&["-n", &release.namespace, "delete", "networkpolicy", "hopkeeper"]);
    until("without its policy it reaches everything, and is reached", LIMIT, || async {
        let (reached, is_reached) = (neighbour.reached_by(&operator), neighbour.reaches(&operator));
        if reached == walls::everything() && is_reached { Ok(()) } else { Err(format!("{reached:?}, {is_reached}")) }
    })
    .await;
}

/// design.md's table, as the kernel sees it.
async fn nobody_has_more_rights_than_needed(chain: &Chain, release: &Release) {
    let operator = release.operator(&chain.client).await;
    assert_eq!(operator.spec.as_ref().and_then(|s| s.service_account_name.as_deref()), Some("hopkeeper"));
    let own = BTreeMap::from([("hopkeeper".to_owned(), Process::held_back(65532, 0))]);
    assert_eq!(processes(&operator), own, "the operator");
    let expected: BTreeMap<_, _> = [("net", 0, NET_ADMIN), ("health", 65534, 0), ("vpn", 65534, 0)]
        .map(|(name, user, capabilities)| (name.to_owned(), Process::held_back(user, capabilities)))
        .into();
    for hop in ["entry", "middle", "exit"] {
        assert_eq!(processes(&chain.pod(hop).await), expected, "{hop}");
    }
}

fn tests_pass(release: &Release) {
    let began = Timestamp::now();
    let said = release.test();
    println!("    helm test passed in {:.1} s", seconds(began, Timestamp::now()));
    for shown in ["hopkeeper_rules_loaded", "3/3", "fetched"] {
        assert!(said.contains(shown), "helm test should show {shown:?}: {said}");
    }
}

/// From an earlier version of the chart to this one, with another rule, and another program for the hop in the middle: its pod is
/// made anew, and nothing else is; no packet leaves beside the tunnels.
async fn one_hop_is_upgraded(chain: &Chain, release: &Release, values: &mut Value) {
    let (before, networks) = (chain.state().await, networks(chain));
    let operator = release.operator(&chain.client).await.uid();
    let reloads_before = reloads(release);
    // CRDs of an earlier version: a column is missing.
    let crd = ["crd", "vpnchains.hopkeeper.io"];
    let column = r#"[{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/4"}]"#;
    kubectl(&[&["patch"], &crd[..], &["--type=json", "-p", column]].concat());
    let columns = || {
        kubectl(
            &[&["get"], &crd[..], &["-o", "jsonpath={.spec.versions[0].additionalPrinterColumns[*].name}"]].concat(),
        )
    };
    assert!(!columns().contains("Message"), "the column should be gone: {}", columns());

    values["rules"]["extra"]["mine.yaml"] = rule("quota used up");
    let hop = values.pointer_mut("/chains/berlin/spec/hops/1").expect("there should be a hop in the middle");
    hop["wireGuard"] = json!({"implementation": "WireGuardGo"});
    let senders = Senders::of(chain);
    let capture = outside("leak-upgrade");
    let leaker = Leaker::start(chain.lane);
    let began = Timestamp::now();
    release.upgrade(values);
    assert!(columns().contains("Message"), "the CRDs should be upgraded: {}", columns());
    until_new_pod(chain, &before["middle"].0).await;
    let page = app::until_page(chain, Timestamp::now(), LIMIT).await;
    println!("    a hop is upgraded, and the page fetched again, after {:.1} s", seconds(began, page));
    drop(leaker);
    let (leaked, pods) = senders.of_theirs(capture.stop());
    assert!(leaked.is_empty(), "in an upgrade: {leaked:#?}");
    assert!(pods >= 5, "three hops, one of them twice, and the application: {pods}");
    untouched_but_for_the_middle(chain, &before).await;
    assert_eq!(self::networks(chain), networks, "links and gateway");
    assert_eq!(release.operator(&chain.client).await.uid(), operator, "the operator goes on");

    until_reloaded(release, reloads_before).await;
    let (server, candidate) = (chain.server("entry").await, chain.candidate_name("entry").await);
    drop(Fault::new(chain.lane, &["say", &server, &candidate, "quota used up"]));
    chain.until_incident("entry", "was created by the other rule", LIMIT, |i| i.spec.rule == "provider-says").await;
    println!("    the other rule has fired after {:.1} s", seconds(began, Timestamp::now()));
}

/// `helm rollback`: the former rule and the former program, and again nothing else.
async fn rolled_back(chain: &Chain, release: &Release) {
    let (before, reloads_before, began) = (chain.state().await, reloads(release), Timestamp::now());
    release.rollback();
    until_new_pod(chain, &before["middle"].0).await;
    untouched_but_for_the_middle(chain, &before).await;
    until_reloaded(release, reloads_before).await;
    println!("    rolled back after {:.1} s", seconds(began, Timestamp::now()));
}

async fn until_new_pod(chain: &Chain, former: &str) {
    until("the hop in the middle has a new pod", LIMIT, || async {
        let now = chain.state().await;
        if now["middle"].0 == former { Err(format!("{:?}", now["middle"])) } else { Ok(()) }
    })
    .await;
    chain.until_up(LIMIT).await;
}

async fn untouched_but_for_the_middle(chain: &Chain, before: &BTreeMap<String, (String, String)>) {
    let after = chain.state().await;
    assert_eq!((&after["entry"], &after["exit"]), (&before["entry"], &before["exit"]));
}

/// How often the operator has taken changed rules into use.
fn reloads(release: &Release) -> usize {
    release.log().matches("Going on with other rules.").count()
}

/// The kubelet brings a changed ConfigMap within its own time, and whoever judges lines goes on with it a moment after it was loaded.
async fn until_reloaded(release: &Release, before: usize) {
    until("lines are judged by the other rule", LIMIT, || async {
        let now = reloads(release);
        if now > before { Ok(()) } else { Err(format!("{now} reloads")) }
    })
    .await;
}

/// The networks of the chain: identity and configuration.
fn networks(chain: &Chain) -> BTreeMap<String, (Value, Value)> {
    let text = kubectl(&["-n", &chain.namespace, "get", "network-attachment-definitions", "-o", "json"]);
    let mut list: Value = serde_json::from_str(&text).expect("kubectl should print JSON");
    let items = list["items"].as_array_mut().expect("it should be a list");
    let networks: BTreeMap<_, _> = items
        .iter_mut()
        .map(|n| (n["metadata"]["name"].to_string(), (n["metadata"]["uid"].take(), n["spec"].take())))
        .collect();
    assert_eq!(
        networks.len(),
        7,
        "an end and a port of two links and of the gateway, and what applications name: {networks:?}"
    );
    networks
}

/// What docs/install.md says is kept, and nothing else.
async fn uninstalled(chain: &Chain, release: &Release) {
    kubectl(&["-n", &chain.namespace, "delete", "pod", "app", "--wait=true"]);
    let began = Timestamp::now();
    release.uninstall();
    println!("    uninstalled in {:.1} s", seconds(began, Timestamp::now()));
    let kept =
        ["lease/hopkeeper", "lease/hopkeeper-pod-logs", "secret/entry-pool", "secret/exit-pool", "secret/middle-pool"];
    until("the release is gone but for what it promised to keep", LIMIT, || async {
        let mut left = [objects(&release.namespace), objects(&chain.namespace)].concat();
        left.sort();
        if left == kept { Ok(()) } else { Err(left.join(", ")) }
    })
    .await;
    let everywhere = "clusterroles,clusterrolebindings,customresourcedefinitions,namespaces";
    let ours = kubectl(&["get", everywhere, "-l", "app.kubernetes.io/instance=hopkeeper", "-o", "name"]);
    assert_eq!(ours.trim(), format!("namespace/{}", chain.namespace), "of the cluster's own objects");
    let crds = kubectl(&["get", "crd", "vpnchains.hopkeeper.io", "hopincidents.hopkeeper.io", "-o", "name"]);
    assert_eq!(crds.lines().count(), 2, "{crds}");
}

/// Every object of a namespace, but for those that Kubernetes puts into each, and Events.
fn objects(namespace: &str) -> Vec<String> {
    let kinds = kubectl(&["api-resources", "--namespaced", "--verbs=list", "-o", "name"]);
    // Endpoints are only another form of EndpointSlices, and deprecated.
    let kinds: Vec<_> = kinds.lines().filter(|kind| !kind.starts_with("events") && *kind != "endpoints").collect();
    let list = kubectl(&["-n", namespace, "get", &kinds.join(","), "-o", "name", "--ignore-not-found"]);
    let own = ["serviceaccount/default", "configmap/kube-root-ca.crt"];
    // A kind's group is of no matter here.
    let short = |line: &str| match line.split_once('/') {
        Some((kind, name)) => format!("{}/{name}", kind.split('.').next().unwrap_or(kind)),
        None => line.to_owned(),
    };
    list.lines().map(short).filter(|object| !own.contains(&object.as_str())).collect()
}
