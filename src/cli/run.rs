//! `hopkeeper run`: the operator.

use clap::Args;
use miette::{IntoDiagnostic, miette};

use super::report::wrong_usage;
use crate::config::RunConfig;
use crate::rule_files::Loaded;
use crate::{app, hardening, rule_files, telemetry};

/// Runs the operator: reads the log stream, creates incidents, and, while it leads, keeps every VpnChain working.
#[derive(Debug, Args)]
#[command(after_help = "Example, outside of a cluster:\n  \
    KUBECONFIG=~/.kube/config hopkeeper run --kafka-brokers localhost:9092 \\\n    \
    --vault-address http://localhost:8200 --vault-auth token --vault-credential-file ~/.vault-token\n\n\
    Each setting is also an environment variable.\n\n\
    Exit codes: 0 ended by SIGTERM or SIGINT; 1 something needed is missing, a required task ended, or the lead was lost; \
    2 wrong usage.")]
pub(super) struct Run {
    #[command(flatten)]
    config: RunConfig,
}

impl Run {
    pub(super) fn run(self) -> miette::Result<()> {
        hardening::forbid_core_dumps().into_diagnostic()?;
        let log = telemetry::start(&self.config.log, self.config.log_format);
        log.map_err(|why| wrong_usage(format!("--log {:?}: {why}; for example hopkeeper=debug", self.config.log)))?;
        // Before anything is connected: a missing setting is the first thing to hear of.
        self.config.source_kind().map_err(wrong_usage)?;
        let base = self.config.base();
        let rules = match &self.config.rules {
            Some(directory) => {
                rule_files::load(directory, base).map_err(|e| miette!("{}", telemetry::error_chain(&e)))?.rules
            }
            None => Loaded::without_files(base).rules,
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().into_diagnostic()?;
        let ended = runtime.block_on(app::run(self.config, rules));
        // What was left behind may hang in a thread of its own: a look-up of a name, a client of Kafka.
        runtime.shutdown_background();
        ended.map_err(|error| miette!("{}", telemetry::error_chain(error.as_ref())))
    }
}
