//! One metric as the catalogue describes it, and the only way to make one: what is exposed is what is documented.
//!
//! Leaves the list to `catalog`, and what is counted when to the occurrences beside it.

mod family;

use prometheus::core::Collector;
use prometheus::{
    Error, Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

pub(super) use family::{Counters, Gauges, OfChain};

/// Upper bounds of the histograms' buckets, in seconds: from what a program takes to what a person waits for.
const BUCKETS: [f64; 16] =
    [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0];

/// So many rules have series of their own in one metric, later ones are `other`: incidents name rules, and outlive rule files.
pub const MAX_RULES: usize = 500;

/// How Prometheus reads a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
    Counter,
    /// Goes up and down.
    Gauge,
    /// How many were at most so large.
    Histogram,
}

impl Kind {
    /// Its name in the exposition format.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What a label can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// The namespace of a `VpnChain`.
    Namespace,
    /// The name of a `VpnChain`.
    Chain,
    /// The name of a hop of that chain; empty where what is counted names a hop that the chain has not.
    Hop,
    /// The id of a rule, of [`MAX_RULES`] that came first.
    Rule,
    /// The program's version.
    Version,
}

/// A label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// Its values.
    pub values: Values,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name, by Prometheus' rules: base units, `_total` for counters.
    pub name: &'static str,
    /// How it is read.
    pub kind: Kind,
    /// What it is counted by.
    pub labels: &'static [Label],
    /// What it is: the `# HELP` line.
    pub help: &'static str,
    /// What it tells a person.
    pub tells: &'static str,
}

impl Metric {
    /// A counter without labels.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Counter, labels: &[], help, tells: "" }
    }

    /// A gauge without labels.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Gauge, labels: &[], help, tells: "" }
    }

    /// A histogram of seconds without labels.
    pub(super) const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Kind::Histogram, labels: &[], help, tells: "" }
    }

    pub(super) const fn by(self, labels: &'static [Label]) -> Self {
        Self { labels, ..self }
    }

    pub(super) const fn tells(self, tells: &'static str) -> Self {
        Self { tells, ..self }
    }

    /// What its numbers stand for, by its name.
    #[must_use]
    pub fn unit(&self) -> &'static str {
        let name = self.name.strip_suffix("_total").unwrap_or(self.name);
        match name.rsplit('_').next() {
            Some("seconds") if name.ends_with("_timestamp_seconds") => "seconds since 1970",
            Some("seconds") => "seconds",
            Some("bytes") => "bytes",
            _ => "",
        }
    }

    pub(super) fn new_counter(&self, registry: &Registry) -> Result<IntCounter, Error> {
        self.added(Kind::Counter, IntCounter::new(self.name, self.help), registry)
    }

    pub(super) fn new_gauge(&self, registry: &Registry) -> Result<IntGauge, Error> {
        self.added(Kind::Gauge, IntGauge::new(self.name, self.help), registry)
    }

    /// A gauge of fractions.
    pub(super) fn new_real_gauge(&self, registry: &Registry) -> Result<Gauge, Error> {
        self.added(Kind::Gauge, Gauge::new(self.name, self.help), registry)
    }

    pub(super) fn new_histogram(&self, registry: &Registry) -> Result<Histogram, Error> {
        let options = HistogramOpts::new(self.name, self.help).buckets(BUCKETS.to_vec());
        self.added(Kind::Histogram, Histogram::with_opts(options), registry)
    }

    /// Counters by the metric's labels; at 0, where all of their values are known.
    pub(super) fn new_counters(&self, registry: &Registry) -> Result<Counters, Error> {
        let counters = IntCounterVec::new(Opts::new(self.name, self.help), &self.label_names());
        Ok(Counters::new(self.added(Kind::Counter, counters, registry)?, self.labels))
    }

    /// Gauges by the metric's labels; at 0, where all of their values are known.
    pub(super) fn new_gauges(&self, registry: &Registry) -> Result<Gauges, Error> {
        let gauges = IntGaugeVec::new(Opts::new(self.name, self.help), &self.label_names());
        Ok(Gauges::new(self.added(Kind::Gauge, gauges, registry)?, self.labels))
    }

    fn label_names(&self) -> Vec<&'static str> {
        self.labels.iter().map(|label| label.name).collect()
    }

    fn added<C>(&self, kind: Kind, made: Result<C, Error>, registry: &Registry) -> Result<C, Error>
    where
        C: Collector + Clone + 'static,
    {
        assert_eq!(self.kind, kind, "{} should be made as the catalogue says", self.name);
        let made = made?;
        registry.register(Box::new(made.clone()))?;
        Ok(made)
    }
}
