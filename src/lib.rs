//! Hopkeeper keeps multi-hop VPN chains on Kubernetes working.
//!
//! `ARCHITECTURE.md` follows one log line through these modules.

pub mod cli;
pub mod crd;
pub mod domain;
pub mod manifest;
