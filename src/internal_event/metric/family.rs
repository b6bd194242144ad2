//! A metric's series by labels, within the values that the catalogue names, and gone with the chain that they are about.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::{IntCounterVec, IntGaugeVec};

use super::{Label, MAX_RULES, Values};

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
    rules: Arc<Mutex<HashSet<String>>>,
}

impl<B: MetricVecBuilder> Family<MetricVec<B>> {
    pub(super) fn new(series: MetricVec<B>, labels: &'static [Label]) -> Self {
        let family = Self { series, labels, rules: Arc::default() };
        family.start(&[]);
        family
    }

    /// Makes every series that begins with these values, where the others are words.
    pub(in crate::internal_event) fn start(&self, known: &[&str]) {
        match self.labels.get(known.len()).map(|label| label.values) {
            None => drop(self.of(known)),
            Some(Values::Words(words)) => words.iter().for_each(|word| self.start(&[known, &[word]].concat())),
            Some(_) => {}
        }
    }

    /// The series of these values, one for each label in the catalogue's order.
    pub(in crate::internal_event) fn of(&self, values: &[&str]) -> B::M {
        let values: Vec<_> = self.labels.iter().zip(values).map(|(label, value)| self.bounded(label, value)).collect();
        self.series.with_label_values(&values)
    }

    /// Drops the series of these values, if there is one.
    pub(in crate::internal_event) fn drop_series(&self, values: &[&str]) {
        let _ = self.series.remove_label_values(values);
    }

    /// The value, if it may be one.
    fn bounded<'v>(&self, label: &Label, value: &'v str) -> &'v str {
        match label.values {
            Values::Words(words) if !words.contains(&value) => {
                debug_assert!(false, "{value:?} should be in the catalogue, for label {}", label.name);
                OTHER
            }
            Values::Rule if !self.is_rule(value) => OTHER,
            _ => value,
        }
    }

    /// Whether it can be a rule's id, and has or gets a place among those that have series.
    fn is_rule(&self, id: &str) -> bool {
        let is_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if id.is_empty() || id.len() > 63 || !id.bytes().all(is_id) {
            return false;
        }
        let mut rules = self.rules.lock().unwrap_or_else(PoisonError::into_inner);
        if !rules.contains(id) && rules.len() < MAX_RULES {
            rules.insert(id.to_owned());
        }
        rules.contains(id)
    }
}

/// Series that are about chains.
pub(in crate::internal_event) trait OfChain {
    /// Drops the series for which `stays` does not hold, asked by namespace, chain, and hop where the metric is one of hops.
    fn retain(&self, stays: &dyn Fn(&str, &str, Option<&str>) -> bool);
}

impl<B: MetricVecBuilder> OfChain for Family<MetricVec<B>> {
    fn retain(&self, stays: &dyn Fn(&str, &str, Option<&str>) -> bool) {
        for metric in self.series.collect().iter().flat_map(|family| family.get_metric()) {
            let value = |name: &str| metric.get_label().iter().find(|label| label.name() == name).map(|l| l.value());
            let (namespace, chain) = (value("namespace").unwrap_or_default(), value("chain").unwrap_or_default());
            if !stays(namespace, chain, value("hop")) {
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
    fn a_rules_id_has_series_of_its_own_while_there_is_room_and_nothing_else_has() {
        const RULE: Label = Label { name: "rule", values: Values::Rule };
        let registry = Registry::new();
        let family = Metric::counter("x_total", "x").by(&[RULE]).new_counters(&registry).unwrap();
        let long = "a".repeat(64);
        for text in ["openvpn-auth-failed", "AUTH: a line", "", long.as_str()] {
            family.of(&[text]).inc();
        }
        assert_eq!(exposed(&registry), [r#"x_total{rule="openvpn-auth-failed"} 1"#, r#"x_total{rule="other"} 3"#]);
        for number in 0..2 * MAX_RULES {
            family.of(&[&format!("rule-{number}")]).inc();
        }
        family.of(&["openvpn-auth-failed"]).inc();
        let exposed = exposed(&registry);
        assert_eq!(exposed.len(), MAX_RULES + 1);
        assert!(exposed.contains(&r#"x_total{rule="openvpn-auth-failed"} 2"#.to_owned()));
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
        family.retain(&|namespace, chain, hop| (namespace, chain, hop) != ("a", "berlin", Some("exit")));
        assert_eq!(exposed(&registry).len(), 3);
        family.retain(&|namespace, chain, _| (namespace, chain) != ("a", "berlin"));
        let left =
            [r#"x{chain="berlin",hop="entry",namespace="b"} 1"#, r#"x{chain="paris",hop="entry",namespace="a"} 1"#];
        let mut exposed = exposed(&registry);
        exposed.sort();
        assert_eq!(exposed, left);
    }
}
