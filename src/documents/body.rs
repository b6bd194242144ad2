//! A document's fields, set by their dotted names; what is not known is left out.

use jiff::Timestamp;
use kube::{Resource, ResourceExt};
use serde_json::{Map, Value};

use crate::crd::VpnChain;
use crate::crd::chain::Parameters;
use crate::domain::types::CandidateRef;

/// The version of ECS whose field names are used.
const ECS: &str = "8.17.0";

/// A document being made.
pub(super) struct Body(Map<String, Value>);

impl Body {
    /// A document about a chain, of a moment; `kind` is `chain`, `hop` or `incident`.
    pub(super) fn of_chain(chain: &VpnChain, at: Timestamp, kind: &str) -> Self {
        let namespace = chain.namespace();
        Self(Map::new())
            .set("@timestamp", time(at))
            .set("ecs.version", ECS)
            .set("event.module", "hopkeeper")
            .set("event.category", vec!["network"])
            .set("orchestrator.type", "kubernetes")
            .set("orchestrator.namespace", namespace.clone())
            .set("orchestrator.resource.type", VpnChain::kind(&()).into_owned())
            .set("orchestrator.resource.name", chain.name_any())
            .set("orchestrator.resource.id", chain.uid())
            .set("kubernetes.namespace", namespace)
            .set("hopkeeper.kind", kind)
            .set("hopkeeper.chain.name", chain.name_any())
            .set("hopkeeper.chain.id", super::state::id(chain, None))
    }

    /// Sets one field; null is left out.
    pub(super) fn set(mut self, field: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.is_null() {
            return self;
        }
        let (objects, leaf) = field.rsplit_once('.').unwrap_or(("", field));
        let mut map = &mut self.0;
        for object in objects.split('.').filter(|object| !object.is_empty()) {
            let object = map.entry(object).or_insert_with(|| Value::Object(Map::new()));
            map = object.as_object_mut().expect("should be an object: no field is part of another one's name");
        }
        map.insert(leaf.to_owned(), value);
        self
    }

    /// The hop, by its name and its place in the chain: 1 is the entry.
    pub(super) fn hop(self, chain: &VpnChain, hop: &str) -> Self {
        let position = chain.spec.hops.iter().position(|h| h.name == hop).map(|index| index + 1);
        self.set("hopkeeper.hop.name", hop).set("hopkeeper.hop.position", position)
    }

    /// A candidate of that hop.
    pub(super) fn candidate(self, chain: &VpnChain, hop: &str, candidate: Option<&CandidateRef>) -> Self {
        let Some(candidate) = candidate else { return self };
        let pool = chain.spec.hops.iter().find(|h| h.name == hop).map(|h| &h.parameters);
        self.set("hopkeeper.candidate.path", pool.and_then(|pool| path(pool, &candidate.name)))
            .set("hopkeeper.candidate.name", candidate.name.clone())
            .set("hopkeeper.candidate.version", candidate.version.clone())
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// Where a candidate lies: `mount/path/key` in Vault, `secret/key` in Kubernetes.
fn path(pool: &Parameters, candidate: &str) -> Option<String> {
    match (&pool.vault, &pool.secret_ref) {
        (Some(vault), _) => Some(format!("{}/{}/{candidate}", vault.mount, vault.path.trim_matches('/'))),
        (None, Some(secret)) => Some(format!("{}/{candidate}", secret.name)),
        (None, None) => None,
    }
}

/// A time with milliseconds, which is what Elasticsearch keeps.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}
