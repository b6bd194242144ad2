//! One struct for each thing that happens: `emit` writes the log line and counts it, together.
//!
//! Counters end in `_total` and start at 0, so that a rate is right from the first scrape. Every metric is in `catalog`.

pub mod catalog;
pub mod controller;
pub mod documents;
pub mod metric;
pub mod pipeline;
pub mod process;
pub mod rules;
pub mod silence;
pub mod traces;
