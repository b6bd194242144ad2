//! The one list of the documents' fields: Elasticsearch's mappings and the table in the documentation are made from it.
//!
//! Names are those of the Elastic Common Schema, and of Filebeat for pods, so that raw lines are found by the same values;
//! what neither knows stands under `hopkeeper`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

/// How Elasticsearch keeps a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A word, found as a whole and counted.
    Keyword,
    /// A sentence, found by its words.
    Text,
    /// A moment.
    Date,
    /// A whole number.
    Long,
    /// A number.
    Double,
    /// True or false.
    Boolean,
    /// An address.
    Ip,
}

impl Kind {
    /// Its name in a mapping.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::Text => "text",
            Self::Date => "date",
            Self::Long => "long",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Ip => "ip",
        }
    }

    fn mapping(self) -> Value {
        match self {
            // Longer words cannot be looked up anyway, and one over 32 kB would have the whole document refused.
            Self::Keyword => json!({ "type": "keyword", "ignore_above": 1024 }),
            kind => json!({ "type": kind.name() }),
        }
    }
}

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its dotted name.
    pub name: &'static str,
    /// How it is kept.
    pub kind: Kind,
    /// What it says, for people.
    pub about: &'static str,
}

const fn field(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, about }
}

/// Every field, in the order of the documentation.
pub const FIELDS: &[Field] = &[
    field("@timestamp", Kind::Date, "when the transition was written, or the state was last confirmed"),
    field("message", Kind::Text, "the same for people"),
    field("ecs.version", Kind::Keyword, "the version of ECS"),
    field("data_stream.type", Kind::Keyword, "`logs`; transitions only"),
    field("data_stream.dataset", Kind::Keyword, "`hopkeeper.transition`; transitions only"),
    field("data_stream.namespace", Kind::Keyword, "`--documents-namespace`; transitions only"),
    field("event.module", Kind::Keyword, "`hopkeeper`"),
    field("event.dataset", Kind::Keyword, "`hopkeeper.transition` or `hopkeeper.state`"),
    field("event.kind", Kind::Keyword, "`event` for a transition, `state` for a current state"),
    field("event.category", Kind::Keyword, "`network`"),
    field("event.type", Kind::Keyword, "`start` of an incident, `end` of one, else `change`; `info` for a state"),
    field(
        "event.action",
        Kind::Keyword,
        "`chain-phase-changed`, `hop-state-changed`, `hop-candidate-changed`, `hop-cause-changed`; \
         `incident-detected`, `incident-held`, `incident-acting`, `incident-verifying`, `incident-recovered`, \
         `incident-escalated`, `incident-suppressed`",
    ),
    field("event.reason", Kind::Keyword, "an incident's reason, such as `SymptomOfOuterHop`"),
    field(
        "event.outcome",
        Kind::Keyword,
        "of a closed incident: `success` (recovered), `failure` (escalated), `unknown` (suppressed)",
    ),
    field("event.start", Kind::Date, "of a closed incident: its first line"),
    field("event.end", Kind::Date, "of a closed incident: when it was closed"),
    field("event.duration", Kind::Long, "between the two, in nanoseconds"),
    field("orchestrator.type", Kind::Keyword, "`kubernetes`"),
    field("orchestrator.namespace", Kind::Keyword, "the chain's namespace"),
    field("orchestrator.resource.type", Kind::Keyword, "`VpnChain`"),
    field("orchestrator.resource.name", Kind::Keyword, "the chain's name"),
    field("orchestrator.resource.id", Kind::Keyword, "the chain's UID"),
    field("kubernetes.namespace", Kind::Keyword, "the same namespace, under Filebeat's name"),
    field("kubernetes.pod.name", Kind::Keyword, "the hop's pod"),
    field("kubernetes.pod.uid", Kind::Keyword, "of an incident: the pod that logged its lines"),
    field("trace.id", Kind::Keyword, "of an incident: its trace, where the operator sends traces (`--otlp-endpoint`)"),
    field("rule.id", Kind::Keyword, "the rule that fired"),
    field("rule.name", Kind::Keyword, "what its match means"),
    field(
        "server.ip",
        Kind::Ip,
        "the servers of the candidate in use; of a chain those of its exit, which the internet sees",
    ),
    field("hopkeeper.kind", Kind::Keyword, "what the document is about: `chain`, `hop` or `incident`"),
    field("hopkeeper.chain.name", Kind::Keyword, "the chain"),
    field("hopkeeper.chain.id", Kind::Keyword, "its namespace and name, `demo/berlin`: no other chain has it"),
    field("hopkeeper.chain.path", Kind::Keyword, "its hops, entry first"),
    field("hopkeeper.chain.route", Kind::Keyword, "the same in one word, for tables: `entry → middle → exit`"),
    field(
        "hopkeeper.chain.phase",
        Kind::Keyword,
        "`Up`, `Connecting`, `Degraded`, `Recovering`, `Held`, `Paused`, `Invalid`",
    ),
    field("hopkeeper.chain.previous_phase", Kind::Keyword, "the phase before"),
    field("hopkeeper.chain.up", Kind::Boolean, "whether every hop carries traffic"),
    field("hopkeeper.chain.since", Kind::Date, "since when that is so"),
    field(
        "hopkeeper.chain.seconds_up",
        Kind::Double,
        "of a chain whose every hop carries traffic: for how long, when the state was last confirmed; states only",
    ),
    field("hopkeeper.chain.seconds_down", Kind::Double, "of a chain's transition to `Up`: how long it had not been"),
    field("hopkeeper.chain.hops_up", Kind::Long, "hops that carry traffic"),
    field("hopkeeper.chain.hops_total", Kind::Long, "all hops"),
    field("hopkeeper.chain.open_incidents", Kind::Long, "incidents that are not closed"),
    field("hopkeeper.chain.last_recovery", Kind::Date, "when an incident was last closed as recovered"),
    field("hopkeeper.hop.name", Kind::Keyword, "the hop"),
    field("hopkeeper.hop.position", Kind::Long, "its place: 1 is the entry"),
    field("hopkeeper.hop.state", Kind::Keyword, "`Up`, `Connecting`, `Suspect`, `Recovering`, `Held`, `Unknown`"),
    field("hopkeeper.hop.previous_state", Kind::Keyword, "the state before"),
    field("hopkeeper.hop.up", Kind::Boolean, "whether it carries traffic"),
    field("hopkeeper.hop.carrying", Kind::Long, "the same as a number, for charts: 1 or 0"),
    field("hopkeeper.hop.since", Kind::Date, "when its pod's readiness last changed"),
    field(
        "hopkeeper.hop.seconds_up",
        Kind::Double,
        "of a hop that carries traffic: for how long, when the state was last confirmed; states only",
    ),
    field("hopkeeper.hop.cause", Kind::Keyword, "of a held hop: the outer hop at fault"),
    field(
        "hopkeeper.candidate.path",
        Kind::Keyword,
        "where the candidate lies: `mount/path/key` in Vault, `secret/key` in Kubernetes. Of an incident: the one that \
         the last step took, or, before any step, the one in use",
    ),
    field("hopkeeper.candidate.name", Kind::Keyword, "its key in the pool"),
    field("hopkeeper.candidate.version", Kind::Keyword, "its version: Vault's, or the Secret's resourceVersion"),
    field("hopkeeper.incident.name", Kind::Keyword, "the `HopIncident`"),
    field(
        "hopkeeper.incident.phase",
        Kind::Keyword,
        "`Detected`, `Held`, `Acting`, `Verifying`, `Recovered`, `Escalated`, `Suppressed`",
    ),
    field("hopkeeper.incident.previous_phase", Kind::Keyword, "the phase before"),
    field("hopkeeper.incident.closed", Kind::Boolean, "whether this document is its last"),
    field("hopkeeper.incident.verdict", Kind::Keyword, "what the rule wants: `rotate`, `restart`, `alert`"),
    field("hopkeeper.incident.evidence", Kind::Keyword, "whose fault the lines prove: `own` or `path`"),
    field("hopkeeper.incident.cause", Kind::Keyword, "of a held incident: the outer hop at fault"),
    field("hopkeeper.incident.line", Kind::Text, "the line that made the verdict, secrets masked"),
    field("hopkeeper.incident.first_line_at", Kind::Date, "the time of its first line"),
    field("hopkeeper.incident.last_line_at", Kind::Date, "the time of the line that made the verdict"),
    field(
        "hopkeeper.incident.action",
        Kind::Keyword,
        "its last step: `RotateInPlace`, `RestartInPlace`, `RotateAndRecreate`, `Recreate`",
    ),
    field("hopkeeper.incident.action_outcome", Kind::Keyword, "how that ended: `Up`, `TimedOut`, `Failed`"),
    field("hopkeeper.incident.steps", Kind::Long, "steps taken so far"),
    field(
        "hopkeeper.incident.confirmed",
        Kind::Long,
        "of a closed incident: 1 where something had to be done (recovered, escalated), 0 where not (suppressed). Its average \
         over a rule's incidents is the rule's precision",
    ),
    field(
        "hopkeeper.incident.discover",
        Kind::Keyword,
        "for Kibana: the end of Discover's address that shows its pod's raw lines, from a minute before to a minute after",
    ),
    field(
        "hopkeeper.incident.seconds_late",
        Kind::Double,
        "of `incident-detected`: from the line that made the verdict until the incident was created, to a second: the lag",
    ),
    field(
        "hopkeeper.incident.seconds_to_detect",
        Kind::Double,
        "of a closed incident: from its first line until it was created",
    ),
    field(
        "hopkeeper.incident.seconds_to_act",
        Kind::Double,
        "of a closed incident: from its first line until the first step was carried out",
    ),
    field(
        "hopkeeper.incident.seconds_to_recover",
        Kind::Double,
        "of a recovered incident: from its first line until it was closed",
    ),
];

/// Elasticsearch's mappings: these fields and no others, so that a document with an unknown one is refused, not guessed.
#[must_use]
pub fn mappings() -> Value {
    let mut properties = Map::new();
    for field in FIELDS {
        let (objects, leaf) = field.name.rsplit_once('.').unwrap_or(("", field.name));
        let mut map = &mut properties;
        for object in objects.split('.').filter(|object| !object.is_empty()) {
            let object = map.entry(object).or_insert_with(|| json!({ "properties": {} }));
            map =
                object["properties"].as_object_mut().expect("should be an object: no field is part of another's name");
        }
        map.insert(leaf.to_owned(), field.kind.mapping());
    }
    json!({ "dynamic": "strict", "properties": properties })
}

/// The table of the documentation, in Markdown.
#[must_use]
pub fn table() -> String {
    let mut text = "| field | type | says |\n| --- | --- | --- |\n".to_owned();
    for Field { name, kind, about } in FIELDS {
        writeln!(text, "| `{name}` | {} | {about} |", kind.name()).expect("should write to a string");
    }
    text
}
