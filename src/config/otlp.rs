//! Traces: whether, and where they are sent. What else OpenTelemetry's variables say is read in `traces::settings`.

use std::path::PathBuf;

use clap::Args;

/// Traces by OTLP.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Traces (OTLP)")]
pub struct OtlpArgs {
    /// Send a trace of each incident, once it is closed, to an OpenTelemetry collector: the URL of its OTLP over HTTP, to which
    /// v1/traces is added. Repairs never wait for it. OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES and the other variables of
    /// OTLP exporters are heeded too.
    #[arg(long = "otlp-endpoint", env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub endpoint: Option<String>,
    /// The same, but the whole URL: nothing is added.
    #[arg(long = "otlp-traces-endpoint", env = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", value_name = "URL")]
    pub traces_endpoint: Option<String>,
    /// CA certificates (PEM) that the collector's certificate is checked against, besides the system's.
    #[arg(id = "otlp_ca", long = "otlp-ca", env = "OTEL_EXPORTER_OTLP_CERTIFICATE", value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// File with headers for the collector, such as a key: NAME=VALUE, separated by commas; read again for each request. Or set
    /// OTEL_EXPORTER_OTLP_HEADERS.
    #[arg(long = "otlp-headers-file", env = "HOPKEEPER_OTLP_HEADERS_FILE", value_name = "FILE")]
    pub headers_file: Option<PathBuf>,
}

impl OtlpArgs {
    /// Whether somebody asks for traces. An empty variable is none, as OpenTelemetry has it.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        [&self.endpoint, &self.traces_endpoint].into_iter().flatten().any(|url| !url.trim().is_empty())
    }
}
