//! kibana/dashboards.yaml, read: what is to be shown, in words that are short to write.

use std::collections::BTreeMap;

use serde::Deserialize;

const TEXT: &str = include_str!("../../kibana/dashboards.yaml");

/// All of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub(super) views: BTreeMap<ViewName, View>,
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) dashboards: BTreeMap<String, Dashboard>,
    #[serde(default)]
    pub(super) rules: BTreeMap<String, Rule>,
}

/// What can be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ViewName {
    /// The index of current states.
    State,
    /// The data stream of transitions.
    Transitions,
    /// What Filebeat ships.
    Lines,
}

impl ViewName {
    /// Its name in the source.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Transitions => "transitions",
            Self::Lines => "lines",
        }
    }
}

/// How something that can be looked at is shown.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct View {
    pub(super) title: String,
    /// Names of fields for people.
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) formats: BTreeMap<String, Format>,
}

/// How a field's values are shown.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Format {
    /// Seconds, as a time for people.
    Duration,
    /// 1 is all.
    Percentage,
    /// A way to somewhere else.
    Link(Link),
}

/// Where a value leads to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Link {
    pub(super) dashboard: Option<String>,
    pub(super) session: Option<String>,
    /// The field that must have this value there; without it the value itself is the end of the address.
    #[serde(rename = "where")]
    pub(super) field: Option<String>,
}

/// A Discover session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) view: ViewName,
    #[serde(rename = "where", default)]
    pub(super) filter: String,
    pub(super) columns: Vec<String>,
}

/// A dashboard.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dashboard {
    pub(super) title: String,
    pub(super) about: String,
    /// How far back it looks when it is opened, such as `now-24h`.
    pub(super) range: String,
    pub(super) panels: Vec<Panel>,
}

/// One panel: a chart, or a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Panel {
    pub(super) title: String,
    /// Column, row, width, height.
    pub(super) at: [u32; 4],
    pub(super) chart: Option<Chart>,
    pub(super) session: Option<String>,
}

/// A chart: documents, what they are split by, and what is counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Chart {
    pub(super) show: Show,
    pub(super) view: ViewName,
    #[serde(rename = "where", default)]
    pub(super) filter: String,
    #[serde(default)]
    pub(super) by: Vec<By>,
    pub(super) values: Vec<Value>,
}

/// How a chart looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Show {
    /// One number.
    Number,
    /// A table.
    Table,
    /// Upright bars, stacked.
    Bars,
    /// Bars that lie.
    Rows,
    /// Bars that lie, all of one length.
    Shares,
    /// Lines from point to point.
    Line,
    /// Lines that keep their height until the next point.
    Steps,
}

/// What documents are split by: times, or a field's values.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct By {
    pub(super) field: String,
    pub(super) title: String,
    /// At most so many values.
    #[serde(default = "most")]
    pub(super) most: u32,
}

fn most() -> u32 {
    10
}

/// What is counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Value {
    pub(super) of: Operation,
    pub(super) title: String,
    /// Of all but `count`.
    pub(super) field: Option<String>,
    #[serde(rename = "where", default)]
    pub(super) filter: String,
}

/// How it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    /// Documents.
    Count,
    /// The value of the newest document that has one.
    Last,
    /// The sum of all values.
    Sum,
    /// Their average.
    Average,
    /// The largest.
    Max,
}

/// An alert rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) title: String,
    pub(super) view: ViewName,
    #[serde(rename = "where", default)]
    pub(super) filter: String,
    /// The field whose values are told apart.
    pub(super) by: Option<String>,
    /// How far back it looks, such as `15m`.
    pub(super) over: String,
    /// How often.
    pub(super) every: String,
    pub(super) above: Option<u32>,
    pub(super) below: Option<u32>,
}

impl Source {
    /// The one that this program was built with.
    #[must_use]
    pub fn shipped() -> Self {
        Self::read(TEXT).expect("should be readable: a test reads it")
    }

    /// Reads one.
    ///
    /// # Errors
    /// When it has another form; the place is named.
    pub fn read(text: &str) -> Result<Self, String> {
        serde_saphyr::from_str(text).map_err(|error| error.to_string())
    }
}
