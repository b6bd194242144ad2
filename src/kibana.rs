//! Hopkeeper in Kibana: data views, Discover sessions, dashboards, alert rules.
//!
//! `source` reads kibana/dashboards.yaml, the one place where they are written; `objects` makes saved objects of it, purely
//! (`data_view`, `session`, `lens`, `dashboard`: one kind each), in the form of Kibana 8.0, which every later one
//! migrates, `rules` the requests for alert rules; `kql` is the part of Kibana's query language that the source may use. `setup` sends them, by `client`. What is
//! asked of Elasticsearch for a panel is Kibana's business; `tests/elasticsearch` asks it in Kibana's stead.

mod client;
mod dashboard;
mod data_view;
pub mod error;
mod fields;
pub mod kql;
mod lens;
pub mod objects;
pub mod rules;
mod session;
pub mod setup;
mod source;

#[cfg(test)]
mod tests;

pub use client::Connection;
pub use objects::{Installation, objects};
pub use source::Source;
