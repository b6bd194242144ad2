//! The pure core, built by itself (by links to it): a fuzz target then builds in minutes, without Kafka and Kubernetes.
#![allow(dead_code, missing_docs)]

pub mod domain;
