//! When a hop's Secret must be written anew, and when not.

use super::*;
use crate::controller::testing::{candidate, secret, with_berlin};
use crate::domain::plan::EndpointAddress;
use crate::domain::types::{CandidateRef, Implementation};

/// A pool's answer that names no servers.
fn held(listing: Listing) -> Answer {
    Answer { listing, servers_ahead: Vec::new() }
}

fn newer(secret: &HopSecret) -> Chosen {
    let candidate = CandidateRef { version: "2".into(), ..candidate("a") };
    Chosen { candidate, resolved: secret.resolved() }
}

#[test]
fn a_new_version_with_the_same_content_is_no_difference() {
    with_berlin(|chain| {
        for hop in 0..3 {
            let secret = secret(chain, hop);
            assert!(!differs(&secret, &newer(&secret)));
        }
    });
}

#[test]
fn other_content_is_a_difference_also_a_file_more_or_less() {
    with_berlin(|chain| {
        let mut secret = secret(chain, 0);
        let mut other = newer(&secret);
        other.resolved.files.insert("client.conf".into(), "remote 198.51.100.12".into());
        assert!(differs(&secret, &other));
        let mut more = newer(&secret);
        more.resolved.files.insert("auth".into(), "user\npassword\n".into());
        assert!(differs(&secret, &more));
        secret.object.data.get_or_insert_default().insert("auth".into(), k8s_openapi::ByteString(b"old".to_vec()));
        let mut less = newer(&secret);
        less.resolved.files.remove("auth");
        assert!(differs(&secret, &less));
        secret.object.data = None;
        assert!(differs(&secret, &less));
    });
}

#[test]
fn another_tunnel_address_alone_is_a_difference() {
    with_berlin(|chain| {
        let secret = secret(chain, 1);
        let mut moved = newer(&secret);
        moved.resolved.tunnel_addresses = vec!["10.66.0.3/32".parse().unwrap()];
        assert!(differs(&secret, &moved));
    });
}

#[test]
fn a_changed_network_keeps_the_candidate_where_it_fits() {
    with_berlin(|chain| {
        let secret = secret(chain, 1);
        let mut network = chain.plan.hops[1].clone();
        network.tun_mtu -= 8;
        let plan = replanned(&secret, &network).unwrap();
        assert_eq!((&plan.network, &plan.candidate, plan.revision), (&network, &candidate("a"), 0));

        // Another program for the same protocol runs as another user, whom the kill switch must let through.
        network.implementation = Implementation::WireGuardGo;
        assert!(same_client(&secret, &network));
        assert_eq!((secret.plan.uid, replanned(&secret, &network).unwrap().uid), (65534, 0));

        network.implementation = Implementation::OpenVpn;
        assert!(!same_client(&secret, &network), "another protocol needs another candidate");
    });
}

#[test]
fn other_addresses_need_a_new_pod_and_nothing_else_of_a_network_does() {
    with_berlin(|chain| {
        let secret = secret(chain, 1);
        let network = &chain.plan.hops[1];
        let recreate = |change: fn(&mut HopNetwork)| {
            let mut network = network.clone();
            change(&mut network);
            moved(&secret, &network) - secret.stamp.recreate
        };
        assert_eq!(recreate(|network| network.inner.address = "198.18.7.1/30".parse().unwrap()), 1);
        assert_eq!(recreate(|network| network.outer.as_mut().unwrap().address = "198.18.7.2/30".parse().unwrap()), 1);
        assert_eq!(recreate(|network| network.tun_mtu -= 8), 0);
        assert_eq!(recreate(|_| ()), 0);
    });
}

#[test]
fn a_candidate_that_clashes_with_the_changed_network_is_not_kept() {
    with_berlin(|chain| {
        let mut secret = secret(chain, 1);
        let inner = chain.plan.hops[1].inner.address;
        secret.plan.endpoints = vec![EndpointAddress { ip: inner.addr(), ..secret.plan.endpoints[0] }];
        assert!(replanned(&secret, &chain.plan.hops[1]).is_err());
    });
}

#[test]
fn each_pool_is_asked_once_in_a_while() {
    let (polls, long, at_once) = (Polls::default(), Duration::from_secs(3600), Duration::ZERO);
    assert!(polls.is_due("a", long));
    polls.remember("a", Ok(held(Listing::default())));
    assert!(!polls.is_due("a", long));
    assert!(polls.is_due("b", long));
    assert!(polls.is_due("a", at_once));
}

#[test]
fn what_was_wrong_with_a_pool_is_known_until_it_is_asked_again() {
    let polls = Polls::default();
    polls.remember("a", Err("vault is sealed".into()));
    polls.remember("b", Ok(held(Listing::default())));
    assert_eq!(polls.last_problem("a").as_deref(), Some("vault is sealed"));
    assert_eq!((polls.last_problem("b"), polls.last_problem("c")), (None, None));
    polls.remember("a", Ok(held(Listing::default())));
    assert_eq!(polls.last_problem("a"), None);
}

#[test]
fn what_a_pool_held_is_known_while_it_gives_no_answer() {
    let polls = Polls::default();
    let listing = Listing { names: vec!["a".into()], version: None, ..Listing::default() };
    assert_eq!(polls.listing("a"), None);
    polls.remember("a", Ok(held(listing.clone())));
    polls.remember("a", Err("vault is sealed".into()));
    assert_eq!((polls.listing("a"), polls.last_problem("a").as_deref()), (Some(listing), Some("vault is sealed")));
}

#[test]
fn secrets_that_are_gone_are_forgotten() {
    let polls = Polls::default();
    for key in 0..100 {
        polls.remember(&key.to_string(), Ok(held(Listing::default())));
    }
    std::thread::sleep(Duration::from_millis(10));
    assert!(polls.is_due("last", Duration::from_millis(1)));
    assert!(polls.polls().is_empty());
}
