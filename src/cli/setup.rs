//! `hopkeeper setup`: prepares Elasticsearch for chain-state documents.

use std::io::Write;

use clap::{Args, ValueEnum};
use miette::{IntoDiagnostic, miette};

use crate::config::documents::NameArgs;
use crate::config::elasticsearch::ConnectionArgs;
use crate::documents::setup::{self, Change, Done, Wanted};
use crate::telemetry::error_chain;

/// Prepares Elasticsearch for the chain-state documents of `hopkeeper run --documents`.
///
/// Makes the data stream of transitions, the index of current states, and the templates that say which fields they have and how long
/// transitions are kept. May be run at any time, and again after an update: what is right already is left alone.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    hopkeeper setup --elasticsearch https://elasticsearch:9200 --elasticsearch-ca ca.pem \\\n    \
    --elasticsearch-user elastic --elasticsearch-password-file password --dry-run\n\n\
    Needs the cluster privilege manage_index_templates, and manage on the indices logs-hopkeeper.transition-* and\n\
    hopkeeper-state-*; the operator itself needs neither. Without --dry-run it does what that says.")]
pub(super) struct Setup {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    /// How the result looks; `json` also shows what is sent.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    names: NameArgs,
    /// How long transitions are kept, such as 90d or 48h; the current states stay.
    #[arg(long = "documents-keep", env = "HOPKEEPER_DOCUMENTS_KEEP", default_value = "90d", value_name = "TIME", value_parser = keep)]
    keep: String,
}

/// How the result looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

impl Setup {
    pub(super) fn run(self) -> miette::Result<()> {
        let connection = self.connection.read().map_err(|why| miette!("{why}"))?;
        if connection.urls.is_empty() {
            return Err(miette!("where is Elasticsearch? For example --elasticsearch https://elasticsearch:9200"));
        }
        let wanted = Wanted { names: self.names.names, keep: self.keep };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
        let done = runtime.block_on(setup::run(connection, &wanted, self.dry_run));
        let done = done.map_err(|error| miette!("{}", error_chain(&error)))?;
        let shown = match self.output {
            Output::Json => serde_json::to_string_pretty(&done).into_diagnostic()?,
            Output::Table => table(&done, self.dry_run),
        };
        super::written(writeln!(std::io::stdout(), "{shown}"))
    }
}

fn keep(text: &str) -> Result<String, String> {
    let number = text.strip_suffix(['d', 'h']).and_then(|number| number.parse::<u32>().ok());
    match number {
        Some(1..) => Ok(text.to_owned()),
        _ => Err("must be days or hours, for example 90d or 48h".to_owned()),
    }
}

fn table(done: &[Done], dry_run: bool) -> String {
    let name_width = done.iter().map(|done| done.name.len()).max().unwrap_or(0);
    let said = |change| match (change, dry_run) {
        (Change::Create, false) => "created",
        (Change::Create, true) => "would be created",
        (Change::Update, false) => "updated",
        (Change::Update, true) => "would be updated",
        (Change::None, _) => "is right",
    };
    let line = |done: &Done| format!("{:18}  {:name_width$}  {}", done.part, done.name, said(done.change));
    done.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        for good in ["90d", "1h"] {
            assert_eq!(keep(good), Ok(good.to_owned()));
        }
        for bad in ["", "d", "90", "0d", "-1d", "90m", "9ä"] {
            assert!(keep(bad).unwrap_err().contains("90d"), "{bad}");
        }
    }

    #[test]
    fn the_table_says_what_was_done_and_what_would_be() {
        let part = |name: &str, change| Done {
            part: "index",
            name: name.to_owned(),
            change,
            request: String::new(),
            body: Value::Null,
        };
        let done = [part("a", Change::Create), part("long", Change::Update), part("b", Change::None)];
        let expected =
            "index               a     created\nindex               long  updated\nindex               b     is right";
        assert_eq!(table(&done, false), expected);
        assert!(table(&done, true).contains("would be created"));
    }
}
