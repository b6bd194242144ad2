//! A metric's series by labels, within the values that the catalogue names, and gone with the chain that they are about.

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{IntCounterVec, IntGaugeVec};

use super::{Label, Values};

/// Stands for a value that the catalogue does not name: a label never takes a text as it comes.
pub(super) const OTHER: &str = "other";

/// Counters by labels.
pub(in crate::internal_event) type Counters = Family<IntCounterVec>;
/// Gauges by labels.
pub(in crate::internal_event) type Gauges = Family<IntGaugeVec>;

/// The series of one metric.
#[derive(Clone, Debug)]
pub(in crate::internal_event) struct Family<V> {
    series: V,
    labels: &'static [Label],
}

impl<B: MetricVecBuilder> Family<MetricVec<B>> {
    pub(super) fn new(series: MetricVec<B>, labels: &'static [Label]) -> Self {
        let family = Self { series, labels };
        family.start(&[]);
        family
    }

    /// Makes every series that begins with these values, where the others are words.
    pub(in crate::internal_event) fn start(&self, known: &[&str]) {
        match self.labels.get(known.len()).map(|label| label.values) {
            None => drop(self.of(known)),
            Some(Values::Words(words)) => words.iter().for_each(|word| self.start(&[known, &[word]].concat())),
            Some(Values::Namespace | Values::Chain | Values::Hop) => {}
        }
    }

    /// The series of these values, one for each label in the catalogue's order.
    pub(in crate::internal_event) fn of(&self, values: &[&str]) -> B::M {
        let values: Vec<_> = self.labels.iter().zip(values).map(|(label, value)| label.bounded(value)).collect();
        self.series.with_label_values(&values)
    }

    /// Drops the series of these values, if there is one.
    pub(in crate::internal_event) fn drop_series(&self, values: &[&str]) {
        let _ = self.series.remove_label_values(values);
    }
}

impl Label {
    /// The value, if it may be one.
    fn bounded<'v>(&self, value: &'v str) -> &'v str {
        match self.values {
            Values::Words(words) if !words.contains(&value) => {
                debug_assert!(false, "{value:?} should be in the catalogue, for label {}", self.name);
                OTHER
            }
            Values::Words(_) | Values::Namespace | Values::Chain | Values::Hop => value,
        }
    }
}

/// Series that are about chains.
pub(in crate::internal_event) trait OfChain {
    /// Drops the chain's series whose hop is gone; a series without a hop has none to ask for.
    fn forget(&self, namespace: &str, chain: &str, is_gone: &dyn Fn(Option<&str>) -> bool);
}

impl<B: MetricVecBuilder> OfChain for Family<MetricVec<B>> {
    fn forget(&self, namespace: &str, chain: &str, is_gone: &dyn Fn(Option<&str>) -> bool) {
        for metric in self.series.collect().iter().flat_map(|family| family.get_metric()) {
            let value = |name: &str| metric.get_label().iter().find(|label| label.name() == name).map(|l| l.value());
            if value("namespace") == Some(namespace) && value("chain") == Some(chain) && is_gone(value("hop")) {
                let values: Vec<_> = self.labels.iter().filter_map(|label| value(label.name)).collect();
                self.drop_series(&values);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus::Registry;

    use super::super::Metric;
    use super::*;

    const NAMESPACE: Label = Label { name: "namespace", values: Values::Namespace };
    const CHAIN: Label = Label { name: "chain", values: Values::Chain };
    const HOP: Label = Label { name: "hop", values: Values::Hop };
    const ANSWER: Label = Label { name: "answer", values: Values::Words(&["yes", "no"]) };

    /// The series that are exposed, as they are written.
    fn exposed(registry: &Registry) -> Vec<String> {
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn a_family_of_words_starts_at_zero_and_one_of_chains_with_each_chain() {
        let registry = Registry::new();
        Metric::counter("answers_total", "x").by(&[ANSWER]).new_counters(&registry).unwrap();
        assert_eq!(exposed(&registry), [r#"answers_total{answer="no"} 0"#, r#"answers_total{answer="yes"} 0"#]);
        let registry = Registry::new();
        let family = Metric::counter("x_total", "x").by(&[CHAIN, ANSWER]).new_counters(&registry).unwrap();
        assert!(exposed(&registry).is_empty());
        family.start(&["berlin"]);
        assert_eq!(exposed(&registry).len(), 2);
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "should be in the catalogue"))]
    fn a_word_that_the_catalogue_does_not_name_is_another_one() {
        let registry = Registry::new();
        let family = Metric::gauge("x", "x").by(&[ANSWER]).new_gauges(&registry).unwrap();
        family.of(&["whatever a server said"]).set(1);
        assert_eq!(exposed(&registry), [r#"x{answer="no"} 0"#, r#"x{answer="other"} 1"#, r#"x{answer="yes"} 0"#]);
    }

    #[test]
    fn a_chains_series_go_and_no_others() {
        let registry = Registry::new();
        let family = Metric::gauge("x", "x").by(&[NAMESPACE, CHAIN, HOP]).new_gauges(&registry).unwrap();
        for (namespace, chain, hop) in
            [("a", "berlin", "entry"), ("a", "berlin", "exit"), ("a", "paris", "entry"), ("b", "berlin", "entry")]
        {
            family.of(&[namespace, chain, hop]).set(1);
        }
        family.forget("a", "berlin", &|hop| hop == Some("exit"));
        assert_eq!(exposed(&registry).len(), 3);
        family.forget("a", "berlin", &|_| true);
        let left =
            [r#"x{chain="berlin",hop="entry",namespace="b"} 1"#, r#"x{chain="paris",hop="entry",namespace="a"} 1"#];
        let mut exposed = exposed(&registry);
        exposed.sort();
        assert_eq!(exposed, left);
    }
}
