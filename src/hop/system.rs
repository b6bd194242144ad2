//! What the kernel shows about the namespace, read without any right.

use std::fs;
use std::net::Ipv4Addr;

use crate::domain::plan::TUNNEL_INTERFACE;

pub(super) fn mtu(interface: &str) -> Option<u16> {
    number(&format!("/sys/class/net/{interface}/mtu"))
}

pub(super) fn index(interface: &str) -> Option<u32> {
    number(&format!("/sys/class/net/{interface}/ifindex"))
}

pub(super) fn exists(interface: &str) -> bool {
    fs::exists(format!("/sys/class/net/{interface}")).unwrap_or(false)
}

/// Whether a client holds the tunnel's device.
pub(super) fn carrier() -> bool {
    number::<u8>(&format!("/sys/class/net/{TUNNEL_INTERFACE}/carrier")) == Some(1)
}

/// Packets that the hop and the inner side have sent into the tunnel.
pub(super) fn tunnel_packets_sent() -> u64 {
    number(&format!("/sys/class/net/{TUNNEL_INTERFACE}/statistics/tx_packets")).unwrap_or(0)
}

/// ICMP "time exceeded" messages received; the kill switch lets them in by the tunnel only.
pub(super) fn times_exceeded() -> u64 {
    fs::read_to_string("/proc/self/net/snmp").ok().and_then(|text| in_time_exceeded(&text)).unwrap_or(0)
}

fn in_time_exceeded(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Icmp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split_whitespace().position(|name| name == "InTimeExcds")?;
    values.split_whitespace().nth(at)?.parse().ok()
}

/// Whether the tunnel still has this address and the inner side's route; both vanish when the device goes down.
pub(super) fn is_routed(address: Ipv4Addr) -> bool {
    // Where the file cannot be read there is nothing to compare, and nothing to repair.
    fs::read_to_string("/proc/self/net/fib_trie").map_or(true, |text| has_route(&text, address))
}

fn has_route(trie: &str, address: Ipv4Addr) -> bool {
    let (mut table, mut node, mut routed, mut addressed) = ("", "", false, false);
    for line in trie.lines() {
        if !line.starts_with(' ') {
            table = line.trim_end_matches(':');
        } else if let Some((_, prefix)) = line.split_once("|-- ") {
            node = prefix.trim();
        } else if line.trim() == "/0 link UNICAST" && table == "Id 100" && node == "0.0.0.0" {
            routed = true;
        } else if line.contains("/32 host LOCAL") && node.parse() == Ok(address) {
            addressed = true;
        }
    }
    routed && addressed
}

fn number<T: std::str::FromStr>(path: &str) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIE: &str = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 0.0.0.0\n        /0 universe UNICAST\n     |-- 10.8.0.2\n        /32 host LOCAL\nLocal:\n  |-- 127.0.0.1\n        /32 host LOCAL\nId 100:\n  |-- 0.0.0.0\n     /0 link UNICAST\n";

    #[test]
    fn a_route_counts_only_in_its_own_table_and_with_its_address() {
        assert!(has_route(TRIE, Ipv4Addr::new(10, 8, 0, 2)));
        assert!(!has_route(TRIE, Ipv4Addr::new(10, 8, 0, 3)));
        assert!(!has_route(TRIE.split_once("Id 100").expect("should have a table").0, Ipv4Addr::new(10, 8, 0, 2)));
    }

    #[test]
    fn the_kernels_counter_is_found_by_name() {
        let text = "Ip: A B\nIp: 1 2\nIcmp: InMsgs InErrors InTimeExcds\nIcmp: 9 0 4\n";
        assert_eq!(in_time_exceeded(text), Some(4));
    }
}
