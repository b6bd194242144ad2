//! From spans to the bytes of a request. Requests that follow each other are one request, as Protocol Buffers have it: so each
//! trace is encoded once, and a batch is those of its traces.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::Trace;
use super::attributes::Attributes;

const NAME: &str = env!("CARGO_PKG_NAME");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Who tells the traces.
///
/// Neither pod nor replica: a trace is of the incident, and the same whoever tells it.
pub(super) struct Origin {
    resource: Resource,
}

impl Origin {
    /// The program, and what the installation says of itself, which goes first.
    pub(super) fn new(own: &[(String, String)]) -> Self {
        let of_program = [
            ("service.name", NAME),
            ("service.version", VERSION),
            ("telemetry.sdk.name", NAME),
            ("telemetry.sdk.language", "rust"),
            ("telemetry.sdk.version", VERSION),
        ];
        let is_set = |key: &str| own.iter().any(|(known, _)| known == key);
        let of_program = of_program.into_iter().filter(|(key, _)| !is_set(key));
        let all = own.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(of_program);
        let attributes = all.fold(Attributes::default(), |all, (key, value)| all.text(key, value.to_owned()));
        Self { resource: Resource { attributes: attributes.done(), ..Resource::default() } }
    }

    /// One trace.
    pub(super) fn trace(&self, spans: Vec<Span>) -> Trace {
        let scope =
            InstrumentationScope { name: NAME.into(), version: VERSION.into(), ..InstrumentationScope::default() };
        let of_scope = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        let of_resource = ResourceSpans {
            resource: Some(self.resource.clone()),
            scope_spans: vec![of_scope],
            ..ResourceSpans::default()
        };
        Trace { request: ExportTraceServiceRequest { resource_spans: vec![of_resource] }.encode_to_vec() }
    }
}
