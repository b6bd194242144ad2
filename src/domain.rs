//! The pure core: what lines prove, whose fault it is, what to do, and how a chain's network is laid out.
//!
//! No tokio, no client, no clock: time and randomness are arguments. `tests/architecture.rs` holds it to that.

pub mod engine;
pub mod envelope;
pub mod event;
pub mod incident;
pub mod line;
pub mod redact;
pub mod rule;
pub mod ruleset;
pub mod types;
pub mod window;
