//! `hopkeeper setup`: prepares Elasticsearch for chain-state documents, and Kibana to show them.

use clap::Args;
use miette::{IntoDiagnostic, miette};

use super::output::{OutputArgs, Whole, print};
use super::report::wrong_usage;
use crate::config::documents::NameArgs;
use crate::config::elasticsearch::ConnectionArgs;
use crate::config::kibana::KibanaArgs;
use crate::documents::setup::{self as elasticsearch, Change, Done, Wanted};
use crate::kibana::{Installation, setup as kibana};
use crate::telemetry::error_chain;

/// Prepares Elasticsearch for the chain-state documents of `hopkeeper run --documents`, and Kibana to show them.
///
/// Makes the data stream of transitions, the index of current states, and the templates that say which fields they have and how long
/// transitions are kept; in Kibana data views, Discover sessions and dashboards. May be run at any time, and again after an update: in
/// Elasticsearch what is right already is left alone, in Kibana our own objects are written over.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 all is there; 1 not done; 2 wrong usage.\n\n\
    Examples:\n  \
    hopkeeper setup --elasticsearch https://elasticsearch:9200 --elasticsearch-ca ca.pem \\\n    \
    --elasticsearch-user elastic --elasticsearch-password-file password --dry-run\n  \
    hopkeeper setup --kibana https://kibana:5601 --kibana-space vpn --kibana-ca ca.pem --kibana-api-key-file key\n\n\
    Elasticsearch: needs the cluster privilege manage_index_templates, and manage on the indices\n\
    logs-hopkeeper.transition-* and hopkeeper-state-*; the operator itself needs neither.\n\
    Kibana: needs All of Dashboard, Visualize Library, Discover and Saved Objects Management in the space.")]
pub(super) struct Setup {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    printed: OutputArgs<Whole>,
    #[command(flatten)]
    connection: ConnectionArgs,
    #[command(flatten)]
    names: NameArgs,
    /// How long transitions are kept, such as 90d or 48h; the current states stay.
    #[arg(long = "documents-keep", env = "HOPKEEPER_DOCUMENTS_KEEP", default_value = "90d", value_name = "TIME", value_parser = keep)]
    keep: String,
    #[command(flatten)]
    kibana: KibanaArgs,
}

impl Setup {
    pub(super) fn run(self) -> miette::Result<()> {
        let elasticsearch = self.connection.read().map_err(|why| miette!("{why}"))?;
        let kibana = self.kibana.read(&elasticsearch).map_err(|why| miette!("{why}"))?;
        if elasticsearch.urls.is_empty() && kibana.is_none() {
            return Err(wrong_usage(
                "where is Elasticsearch, or Kibana? For example --elasticsearch https://elasticsearch:9200, \
                 --kibana https://kibana:5601",
            ));
        }
        let wanted = Wanted { names: self.names.names, keep: self.keep };
        let installation = Installation {
            names: wanted.names.clone(),
            lines: self.kibana.lines,
            space: kibana.as_ref().and_then(|kibana| kibana.space.clone()),
        };
        let shown = kibana::Wanted { installation, rules: self.kibana.rules };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
        let mut done = Vec::new();
        if !elasticsearch.urls.is_empty() {
            let made = runtime.block_on(elasticsearch::run(elasticsearch, &wanted, self.dry_run));
            done.extend(made.map_err(|error| miette!("{}", error_chain(&error)))?);
        }
        if let Some(kibana) = kibana {
            let made = runtime.block_on(kibana::run(kibana, &shown, self.dry_run));
            done.extend(made.map_err(|error| miette!("{}", error_chain(&error)))?);
        }
        print(&self.printed.format().of(|| table(&done, self.dry_run) + "\n", &done)?)
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
        (Change::Import, false) => "imported",
        (Change::Import, true) => "would be imported",
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
