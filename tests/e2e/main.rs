//! The main job on real components: a VpnChain of three hops in a real Kubernetes node, real OpenVPN and WireGuard
//! servers that fail on demand, the log lines through a real Kafka, new parameters from a real Vault-compatible server.
//!
//! Needs root and the lab (`make lab-up`). Where it is missing the tests fail under CI, and say so elsewhere.
//! Times are printed, never asserted.

mod app;
mod audit;
mod chain;
#[path = "../shared/cluster_of_helm.rs"]
mod cluster_of_helm;
#[allow(dead_code, reason = "with TLS in tests/otlp.rs only")]
#[path = "../shared/collector.rs"]
mod collector;
mod document;
mod documents;
mod door;
#[path = "../shared/elasticsearch.rs"]
mod elasticsearch;
mod identity;
mod lab;
#[path = "../shared/lab_dir.rs"]
mod lab_dir;
#[path = "../shared/lab_lock.rs"]
mod lab_lock;
mod leaks;
#[path = "../shared/markdown.rs"]
mod markdown;
#[path = "../shared/needs.rs"]
mod needs;
mod operator;
mod processes;
mod reader;
mod release;
mod scenarios;
#[path = "../shared/shown.rs"]
mod shown;
mod stand_in;
mod stream;
mod trap;
mod turn;
mod wait;
mod walls;
#[path = "../shared/yaml.rs"]
mod yaml;
