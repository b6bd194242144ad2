//! An installation of fifty chains, as its objects: one in trouble, one that waits for a person, the others well.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// How many chains there are.
pub const CHAINS: usize = 50;

/// What a VPN server could have its client log.
pub const HOSTILE: &str = "</code></script><script>window.obeyed = 1</script><img src=x onerror='window.obeyed = 2'>\" \
                           onmouseover=\"window.obeyed = 3\" <svg onload=window.obeyed=4>";

const CITIES: [&str; 10] = ["berlin", "bogota", "cairo", "hanoi", "lima", "nairobi", "oslo", "quito", "sofia", "tokyo"];

/// Chains and incidents.
pub fn installation(now: Timestamp) -> (Vec<Value>, Vec<Value>) {
    let up = [("entry", "Up"), ("middle", "Up"), ("exit", "Up")];
    let name = |number: usize| match number / CITIES.len() {
        0 => CITIES[number].to_owned(),
        round => format!("{}-{}", CITIES[number % CITIES.len()], round + 1),
    };
    let mut chains: Vec<Value> = (0..CHAINS).map(|number| chain(&name(number), up)).collect();
    let ago = |seconds: i64| now - SignedDuration::from_secs(seconds);
    chains[0] = chain("berlin", [("entry", "Recovering"), ("middle", "Up"), ("exit", "Held")]);
    chains[4] = chain("lima", [("entry", "Up"), ("middle", "Held"), ("exit", "Suspect")]);
    let mut acting = incident("berlin", "entry", "0a1b2c3d4e5f", "Verifying", ago(12));
    acting["status"]["steps"] = json!([{
        "action": "RotateInPlace", "candidate": { "name": "b", "version": "1" }, "revision": 1, "recreate": 0,
        "startedAt": micro(ago(11)), "appliedAt": micro(ago(11)),
    }]);
    let mut symptom = incident("berlin", "exit", "112233445566", "Held", ago(8));
    symptom["spec"]["evidence"] = json!("path");
    symptom["spec"]["rule"] = json!("health-stalled");
    symptom["spec"]["title"] = json!("The tunnel has been silent for longer than its keepalive");
    symptom["spec"]["line"] = json!("{\"state\":\"stalled\",\"rx_age_seconds\":15}");
    symptom["status"]["cause"] = json!("entry");
    symptom["status"]["reason"] = json!("SymptomOfOuterHop");
    symptom["status"]["message"] = json!("outer hop \"entry\" carries no traffic: this is its symptom");
    let mut person = incident("lima", "middle", "99aabbccddee", "Escalated", ago(640));
    person["status"]["reason"] = json!("PoolExhausted");
    person["status"]["message"] =
        json!("every candidate of the pool was tried and none works: put another one into the pool");
    let mut incidents = vec![acting, symptom, person];
    for (number, city) in CITIES.iter().enumerate() {
        incidents.push(incident(
            city,
            "entry",
            "00ff00ff00ff",
            "Recovered",
            ago(4000 + 5000 * i64::try_from(number).expect("it is small")),
        ));
    }
    (chains, incidents)
}

/// A chain whose hops, entry first, have these states.
pub fn chain(name: &str, hops: [(&str, &str); 3]) -> Value {
    let up = hops.iter().filter(|(_, state)| *state == "Up").count();
    let (phase, message) = match hops.iter().find(|(_, state)| *state != "Up") {
        None => ("Up", "every hop carries traffic".to_owned()),
        Some((hop, state)) => {
            (if *state == "Recovering" { state } else { "Degraded" }, format!("hop {hop:?} is {state}"))
        }
    };
    let clients = ["OpenVPN", "WireGuard", "OpenVPN"];
    let spec = hops.iter().zip(clients).map(|((hop, _), client)| {
        json!({ "name": hop, "client": client, "parameters": { "secretRef": { "name": format!("{hop}-pool") } } })
    });
    let status = hops.iter().map(|(hop, state)| {
        json!({ "name": hop, "state": state, "candidate": format!("{name}-{hop}@3"), "pod": format!("{name}-{hop}-5d8f7-x2x4z"),
            "since": "2026-11-22T11:00:00Z", "candidatesLeft": if *state == "Held" { 0 } else { 4 } })
    });
    json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "VpnChain",
        "metadata": { "name": name, "namespace": "vpn", "uid": name, "generation": 1, "creationTimestamp": "2026-11-20T08:00:00Z" },
        "spec": { "hops": spec.collect::<Vec<_>>(), "gateway": { "cidr": "10.200.7.0/24" } },
        "status": { "observedGeneration": 1, "phase": phase, "hopsUp": format!("{up}/3"), "message": message, "hops": status.collect::<Vec<_>>() },
    })
}

/// A refusal of a hop's server.
pub fn incident(chain: &str, hop: &str, id: &str, phase: &str, at: Timestamp) -> Value {
    let closed = ["Recovered", "Escalated"].contains(&phase).then(|| micro(at + SignedDuration::from_millis(3200)));
    let message = match phase {
        "Recovered" => "the hop carries traffic again",
        "Verifying" => "loading candidate b@1 into the running pod",
        _ => "not judged yet",
    };
    let line =
        |at: Timestamp, offset: u32| json!({ "time": micro(at), "position": format!("kafka:vpn-logs/2/{offset}") });
    json!({
        "apiVersion": "hopkeeper.io/v1alpha1", "kind": "HopIncident",
        "metadata": { "name": format!("{chain}-{hop}-{id}"), "namespace": "vpn", "uid": id, "creationTimestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() },
        "spec": {
            "chain": chain, "hop": hop, "podUid": "u", "pod": format!("{chain}-{hop}-5d8f7-x2x4z"),
            "candidate": { "name": "a", "version": "3" }, "rule": "openvpn-auth-failed",
            "title": "The server rejected the user name or password", "verdict": "rotate", "evidence": "own",
            "first": line(at - SignedDuration::from_millis(1500), 4711), "last": line(at, 4720),
            "line": "AUTH: Received control message: AUTH_FAILED",
        },
        "status": { "phase": phase, "reason": phase, "message": message, "steps": [], "closedAt": closed },
    })
}

fn micro(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}
