//! What `compose/compose.yaml` says, by `docker compose` itself, which validates it by the Compose Specification's schema; held
//! against the plan, the commands and the images that hops have in Kubernetes.

use std::collections::BTreeSet;
use std::fs;

use hopkeeper::domain::plan::{ChainInput, ChainPlan, HopInput, client_process};
use hopkeeper::domain::types::Implementation;
use serde_json::Value;

use super::engine::{compose, missing_compose, root};
use super::needs::pass_over;

/// The file as the engine gets it: merged, checked against the schema; none where `docker compose` is not here.
fn file() -> Option<Value> {
    if let Some(missing) = missing_compose() {
        pass_over(&missing);
        return None;
    }
    let output = compose(&["config", "--format", "json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The plan of `compose/chain.yaml`, by the code that the operator uses.
fn plan() -> ChainPlan {
    let text = fs::read_to_string(root().join("compose/chain.yaml")).unwrap();
    let chain: hopkeeper::crd::VpnChain = serde_saphyr::from_str(&text).unwrap();
    let hop = |hop: &hopkeeper::crd::chain::HopSpec| HopInput {
        name: hop.name.clone(),
        implementation: hop.implementation(),
        transport: hop.transport(),
    };
    ChainPlan::new(&ChainInput {
        hops: chain.spec.hops.iter().map(hop).collect(),
        gateway: chain.spec.gateway.cidr.parse().unwrap(),
        links: chain.spec.links.cidr.parse().unwrap(),
        mtu: chain.spec.mtu,
    })
    .unwrap()
}

#[test]
fn the_clients_run_the_commands_of_their_pods_as_the_same_user_without_a_right() {
    let Some(file) = file() else { return };
    for (service, implementation) in [
        ("client1-vpn", Implementation::OpenVpn),
        ("client2-vpn", Implementation::BoringTun),
        ("client3-vpn", Implementation::OpenVpn),
    ] {
        let (service, process) = (&file["services"][service], client_process(implementation).unwrap());
        let command: Vec<&str> = [words(&service["entrypoint"]), words(&service["command"])].concat();
        assert_eq!(command, process.command, "{service}");
        for (name, value) in &process.env {
            assert_eq!(service["environment"][name], value.as_str());
        }
        assert_eq!(service["user"], format!("{0}:{0}", process.uid));
        assert!(service["cap_add"].is_null() && !process.net_admin, "{service}");
    }
}

#[test]
fn no_container_has_more_rights_than_it_needs_and_none_reaches_docker() {
    let Some(file) = file() else { return };
    let services = file["services"].as_object().unwrap();
    for (name, service) in services {
        assert_eq!(words(&service["cap_drop"]), ["ALL"], "{name}");
        let added = words(&service["cap_add"]);
        let builds_networks = name.ends_with("-pod") || name.contains("-net") || name.starts_with("server");
        let expected = match name.as_str() {
            _ if builds_networks => vec!["NET_ADMIN"],
            "parameters" => vec!["CHOWN"],
            _ => vec![],
        };
        assert_eq!(added, expected, "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        assert!(service["privileged"].is_null() && service["pid"].is_null(), "{name}");
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let is_ours =
                volume["type"] == "volume" || volume["source"].as_str().unwrap().starts_with(root().to_str().unwrap());
            assert!(is_ours, "{name} should see nothing of the machine: {volume}");
        }
    }
    // Its client's configuration is for nobody else: root writes it, and its group is the client's.
    for hop in ["client1", "client2", "client3"] {
        assert_eq!(services[&format!("{hop}-health")]["user"], "65533:65533");
    }
}

#[test]
fn every_image_is_built_from_a_containerfile_that_has_what_it_runs() {
    let Some(file) = file() else { return };
    for (name, service) in file["services"].as_object().unwrap() {
        let build = &service["build"];
        let path = root().join(build["dockerfile"].as_str().unwrap());
        assert_eq!(build["context"].as_str().map(std::path::Path::new), Some(root()), "{name}");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if let Some(target) = build["target"].as_str() {
            assert!(text.contains(&format!(" AS {target}\n")), "{name}: no stage {target}");
        }
        let entrypoint = words(&service["entrypoint"]);
        if let Some(program) = entrypoint.first() {
            let program = program.trim_start_matches("/bin/");
            assert!(text.contains(&format!(" {program}=/")), "{name}: {} has no {program}", path.display());
        }
    }
}

#[test]
fn addresses_and_mtu_are_those_of_the_chains_plan() {
    let Some(file) = file() else { return };
    let plan = plan();
    assert_eq!(plan.hops.iter().map(|hop| hop.name.as_str()).collect::<Vec<_>>(), ["client3", "client2", "client1"]);
    for hop in &plan.hops {
        let pod = &file["services"][format!("{}-pod", hop.name)];
        let mut given = BTreeSet::new();
        for word in words(&pod["command"]) {
            let mut parts = word.split('=');
            let (name, docker, own) = (parts.next().unwrap(), parts.next().unwrap(), parts.next());
            let networks = pod["networks"].as_object().unwrap();
            assert!(networks.values().any(|network| network["ipv4_address"] == docker), "{word}: no such network");
            let own = own.map_or_else(|| docker.to_owned(), |own| own.split('/').next().unwrap().to_owned());
            given.insert((name.to_owned(), own));
        }
        let mut expected = BTreeSet::from([("in0".to_owned(), hop.inner.address.addr().to_string())]);
        match &hop.outer {
            Some(outer) => expected.insert(("out0".to_owned(), outer.address.addr().to_string())),
            None => expected.insert(("eth0".to_owned(), "203.0.113.2".to_owned())),
        };
        assert_eq!(given, expected, "{}", hop.name);
    }
    let route = format!("default={},{}", plan.gateway_address, plan.gateway_mtu);
    let app = &file["services"]["app-pod"];
    assert!(words(&app["command"]).contains(&route.as_str()), "the application's route should be {route}");
    assert_eq!(app["networks"].as_object().unwrap().keys().collect::<Vec<_>>(), ["gateway"]);
}

#[test]
fn each_arrow_of_the_drawing_is_a_network_of_its_own() {
    let Some(file) = file() else { return };
    let services = file["services"].as_object().unwrap();
    let on = |network: &str| -> BTreeSet<&str> {
        let is_on = |service: &Value| service["networks"].get(network).is_some();
        services.iter().filter(|(_, service)| is_on(service)).map(|(name, _)| name.trim_end_matches("-pod")).collect()
    };
    let line = ["app", "client1", "client2", "client3", "server3", "server2", "server1", "web"];
    let networks = ["gateway", "link12", "link23", "wan", "server32", "server21", "internet"];
    for (network, pair) in networks.iter().zip(line.windows(2)) {
        assert_eq!(on(network), BTreeSet::from([pair[0], pair[1]]), "{network}");
        let options = &file["networks"][*network]["driver_opts"];
        assert_eq!(
            options["com.docker.network.bridge.inhibit_ipv4"], "true",
            "{network}: the machine should not be on it"
        );
    }
    assert_eq!(file["networks"].as_object().unwrap().len(), networks.len() + 1, "and that of the log lines");
}

#[test]
fn lines_of_clients_and_sidecars_reach_the_operator_under_their_names() {
    let Some(file) = file() else { return };
    for hop in ["client1", "client2", "client3"] {
        for container in ["vpn", "health"] {
            let logging = &file["services"][format!("{hop}-{container}")]["logging"];
            assert_eq!(logging["driver"], "syslog");
            assert_eq!(logging["options"]["tag"], format!("{hop}/{container}"));
            assert_eq!(logging["options"]["syslog-format"], "rfc5424micro");
        }
    }
    let port = &file["services"]["operator"]["ports"][0];
    assert_eq!((&port["host_ip"], &port["protocol"]), (&"127.0.0.1".into(), &"udp".into()), "nobody else may send");
}
