//! Logging: sentences with fields, as text or JSON. Libraries are never heard below INFO, whatever is asked for:
//! at DEBUG and TRACE they print requests and answers, and with them secrets.

use std::error::Error;
use std::fmt::Write as _;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterFn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to standard error; `filter` is in tracing's syntax: `info`, `hopkeeper=debug`.
///
/// # Errors
/// When the filter cannot be understood.
pub fn start(filter: &str, format: LogFormat) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(filter)?;
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let quiet_libraries = FilterFn::new(is_ours_or_coarse);
    tracing_subscriber::registry().with(lines.with_filter(quiet_libraries)).with(filter).init();
    Ok(())
}

/// vaultrs is not heard at all: it prints what the server said about a request, which may quote what was sent or stored.
fn is_ours_or_coarse(metadata: &Metadata<'_>) -> bool {
    if metadata.target().starts_with("vaultrs") {
        return false;
    }
    *metadata.level() <= Level::INFO || metadata.target() == "hopkeeper" || metadata.target().starts_with("hopkeeper::")
}

/// An error with its causes, in one line.
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Transparent wrappers repeat their source.
        if !text.ends_with(&said) {
            write!(text, ": {said}").expect("should write to a string");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn libraries_are_heard_from_info_on_and_the_vault_client_never() {
        let written = Written::default();
        let writer = written.clone();
        let lines = fmt::layer().with_ansi(false).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(lines.with_filter(FilterFn::new(is_ours_or_coarse)));
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "hopkeeper::controller", "ours");
            tracing::info!(target: "kube_client", "coarse");
            tracing::debug!(target: "kube_client", "CANARY");
            tracing::trace!(target: "hopkeeperish", "CANARY");
            tracing::error!(target: "vaultrs::api", "CANARY");
        });
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("ours") && text.contains("coarse") && !text.contains("CANARY"), "{text}");
    }

    #[test]
    fn an_errors_causes_are_told_once() {
        let inner = std::io::Error::other("the disk is full");
        let outer = crate::parameters::vault::VaultError::LoginFile { path: "/token".into(), source: inner.into() };
        assert_eq!(error_chain(&outer), "failed to read /token for the vault login: the disk is full");
        let wrapped = crate::parameters::PoolError::from(outer);
        assert_eq!(error_chain(&wrapped), "failed to read /token for the vault login: the disk is full");
    }
}
