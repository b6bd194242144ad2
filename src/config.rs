//! The operator's settings as the user typed them: flags, each also an environment variable.

pub mod documents;
pub mod elasticsearch;
pub mod kafka;
pub mod kibana;
pub mod log_source;
pub mod otlp;
pub mod pods;
pub mod status_page;
pub mod vault;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use kube::core::Duration as KubeDuration;

use crate::domain::ruleset::pack::Base;
use crate::telemetry::LogFormat;
use documents::DocumentsArgs;
use log_source::{SourceArgs, SourceKind};
use otlp::OtlpArgs;
use pods::PodArgs;
use status_page::StatusPageArgs;
use vault::VaultArgs;

/// Settings of `hopkeeper run`.
#[derive(Clone, Debug, Args)]
pub struct RunConfig {
    /// Namespace to work in; all namespaces where it is not given.
    #[arg(long, env = "HOPKEEPER_NAMESPACE", value_parser = namespace)]
    pub namespace: Option<String>,
    /// Directory of your own rule files (*.yaml), loaded again whenever it changes and laid over the shipped rules: they
    /// may add, replace, change and switch off.
    #[arg(long, env = "HOPKEEPER_RULES", value_name = "DIR")]
    pub rules: Option<PathBuf>,
    /// Leave the shipped rules out: those of --rules are all there is.
    #[arg(long, env = "HOPKEEPER_NO_SHIPPED_RULES", requires = "rules")]
    pub no_shipped_rules: bool,

    /// The log stream.
    #[command(flatten)]
    pub source: SourceArgs,
    /// A hop of whose running pod no log line has come for so long is `Unknown`: the log pipeline is down; 0 for never. At least
    /// 10s: a hop writes a line every 5 s.
    #[arg(long, env = "HOPKEEPER_SILENT_AFTER", default_value = "60s", value_parser = silent_after, help_heading = "Log stream")]
    pub silent_after: Duration,
    /// Read the logs of silent hops through the Kubernetes API until their lines come again; needs the verb get on pods/log.
    #[arg(long, env = "HOPKEEPER_POD_LOG_FALLBACK", default_value_t = true, action = ArgAction::Set, value_name = "BOOL", help_heading = "Log stream")]
    pub pod_log_fallback: bool,
    /// Chain-state documents.
    #[command(flatten)]
    pub documents: DocumentsArgs,
    /// Traces.
    #[command(flatten)]
    pub otlp: OtlpArgs,
    /// Vault.
    #[command(flatten)]
    pub vault: VaultArgs,
    /// The hops' pods.
    #[command(flatten)]
    pub pods: PodArgs,
    /// The status page.
    #[command(flatten)]
    pub status_page: StatusPageArgs,

    /// Where /metrics, /livez and /readyz are served.
    #[arg(long, env = "HOPKEEPER_LISTEN", default_value = "127.0.0.1:8088", help_heading = "Running")]
    pub listen: SocketAddr,
    /// What to log, in tracing's syntax. Libraries are never heard below info: they print requests, and with them secrets.
    #[arg(long, env = "HOPKEEPER_LOG", default_value = "info", help_heading = "Running")]
    pub log: String,
    /// How log lines look.
    #[arg(long, env = "HOPKEEPER_LOG_FORMAT", value_enum, default_value_t, help_heading = "Running")]
    pub log_format: LogFormat,
    /// Namespace of the leader election's Lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "default", help_heading = "Running")]
    pub lease_namespace: String,
    /// The operator's own pod, which Events about its rules are attached to.
    #[arg(long, env = "POD_NAME", value_name = "NAME", help_heading = "Running")]
    pub pod_name: Option<String>,
    /// How long a leader that died keeps the others waiting.
    #[arg(long, env = "HOPKEEPER_LEASE_DURATION", default_value = "15s", value_parser = duration, help_heading = "Running")]
    pub lease_duration: Duration,
    /// How often the candidate in use is looked up for a new version.
    #[arg(long, env = "HOPKEEPER_PARAMETERS_POLL", default_value = "30s", value_parser = duration, help_heading = "Running")]
    pub parameters_poll: Duration,
    /// How many closed incidents of a chain are kept.
    #[arg(long, env = "HOPKEEPER_KEEP_INCIDENTS", default_value_t = 50, value_name = "N", help_heading = "Running")]
    pub keep_incidents: usize,
    /// Chains looked after at the same time.
    #[arg(long, env = "HOPKEEPER_CONCURRENCY", default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Running")]
    pub concurrency: u16,
}

impl RunConfig {
    /// Where the log lines come from.
    ///
    /// # Errors
    /// When a setting is missing, or it is not clear which source is meant; what to give is said.
    pub fn source_kind(&self) -> Result<SourceKind, String> {
        if self.documents.enabled && self.source.elasticsearch.connection.urls.is_empty() {
            return Err(
                "--documents needs --elasticsearch-url, for example --elasticsearch-url https://elasticsearch:9200"
                    .to_owned(),
            );
        }
        self.source.kind(self.documents.enabled)
    }

    /// After how much silence a hop is called silent, where that can be told: a file that is read has its own times.
    pub fn silence(&self) -> Option<Duration> {
        let is_live = !matches!(self.source_kind(), Ok(SourceKind::Stdin) | Err(_));
        Some(self.silent_after).filter(|after| is_live && !after.is_zero())
    }

    /// Whether silent hops are read through the Kubernetes API: not where that is what fell silent.
    pub fn falls_back(&self) -> bool {
        self.pod_log_fallback && self.silence().is_some() && self.source_kind() != Ok(SourceKind::PodLogs)
    }

    /// What the files of `rules` are laid over.
    pub fn base(&self) -> Base {
        if self.no_shipped_rules { Base::Nothing } else { Base::Shipped }
    }
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unit = "must be a number with a unit (ms, s, m or h), for example 30s";
    let parsed: KubeDuration = text.parse().map_err(|_| unit.to_owned())?;
    if parsed.is_negative() || Duration::from(parsed) < Duration::from_secs(1) {
        return Err("must be at least 1s".to_owned());
    }
    Ok(parsed.into())
}

/// A namespace's name.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_name =
        (1..=63).contains(&text.len()) && text.chars().all(fits) && !text.starts_with('-') && !text.ends_with('-');
    if is_name { Ok(text.to_owned()) } else { Err("must be a namespace's name, for example vpn".to_owned()) }
}

fn silent_after(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    match duration(text)? {
        after if after >= Duration::from_secs(10) => Ok(after),
        _ => Err("must be at least 10s, or 0 for never".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        config: RunConfig,
    }

    fn parsed(arguments: &[&str]) -> Result<RunConfig, String> {
        let line = ["hopkeeper", "--kafka-brokers", "kafka:9092"].iter().chain(arguments);
        Line::try_parse_from(line).map(|line| line.config).map_err(|error| error.to_string())
    }

    #[test]
    fn durations_carry_a_unit_and_are_at_least_a_second() {
        for (text, seconds) in [("1s", 1.0), ("1m30s", 90.0), ("1500ms", 1.5), ("2h", 7200.0)] {
            let config = parsed(&["--parameters-poll", text]).unwrap();
            assert!((config.parameters_poll.as_secs_f64() - seconds).abs() < f64::EPSILON, "{text}");
        }
        for (text, expected) in [
            ("30", "for example 30s"),
            ("soon", "for example 30s"),
            ("", "at least 1s"),
            ("999ms", "at least 1s"),
            ("0s", "at least 1s"),
        ] {
            let refused = parsed(&["--lease-duration", text]).err().unwrap_or_default();
            assert!(refused.contains(expected), "{text}: {refused}");
        }
        let refused = parsed(&["--lease-duration=-30s"]).err().unwrap_or_default();
        assert!(refused.contains("at least 1s"), "{refused}");
    }

    #[test]
    fn documents_need_an_elasticsearch_which_is_then_not_taken_for_the_log_source_by_itself() {
        let kind = |arguments: &str| {
            let line = ["hopkeeper"].into_iter().chain(arguments.split_whitespace());
            Line::try_parse_from(line).unwrap().config.source_kind()
        };
        assert!(kind("--documents").unwrap_err().contains("needs --elasticsearch-url"));
        let both = "--documents --elasticsearch-url https://e:9200";
        assert!(kind(both).unwrap_err().contains("--source elasticsearch"));
        assert_eq!(kind(&format!("{both} --kafka-brokers k:9092")), Ok(SourceKind::Kafka));
        assert_eq!(kind(&format!("{both} --source pod-logs")), Ok(SourceKind::PodLogs));
        assert_eq!(kind(&format!("{both} --source elasticsearch")), Ok(SourceKind::Elasticsearch));
    }

    #[test]
    fn silence_is_told_where_lines_are_live_and_nobody_has_switched_it_off() {
        let silence = |arguments: &[&str]| parsed(arguments).map(|config| config.silence());
        assert_eq!(silence(&[]), Ok(Some(Duration::from_secs(60))));
        assert_eq!(silence(&["--silent-after", "10s"]), Ok(Some(Duration::from_secs(10))));
        for off in [["--silent-after", "0"], ["--silent-after", "0s"], ["--source", "stdin"]] {
            assert_eq!(silence(&off), Ok(None), "{off:?}");
        }
        for wrong in ["9s", "60"] {
            assert!(silence(&["--silent-after", wrong]).is_err(), "{wrong}");
        }
        let falls_back = |arguments: &[&str]| parsed(arguments).unwrap().falls_back();
        assert!(falls_back(&[]));
        for off in [["--pod-log-fallback", "false"], ["--silent-after", "0"], ["--source", "pod-logs"]] {
            assert!(!falls_back(&off), "{off:?}");
        }
    }

    #[test]
    fn at_least_one_chain_is_looked_after() {
        assert!(parsed(&["--concurrency", "0"]).is_err());
        assert_eq!(parsed(&[]).unwrap().concurrency, 4);
    }
}
