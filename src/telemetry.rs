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

fn is_ours_or_coarse(metadata: &Metadata<'_>) -> bool {
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
