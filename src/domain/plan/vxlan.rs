//! The VXLAN device that links of type `vxlan` are on: one on each node, and who else has one.
//!
//! Frames go to the other nodes by their addresses, as no cloud carries multicast: what is for nobody known goes to all of them, and
//! the kernel learns from the answers. VXLAN knows no sender's proof, so a node takes frames from the others' addresses alone.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde::Deserialize;

/// One node's device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vxlan {
    /// Its name.
    pub device: String,
    /// The network's identifier, of 24 bits.
    pub vni: u32,
    /// The UDP port that the nodes reach each other on.
    pub port: u16,
    /// The largest packet in bytes that it takes. One that does not fit the nodes' network with 50 bytes more is sent in fragments.
    pub mtu: u16,
    /// The node's own address.
    pub address: Ipv4Addr,
}

/// Where frames without a known receiver go.
const TO_ALL: &str = "00:00:00:00:00:00";

fn command(text: &str) -> Vec<String> {
    text.split_whitespace().map(Into::into).collect()
}

impl Vxlan {
    /// Shows the device, as JSON.
    pub fn show(&self) -> Vec<String> {
        command(&format!("ip -j -d link show dev {}", self.device))
    }

    /// Makes it. It is bound to no interface of the node: the kernel would forbid an MTU that needs fragments.
    pub fn create(&self) -> Vec<String> {
        let Self { device, vni, port, address, .. } = self;
        command(&format!("ip link add {device} type vxlan id {vni} dstport {port} local {address}"))
    }

    /// Switches it on.
    pub fn set_up(&self) -> Vec<String> {
        command(&format!("ip link set {} mtu {} up", self.device, self.mtu))
    }

    /// Shows where it sends, as JSON.
    pub fn show_destinations(&self) -> Vec<String> {
        command(&format!("bridge -j fdb show dev {}", self.device))
    }

    /// The commands after which it sends to `wanted` and nobody else, where it sends to `known`.
    pub fn set_destinations(&self, known: &BTreeSet<Ipv4Addr>, wanted: &BTreeSet<Ipv4Addr>) -> Vec<Vec<String>> {
        let to =
            |verb: &str, address| command(&format!("bridge fdb {verb} {TO_ALL} dev {} dst {address}", self.device));
        let gone = known.difference(wanted).map(|address| to("del", address));
        gone.chain(wanted.difference(known).map(|address| to("append", address))).collect()
    }

    /// The script for `nft -f -`: nobody but `peers` may send to the port.
    pub fn firewall(&self, peers: &BTreeSet<Ipv4Addr>) -> String {
        let Self { device, port, .. } = self;
        let accept = match peers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => String::new(),
            all => format!("    udp dport {port} ip saddr {{ {all} }} accept\n"),
        };
        format!(
            "table inet {device}\ndelete table inet {device}\ntable inet {device} {{\n  chain input {{\n    \
             type filter hook input priority filter; policy accept;\n{accept}    udp dport {port} drop\n  }}\n}}\n"
        )
    }

    /// Whether `shown` is this device, and not one of the same name that somebody made otherwise.
    ///
    /// # Errors
    /// What is different about it.
    pub fn is(&self, shown: &str) -> Result<(), String> {
        let links: Vec<Link> = serde_json::from_str(shown).map_err(|error| format!("ip does not say it: {error}"))?;
        let link = links.into_iter().next().map(|link| link.linkinfo).unwrap_or_default();
        let data = link.info_data;
        let differs = [
            ("its kind", link.info_kind, "vxlan".to_owned()),
            ("its identifier", data.id.map(|id| id.to_string()).unwrap_or_default(), self.vni.to_string()),
            ("its port", data.port.map(|port| port.to_string()).unwrap_or_default(), self.port.to_string()),
            ("the node's address", data.local, self.address.to_string()),
        ];
        match differs.into_iter().find(|(_, is, wanted)| is != wanted) {
            Some((what, is, wanted)) => Err(format!("{what} is {is:?} instead of {wanted:?}")),
            None => Ok(()),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Link {
    linkinfo: LinkInfo,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct LinkInfo {
    info_kind: String,
    info_data: VxlanData,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct VxlanData {
    id: Option<u32>,
    port: Option<u16>,
    local: String,
}

/// To whom `shown` says that frames for nobody known go.
///
/// # Errors
/// When it is not what `bridge` prints.
pub fn destinations(shown: &str) -> Result<BTreeSet<Ipv4Addr>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        mac: String,
        dst: Option<Ipv4Addr>,
    }
    let entries: Vec<Entry> = serde_json::from_str(shown)?;
    Ok(entries.into_iter().filter(|entry| entry.mac == TO_ALL).filter_map(|entry| entry.dst).collect())
}

/// The nodes of a list, one IPv4 address a line.
///
/// # Errors
/// The first line that is none.
pub fn nodes(text: &str) -> Result<BTreeSet<Ipv4Addr>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.parse().map_err(|_| line.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Vxlan {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        Vxlan { device: "hkvxlan0".into(), vni: 4673, port: 8473, mtu: 1500, address }
    }

    fn addresses(text: &str) -> BTreeSet<Ipv4Addr> {
        nodes(&text.replace(' ', "\n")).unwrap()
    }

    #[test]
    fn only_what_changed_about_the_destinations_is_told_to_the_kernel() {
        let commands = device().set_destinations(&addresses("192.0.2.2 192.0.2.3"), &addresses("192.0.2.3 192.0.2.4"));
        let lines: Vec<_> = commands.iter().map(|command| command.join(" ")).collect();
        assert_eq!(
            lines,
            [
                "bridge fdb del 00:00:00:00:00:00 dev hkvxlan0 dst 192.0.2.2",
                "bridge fdb append 00:00:00:00:00:00 dev hkvxlan0 dst 192.0.2.4",
            ]
        );
        assert!(device().set_destinations(&addresses("192.0.2.2"), &addresses("192.0.2.2")).is_empty());
    }

    #[test]
    fn learned_entries_are_no_destinations_of_ours() {
        let shown = r#"[{"mac":"52:5a:c5:a1:5b:64","dst":"192.0.2.3","flags":["self"],"state":""},
            {"mac":"00:00:00:00:00:00","dst":"192.0.2.2","flags":["self"],"state":"permanent"}]"#;
        assert_eq!(destinations(shown).unwrap(), addresses("192.0.2.2"));
        assert!(destinations("[]").unwrap().is_empty());
        assert!(destinations("Error").is_err());
    }

    #[test]
    fn nobody_but_the_other_nodes_may_send() {
        let script = device().firewall(&addresses("192.0.2.2 192.0.2.3"));
        let accept = script.find("udp dport 8473 ip saddr { 192.0.2.2, 192.0.2.3 } accept").unwrap();
        assert!(accept < script.find("udp dport 8473 drop").unwrap(), "{script}");
        let alone = device().firewall(&BTreeSet::new());
        assert!(alone.contains("udp dport 8473 drop") && !alone.contains("saddr"), "{alone}");
    }

    #[test]
    fn a_device_that_somebody_made_otherwise_is_told_by_its_difference() {
        let shown = |kind: &str, id: u32, local: &str| {
            format!(
                r#"[{{"ifname":"hkvxlan0","mtu":1500,"linkinfo":{{"info_kind":"{kind}","info_data":{{"id":{id},"local":"{local}","port":8473,"learning":true}}}}}}]"#
            )
        };
        assert_eq!(device().is(&shown("vxlan", 4673, "192.0.2.1")), Ok(()));
        for (shown, part) in [
            (shown("vxlan", 1, "192.0.2.1"), r#"its identifier is "1" instead of "4673""#),
            (shown("vxlan", 4673, "192.0.2.9"), r#"the node's address is "192.0.2.9""#),
            (shown("dummy", 4673, "192.0.2.1"), r#"its kind is "dummy""#),
            ("[{}]".to_owned(), "its kind is"),
            ("?".to_owned(), "ip does not say it"),
        ] {
            let said = device().is(&shown).unwrap_err();
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn a_line_that_is_no_ipv4_address_is_named() {
        assert_eq!(nodes("192.0.2.1\n\n# the second\n 192.0.2.2 \n").unwrap(), addresses("192.0.2.1 192.0.2.2"));
        assert_eq!(nodes("192.0.2.1\nfd00::1\n"), Err("fd00::1".to_owned()));
    }
}
