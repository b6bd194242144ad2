//! The Helm chart, rendered by helm itself: every example is what the API server takes, the operator knows every setting that it
//! is given, a wrong value is refused by name, and the files that are copies are.
//!
//! Beside it what else installs Hopkeeper: images, a cluster by kubeadm. Needs `tests/helm/tools.sh` to have run (`LAB_DIR`); no
//! cluster.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops where it goes wrong"))]

mod alerts;
mod chains;
#[path = "../shared/cluster_of_helm.rs"]
mod cluster_of_helm;
mod dashboard;
mod examples;
mod filebeat;
mod generated;
mod kafka_setup;
#[path = "../shared/lab_dir.rs"]
mod lab_dir;
#[path = "../shared/needs.rs"]
mod needs;
mod promql;
mod reach;
mod readme;
mod rights;
mod schemas;
mod scripts;
mod tool;
mod upgrades;
mod wrong_values;
#[path = "../shared/yaml.rs"]
mod yaml;
