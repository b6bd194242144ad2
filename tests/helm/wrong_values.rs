//! A wrong value is refused with a sentence that names it.

use super::tool::{bare_template, refusal, template};

const CHAIN: &str = r#"chains={"berlin":{"namespace":"vpn","spec":{"hops":[{"name":"entry","client":"OpenVPN","parameters":{"vault":{"mount":"secret","path":"vpn/entry"}}}],"gateway":{"cidr":"10.200.7.0/24"}}}}"#;

#[test]
fn a_misspelt_or_impossible_value_is_named() {
    for (values, place) in [
        ("stack.mod=none", "at '/stack': additional properties 'mod' not allowed"),
        ("stack.mode=elk", "at '/stack/mode': value must be one of"),
        ("operator.replicas=0", "at '/operator/replicas'"),
        ("operator.leaseDuration=15", "at '/operator/leaseDuration'"),
        ("image.tag=1", "additional properties 'image' not allowed"),
        ("kafka.brokers={kafka}", "at '/kafka/brokers/0'"),
        ("elasticsearch.urls={es:9200}", "at '/elasticsearch/urls/0'"),
        ("documents.namespace=Mine", "at '/documents/namespace'"),
        ("statusPage.auth=token", "at '/statusPage/auth': value must be one of"),
        ("documents.setup.keep=90", "at '/documents/setup/keep'"),
        ("documents.setup.kibana.url=kibana:5601", "at '/documents/setup/kibana/url'"),
        ("links.type=vlan", "at '/links/type': value must be one of"),
        ("links.type=macvlan,links.master=eth 1", "at '/links/master'"),
        ("placement=Anywhere", "at '/placement': value must be one of"),
        ("tunDevice.resource=tun", "at '/tunDevice/resource'"),
        ("networkPolicy.dnsPorts={}", "at '/networkPolicy/dnsPorts"),
        ("rules.extra.mine=x", "at '/rules/extra'"),
        ("otlp.endpoint=collector:4318", "at '/otlp/endpoint'"),
        ("embedded.kafka.storage=big", "at '/embedded/kafka/storage'"),
        (
            "chains.berlin.spec.hops[0].name=entry,chains.berlin.spec.gateway.cidr=10.0.0.0/24",
            "at '/chains/berlin/spec/hops/0'",
        ),
        ("chains.Berlin.spec.paused=true", "at '/chains'"),
        ("chains.berlin.spec.gatewy.cidr=10.0.0.0/24", "additional properties 'gatewy' not allowed"),
    ] {
        let Some(said) = refusal(&["--set", values]) else { return };
        assert!(said.contains(place), "{values}: {said}");
    }
}

#[test]
fn settings_that_need_one_another_say_so() {
    for (arguments, sentence) in [
        (
            vec!["--set", "stack.mode=external"],
            "kafka.brokers is empty: with stack.mode=external and stack.transport=kafka it must name",
        ),
        (
            vec!["--set", "stack.mode=external,stack.transport=elasticsearch"],
            "elasticsearch.urls is empty: with stack.mode=external",
        ),
        (
            vec!["--set", "documents.enabled=true"],
            "elasticsearch.urls is empty: with documents.enabled it must name your Elasticsearch",
        ),
        (
            vec!["--set", "documents.enabled=true,elasticsearch.urls={https://e:9200},documents.setup.enabled=true"],
            "documents.setup.credentialsSecret is empty: it must name a Secret",
        ),
        (vec!["--set", "documents.setup.enabled=true"], "set documents.enabled too"),
        (vec!["--set-json", CHAIN], "chains.berlin.spec.hops[0].parameters.vault is set, but vault.address is empty"),
        (
            vec!["--set-json", CHAIN, "--set", "vault.address=https://v:8200,watchNamespace=other"],
            "chains.berlin.namespace is vpn, but watchNamespace is other",
        ),
        (
            vec!["--set-json", CHAIN, "--set", "vault.address=https://v:8200,placement=Spread"],
            "placement is Spread for chain berlin, whose links are of type bridge and stay on one node: set links.type to",
        ),
        (
            vec!["--set-json", CHAIN, "--set", "vault.address=https://v:8200,links.type=macvlan"],
            "links.master is empty: the links of chain berlin are of type macvlan, for which links.master (or chains.berlin",
        ),
        (
            vec!["--set-json", CHAIN, "--set", "vault.address=https://v:8200,links.type=ipvlan,links.master=eth1"],
            "links.type is ipvlan for chain berlin, which cannot carry a chain: the kernel gives",
        ),
        (
            vec!["--set-json", CHAIN, "--set", "vault.address=https://v:8200,links.master=eth1"],
            "links.master is eth1, but the links of chain berlin are of type bridge",
        ),
        (
            vec!["--set", "vault.address=https://v:8200,vault.auth=approle"],
            "vault.credentialSecret needs a name and a key: with vault.auth=approle they say where the secret id is",
        ),
        (
            vec![
                "--set-json",
                CHAIN,
                "--set",
                "vault.address=https://v:8200,chains.berlin.applicationNamespaces={vpn}",
            ],
            "chains.berlin.applicationNamespaces lists the chain's own namespace vpn",
        ),
        (
            vec!["--set", "stack.mode=embedded,stack.transport=elasticsearch,elasticsearch.index=mine"],
            "elasticsearch.index is mine: with stack.mode=embedded it must begin with logs-hopkeeper.vpn-",
        ),
        (
            vec!["--set-json", r#"kafka.options={"sasl.password":"x"}"#],
            "kafka.options has sasl.password, which is a secret: put the user into kafka.userSecret",
        ),
        (
            vec!["--set", "stack.mode=external,kafka.brokers={k:9092},kafka.securityProtocol=sasl-ssl"],
            "kafka.userSecret is empty: with kafka.securityProtocol=sasl-ssl it must name",
        ),
        (
            vec!["--set", "stack.mode=embedded,vault.role=vpn"],
            "vault.role is vpn, but the OpenBao of this chart makes one login alone",
        ),
        (
            vec!["--set", "stack.mode=embedded,vault.authMount=cluster"],
            "vault.authMount is cluster, but the OpenBao of this chart",
        ),
        (
            vec!["--set", "stack.mode=embedded,vault.auth=approle"],
            "vault.auth is approle, but the OpenBao of this chart",
        ),
        (
            vec!["--set", "stack.mode=external,kafka.brokers={k:9092},filebeat.credentialsSecret=fb"],
            "filebeat.credentialsSecret is set, but Kafka is talked to in plain text",
        ),
    ] {
        let Some(said) = refusal(&arguments) else { return };
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
}

#[test]
fn a_login_of_ones_own_is_for_a_vault_of_ones_own() {
    for values in [
        "stack.mode=embedded,vault.authMount=kubernetes",
        "stack.mode=embedded,vault.role=vpn,vault.address=https://v:8200",
        "stack.mode=embedded,vault.role=vpn,embedded.openbao.enabled=false",
        "vault.role=vpn,vault.address=https://v:8200",
    ] {
        let Some(output) = bare_template(&["--set", values]) else { return };
        assert!(output.status.success(), "{values}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn eck_without_its_operators_names_what_is_missing() {
    let Some(said) = refusal(&["--set", "stack.mode=eck,stack.transport=elasticsearch"]) else { return };
    for word in
        ["needs the operator ECK", "elasticsearch.k8s.elastic.co/v1/Elasticsearch", "beat.k8s.elastic.co/v1beta1/Beat"]
    {
        assert!(said.contains(word), "{said}");
    }
    let beat = ["--api-versions", "beat.k8s.elastic.co/v1beta1/Beat", "--set", "stack.mode=eck"];
    let said = refusal(&beat).unwrap();
    assert!(said.contains("needs the operator Strimzi"), "{said}");
}

#[test]
fn an_old_cluster_is_refused() {
    let Some(output) = bare_template(&["--kube-version", "1.30.0"]) else { return };
    assert!(String::from_utf8_lossy(&output.stderr).contains("requires kubeVersion"));
    assert!(template(&["--kube-version", "1.31.0"]).unwrap().status.success());
}
