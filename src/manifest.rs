//! Reads a `VpnChain` from a file and says what the API server would say of it, without one.
//!
//! The CRD's own schema and CEL rules are evaluated here, so the sentences are the same ones.

use kube::CustomResourceExt;
use serde_json::Value;

use crate::crd::VpnChain;

mod structure;

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, as the API server writes it: `spec.hops[0].name`.
    pub field: String,
    /// A sentence for a person.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.field.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.field, self.message) }
    }
}

/// Checks a manifest as the API server would: unknown keys, types and bounds, then the CEL rules.
///
/// # Errors
/// Every problem found; CEL rules are only evaluated on a manifest whose structure is right.
pub fn check(manifest: &Value) -> Result<VpnChain, Vec<Problem>> {
    let schema = schema();
    let mut problems = header_problems(manifest);
    structure::check(&schema, manifest, "", &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let complete = kube_cel::apply_defaults(&schema, manifest);
    if let Err(errors) = kube_cel::Validator::new().validate(&schema, &complete, None) {
        problems.extend(errors.into_vec().into_iter().map(|e| Problem { field: e.field_path, message: e.message }));
        return Err(problems);
    }
    serde_json::from_value(complete)
        .map_err(|e| vec![Problem { field: String::new(), message: format!("not a VpnChain: {e}") }])
}

fn header_problems(manifest: &Value) -> Vec<Problem> {
    let expected = [("apiVersion", "hopkeeper.io/v1alpha1"), ("kind", "VpnChain")];
    let wrong = expected.iter().filter(|(key, value)| manifest.get(key).and_then(Value::as_str) != Some(value));
    let mut problems: Vec<_> =
        wrong.map(|(key, value)| Problem { field: (*key).to_owned(), message: format!("must be {value}") }).collect();
    if manifest.pointer("/metadata/name").and_then(Value::as_str).is_none_or(str::is_empty) {
        problems.push(Problem { field: "metadata.name".into(), message: "Required value: name is required".into() });
    }
    problems
}

/// The schema of the CRD's only version, as JSON; the API server knows `metadata` by itself.
fn schema() -> Value {
    let crd = VpnChain::crd();
    let version = crd.spec.versions.into_iter().next().expect("should have one version");
    serde_json::to_value(version.schema.and_then(|s| s.open_api_v3_schema)).expect("should be JSON")
}

#[cfg(test)]
mod tests;
