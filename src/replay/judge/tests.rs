//! Outages that last.

use jiff::SignedDuration;

use super::*;
use crate::domain::testing::policy;
use crate::domain::types::Implementation;
use crate::replay::{Hop, signs};

/// More than this is kept only if what is kept grows with time: what the middle's doubts close in an hour, and a few that wait.
const KEPT: usize = 24;

/// What is decided about the entry while it is refused and the others complain, every five minutes for so long.
fn outage(lasts: SignedDuration) -> Vec<(String, Action, Option<String>)> {
    let implementations = [Implementation::OpenVpn, Implementation::BoringTun, Implementation::OpenVpn];
    let hops = ["entry", "middle", "exit"].iter().zip(implementations);
    let chain = Chain {
        namespace: "default".into(),
        name: "lab".into(),
        policy: policy(),
        paused: false,
        hops: hops.map(|(name, implementation)| Hop { name: (*name).into(), implementation, has_log: true }).collect(),
    };
    let begin: Timestamp = "2026-11-22T16:00:00Z".parse().unwrap();
    let mut records = Vec::new();
    let mut line = |time: SignedDuration, hop: usize, text: &str| {
        records.push(Record {
            time: begin + time,
            hop,
            is_health: false,
            implementation: implementations[hop],
            pod_uid: None,
            file_offset: Some(records.len() as u64),
            text: text.into(),
        });
    };
    let mut now = SignedDuration::ZERO;
    line(now, 0, "Initialization Sequence Completed");
    line(now, 2, "Initialization Sequence Completed");
    while now < lasts {
        now += SignedDuration::from_secs(301);
        line(now, 0, "SIGUSR1[soft,auth-failure] received, process restarting");
        line(now, 2, "SIGUSR1[soft,tls-error] received, process restarting");
        for again in 0..3 {
            let now = now + SignedDuration::from_secs(again * 5);
            line(now, 0, "AUTH: Received control message: AUTH_FAILED");
            line(now, 1, "WARN boringtun::noise::timers: HANDSHAKE(REKEY_TIMEOUT)");
            line(
                now,
                2,
                "TLS Error: TLS key negotiation failed to occur within 60 seconds (check your network connectivity)",
            );
        }
    }
    let rules = Arc::new(RuleSet::shipped());
    let signs: Vec<Sign> = records.iter().map(|record| signs::read(&rules, record)).collect();
    let mut judge = Judge::new(&chain, &rules, Readiness::new(&chain, records.iter(), &signs));
    for (record, sign) in records.iter().zip(&signs) {
        judge.take(0, record, sign);
        assert!(judge.incidents.len() <= KEPT, "{} incidents after {}", judge.incidents.len(), record.time - begin);
    }
    let decided = judge.finish().into_iter().filter(|decided| decided.hop == "entry");
    decided.map(|decided| (decided.rule, decided.action, decided.cause)).collect()
}

#[test]
fn an_outage_of_days_keeps_no_more_than_one_of_an_hour_and_comes_to_the_same() {
    let short = outage(SignedDuration::from_hours(1));
    assert!(short.contains(&("openvpn-auth-failed".into(), Action::Rotate, None)), "{short:?}");
    assert_eq!(outage(SignedDuration::from_hours(72)), short);
}
