//! What a PromQL expression asks for, held against the catalogue of metrics.

use hopkeeper::internal_event::catalog;
use hopkeeper::internal_event::metric::{Kind, Label, Metric, Values};
use regex::Regex;

/// Labels that Prometheus puts on what it scrapes, told so by the chart's monitors or not, and on a histogram's buckets.
const OF_PROMETHEUS: [&str; 5] = ["job", "instance", "pod", "le", "hopkeeper_release"];

/// Panics where an expression names a metric, a label or a label's word that the operator does not have; gives how many metrics it names.
pub fn check(expression: &str, place: &str) -> usize {
    let selector = Regex::new(r"(hopkeeper_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let matcher = Regex::new(r#"([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)""#).unwrap();
    let grouping = Regex::new(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)").unwrap();
    // Labels may be called as metrics are: what is grouped by is none.
    let asked = grouping.replace_all(expression, "");
    let mut labels: Vec<&str> = OF_PROMETHEUS.to_vec();
    let mut named = 0;
    for found in selector.captures_iter(&asked) {
        let metric = metric(&found[1]).unwrap_or_else(|| panic!("{place}: the operator has no metric {}", &found[1]));
        labels.extend(metric.labels.iter().map(|label| label.name));
        let matchers = found.get(2).map_or("", |text| text.as_str());
        for found in matcher.captures_iter(matchers) {
            matches_something(metric, &found[1], &found[3], place);
        }
        named += 1;
    }
    assert!(named > 0, "{place}: {expression} names no metric of the operator");
    for found in grouping.captures_iter(expression) {
        for label in found[1].split(',').map(str::trim).filter(|label| !label.is_empty()) {
            assert!(labels.contains(&label), "{place}: no metric of {expression} has a label {label}");
        }
    }
    named
}

fn metric(name: &str) -> Option<&'static Metric> {
    let exact = catalog::all().find(|metric| metric.name == name);
    let part = ["_bucket", "_sum", "_count"].iter().find_map(|part| name.strip_suffix(part));
    exact.or_else(|| catalog::all().find(|metric| metric.kind == Kind::Histogram && Some(metric.name) == part))
}

/// Each alternative of a matcher is one of the label's words; a variable of a dashboard is none.
fn matches_something(metric: &Metric, label: &str, value: &str, place: &str) {
    if OF_PROMETHEUS.contains(&label) || value.starts_with('$') {
        return;
    }
    let known = metric.labels.iter().find(|known| known.name == label);
    let Label { values, .. } = known.unwrap_or_else(|| panic!("{place}: {} has no label {label}", metric.name));
    if let Values::Words(words) = values {
        for word in value.split('|') {
            assert!(words.contains(&word), "{place}: {label} of {} is never {word:?}", metric.name);
        }
    }
}
