//! The pure core: what lines prove, whose fault it is, what to do, and how a chain's network is laid out.
//!
//! No tokio, no client, no clock: time and randomness are arguments. `tests/architecture.rs` holds it to that.

pub mod attribution;
pub mod burned;
pub mod candidate;
pub mod decision;
pub mod engine;
pub mod envelope;
pub mod event;
#[cfg(test)]
mod hostile_tests;
pub mod incident;
pub mod ladder;
pub mod limits;
pub mod line;
pub mod order;
pub mod plan;
pub mod redact;
pub mod rule;
pub mod ruleset;
pub mod silence;
pub mod suggest;
#[cfg(test)]
pub(crate) mod testing;
pub mod trace;
pub mod types;
pub mod view;
pub mod window;
