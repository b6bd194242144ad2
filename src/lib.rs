//! Hopkeeper keeps multi-hop VPN chains on Kubernetes working.
//!
//! `ARCHITECTURE.md` follows one log line through these modules.

// `print!` and `eprintln!` panic where the reader has gone away; `cli::output` does not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod app;
pub mod cli;
pub mod config;
pub mod controller;
pub mod crd;
pub mod documents;
pub mod domain;
pub mod elasticsearch;
pub mod hardening;
pub mod hop;
pub mod http;
mod https;
pub mod internal_event;
pub mod kibana;
pub mod kubeconfig;
pub mod live;
pub mod manifest;
pub mod outbox;
pub mod overview;
pub mod parameters;
mod pauses;
pub mod pipeline;
pub mod replay;
pub mod rule_files;
pub mod source;
pub mod status_page;
pub mod telemetry;
#[cfg(feature = "otlp")]
pub mod traces;
#[cfg(not(feature = "otlp"))]
#[path = "traces/absent.rs"]
pub mod traces;
