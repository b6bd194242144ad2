//! Hopkeeper keeps multi-hop VPN chains on Kubernetes working.
//!
//! `ARCHITECTURE.md` follows one log line through these modules.

pub mod cli;
pub mod domain;
pub mod internal_event;
pub mod pipeline;
pub mod rule_files;
pub mod source;
