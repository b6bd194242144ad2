//! The names keep Prometheus' rules, and the process exposes what is listed and nothing else.

use std::collections::BTreeSet;

use prometheus::Registry;

use super::super::controller::ControllerMetrics;
use super::super::documents::DocumentMetrics;
use super::super::metric::{Kind, Values};
use super::super::pipeline::PipelineMetrics;
use super::super::process::ProcessMetrics;
use super::super::rules::RuleMetrics;
use super::super::silence::SilenceMetrics;
use super::super::traces::TraceMetrics;
use super::*;

/// Everything that the process registers.
fn registry() -> Registry {
    let registry = Registry::new();
    ProcessMetrics::register(&registry).unwrap();
    PipelineMetrics::register(&registry).unwrap();
    ControllerMetrics::register(&registry).unwrap();
    RuleMetrics::register(&registry, 1).unwrap();
    SilenceMetrics::register(&registry).unwrap();
    DocumentMetrics::register(&registry).unwrap();
    TraceMetrics::register(&registry).unwrap();
    registry
}

#[test]
fn every_metric_of_the_catalogue_is_registered_once() {
    let registry = registry();
    for metric in all() {
        let again = match metric.kind {
            Kind::Counter => metric.new_counters(&registry).map(drop),
            Kind::Gauge => metric.new_gauges(&registry).map(drop),
            Kind::Histogram => metric.new_histogram(&registry).map(drop),
        };
        assert!(matches!(again, Err(prometheus::Error::AlreadyReg)), "{} is in the catalogue alone", metric.name);
    }
}

#[test]
fn whatever_is_exposed_at_the_start_is_in_the_catalogue_with_its_help_and_labels() {
    let families = registry().gather();
    assert!(families.len() > 20);
    for family in families {
        let metric = all().find(|metric| metric.name == family.name()).unwrap_or_else(|| panic!("{}", family.name()));
        assert_eq!(
            (metric.help, metric.kind.name()),
            (family.help(), format!("{:?}", family.get_field_type()).to_lowercase().as_str())
        );
        for series in family.get_metric() {
            let mut wanted: Vec<_> = metric.labels.iter().map(|label| label.name).collect();
            wanted.sort_unstable();
            assert!(series.get_label().iter().map(|label| label.name()).eq(wanted), "{}", metric.name);
        }
    }
}

#[test]
fn names_and_words_keep_the_rules() {
    let names: BTreeSet<_> = all().map(|metric| metric.name).collect();
    assert_eq!(names.len(), all().count());
    for metric in all() {
        let name = metric.name;
        assert!(name.starts_with("hopkeeper_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(name.ends_with("_total"), metric.kind == Kind::Counter, "{name}");
        assert_eq!(
            metric.kind == Kind::Histogram,
            metric.kind == Kind::Histogram && metric.unit() == "seconds",
            "{name}"
        );
        // Base units only.
        for unit in ["milliseconds", "_ms", "minutes", "hours", "_kb", "kibi", "mega", "percent"] {
            assert!(!name.contains(unit), "{name}");
        }
        assert!(metric.help.ends_with('.') && !metric.help.contains('|'), "{name}: {}", metric.help);
        assert!(!metric.tells.is_empty() && !metric.tells.ends_with('.') && !metric.tells.contains('|'), "{name}");
        for label in metric.labels {
            let reserved = ["instance", "job", "pod", "container", "service", "endpoint", "le", "quantile"];
            assert!(!reserved.contains(&label.name), "{name}: Prometheus puts {} on it itself", label.name);
            if let Values::Words(words) = label.values {
                let distinct: BTreeSet<_> = words.iter().collect();
                assert!(distinct.len() == words.len() && words.len() <= 32 && !words.contains(&"other"), "{name}");
            }
        }
    }
}

/// The words of a metric's label.
fn words(metric: &Metric, label: &str) -> Vec<String> {
    let label = metric.labels.iter().find(|known| known.name == label).unwrap();
    let Values::Words(words) = label.values else { panic!("{} should be words", label.name) };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// The variants of an enumeration, as its schema in the CRD lists them.
fn variants<T: schemars::JsonSchema>() -> Vec<String> {
    fn collect(schema: &serde_json::Value, found: &mut Vec<String>) {
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        found.extend(schema["const"].as_str().map(str::to_owned));
        found.extend(schema["enum"].as_array().into_iter().flatten().filter_map(text));
        schema["oneOf"].as_array().into_iter().flatten().for_each(|schema| collect(schema, found));
    }
    let mut found = Vec::new();
    collect(schemars::schema_for!(T).as_value(), &mut found);
    assert!(found.len() > 2, "{found:?}");
    found
}

#[test]
fn words_that_are_an_enumerations_variants_are_all_of_them() {
    use crate::crd::chain::{ChainPhase, HopState};
    use crate::crd::incident::{IncidentPhase, StepAction, StepOutcome};
    assert_eq!(words(&CHAIN_STATE, "state"), variants::<ChainPhase>());
    assert_eq!(words(&CHAIN_STATE, "state"), ChainPhase::ALL.map(|phase| format!("{phase:?}")));
    assert_eq!(words(&HOP_STATE, "state"), variants::<HopState>());
    assert_eq!(words(&HOP_STATE, "state"), HopState::ALL.map(|state| format!("{state:?}")));
    assert_eq!(words(&DECISIONS, "phase"), variants::<IncidentPhase>());
    assert_eq!(
        [words(&INCIDENTS_OPEN, "phase"), words(&INCIDENTS_CLOSED, "outcome")].concat(),
        variants::<IncidentPhase>()
    );
    assert_eq!(words(&STEPS, "action"), variants::<StepAction>());
    assert_eq!(words(&STEPS_ENDED, "outcome"), variants::<StepOutcome>());
}

#[test]
fn no_metric_is_made_beside_the_catalogue() {
    fn visit(directory: &std::path::Path) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let is_made = text.contains(concat!("Opts", "::new(")) || text.contains(concat!("Counter", "::new("));
            assert!(!is_made || path.ends_with("internal_event/metric.rs"), "{}", path.display());
        }
    }
    visit(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
}
