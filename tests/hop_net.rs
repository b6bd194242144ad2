//! One hop with real clients and servers in network namespaces: up, rotated, refused, killed, cut off, and leak-free. And
//! chains, on one node and on several.
//!
//! Needs root, `openvpn`, `boringtun-cli` (or its path in `HOPKEEPER_TEST_BORINGTUN`), `nft`, `iproute2`, `tcpdump`,
//! `busybox`, `openssl`, `wg`, util-linux, and the CNI plugins that the lab builds. Without them the tests say so and pass, except where `CI` is set.
//!
//! Each test runs itself again in namespaces of its own, with the paths of a real pod; whatever happens to it, the
//! kernel removes all of it with the first process.

#[path = "hop_net/bridges.rs"]
mod bridges;
#[path = "hop_net/chain.rs"]
mod chain;
#[path = "hop_net/cni.rs"]
mod cni;
#[path = "hop_net/hop.rs"]
mod hop;
#[path = "hop_net/lab.rs"]
mod lab;
#[path = "shared/lab_dir.rs"]
mod lab_dir;
#[path = "hop_net/links.rs"]
mod links;
#[path = "hop_net/namespaces.rs"]
mod namespaces;
#[path = "shared/needs.rs"]
mod needs;
#[path = "hop_net/openvpn.rs"]
mod openvpn;
#[path = "shared/programs.rs"]
mod programs;
#[path = "hop_net/wireguard.rs"]
mod wireguard;
