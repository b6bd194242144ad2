//! Looks up the addresses of VPN servers' names. A name that is not there is its candidate's fault; a name service that
//! does not answer is nobody's, and is waited for.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use dns_lookup::{AddrFamily, AddrInfoHints, LookupErrorKind, SockType, getaddrinfo};
use futures::future::join_all;

/// How long a name service may take before it counts as one that does not answer: it must not hold a repair up for longer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The name service did not answer, or not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// Looks a name up; none of the addresses where there is no such name. It may block.
pub type Lookup = fn(&str) -> Result<Vec<Ipv4Addr>, NoAnswer>;

/// What was found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The addresses of each name that was answered.
    pub found: BTreeMap<String, Vec<Ipv4Addr>>,
    /// Some name was not.
    pub is_partial: bool,
}

/// Asks the system's name service.
///
/// # Errors
/// When it does not answer, refuses, or fails.
pub fn system(name: &str) -> Result<Vec<Ipv4Addr>, NoAnswer> {
    let (address, socktype) = (AddrFamily::Inet.into(), SockType::Stream.into());
    let hints = AddrInfoHints { address, socktype, ..AddrInfoHints::default() };
    match getaddrinfo(Some(name), None, Some(hints)) {
        Ok(found) => {
            let ipv4 = |ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None };
            Ok(found.filter_map(Result::ok).filter_map(|info| ipv4(info.sockaddr.ip())).collect())
        }
        Err(error) if matches!(error.kind(), LookupErrorKind::NoName | LookupErrorKind::NoData) => Ok(Vec::new()),
        Err(_) => Err(NoAnswer),
    }
}

/// Looks names up side by side. What has no answer in time goes on in the background and is forgotten.
pub async fn all(lookup: Lookup, names: impl Iterator<Item = &str>, patience: Duration) -> Addresses {
    let one = |name: &str| {
        let name = name.to_owned();
        async move {
            let asked = name.clone();
            let answer = tokio::time::timeout(patience, tokio::task::spawn_blocking(move || lookup(&asked))).await;
            (name, answer.ok().and_then(Result::ok).and_then(Result::ok))
        }
    };
    let mut addresses = Addresses::default();
    for (name, answer) in join_all(names.map(one)).await {
        match answer {
            Some(ips) => drop(addresses.found.insert(name, ips)),
            None => addresses.is_partial = true,
        }
    }
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_knows_its_own_name_and_that_a_malformed_one_is_none() {
        assert_eq!(system("localhost"), Ok(vec![Ipv4Addr::LOCALHOST]));
        // No server is asked for a label of more than 63 letters.
        assert_eq!(system(&"x".repeat(64)), Ok(vec![]));
    }

    #[tokio::test]
    async fn who_does_not_answer_in_time_costs_no_other_name_its_addresses() {
        let lookup: Lookup = |name| match name {
            "hangs.example" => {
                std::thread::sleep(Duration::from_millis(300));
                Ok(vec![[203, 0, 113, 9].into()])
            }
            "refused.example" => Err(NoAnswer),
            "gone.example" => Ok(vec![]),
            _ => Ok(vec![[203, 0, 113, 1].into()]),
        };
        let found = async |names: &[&str], patience| all(lookup, names.iter().copied(), patience).await;
        let long = Duration::from_secs(60);
        let there = BTreeMap::from([("there.example".to_owned(), vec![[203, 0, 113, 1].into()])]);
        let partial = Addresses { found: there.clone(), is_partial: true };
        assert_eq!(found(&["hangs.example", "there.example"], Duration::from_millis(100)).await, partial);
        assert_eq!(found(&["refused.example", "there.example"], long).await, partial);
        let mut gone = Addresses { found: there, is_partial: false };
        gone.found.insert("gone.example".into(), vec![]);
        assert_eq!(found(&["gone.example", "there.example"], long).await, gone);
    }
}
