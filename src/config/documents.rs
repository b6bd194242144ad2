//! Chain-state documents: whether, under which names, how much may wait.

use clap::Args;

use crate::documents::Names;

/// Chain-state documents in Elasticsearch.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Chain-state documents (Elasticsearch)")]
pub struct DocumentsArgs {
    /// Write a document of every transition and incident, and the current state of each chain and hop, to
    /// --elasticsearch-url: for Kibana. Run `hopkeeper setup` once before. Repairs never wait for it.
    #[arg(long = "documents", env = "HOPKEEPER_DOCUMENTS")]
    pub enabled: bool,
    /// Their names.
    #[command(flatten)]
    pub names: NameArgs,
    /// Documents wait in this much memory (MiB) while Elasticsearch is away; the oldest are dropped, and counted, when
    /// more come.
    #[arg(
        long = "documents-buffer",
        env = "HOPKEEPER_DOCUMENTS_BUFFER",
        default_value_t = 16,
        value_name = "MIB",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    pub buffer_mib: u16,
}

/// Under which names the documents are kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Chain-state documents (Elasticsearch)")]
pub struct NameArgs {
    /// Sets installations apart that share an Elasticsearch: the end of the names logs-hopkeeper.transition-NAME and
    /// hopkeeper-state-NAME.
    #[arg(
        id = "documents_namespace",
        long = "documents-namespace",
        env = "HOPKEEPER_DOCUMENTS_NAMESPACE",
        default_value = "default",
        value_name = "NAME",
        value_parser = Names::new
    )]
    pub names: Names,
}

impl DocumentsArgs {
    /// The most that waiting documents take, in bytes.
    pub fn buffer_bytes(&self) -> usize {
        usize::from(self.buffer_mib) * 1024 * 1024
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: DocumentsArgs,
    }

    fn parsed(arguments: &str) -> Result<DocumentsArgs, String> {
        let line = ["x"].into_iter().chain(arguments.split_whitespace());
        Line::try_parse_from(line).map(|line| line.args).map_err(|error| error.to_string())
    }

    #[test]
    fn documents_are_asked_for_and_their_names_end_with_the_namespace() {
        let args = parsed("").unwrap();
        assert!(!args.enabled && args.buffer_bytes() == 16 * 1024 * 1024);
        assert_eq!(args.names.names.transitions, "logs-hopkeeper.transition-default");
        let args = parsed("--documents --documents-namespace team_a --documents-buffer 1").unwrap();
        assert!(args.enabled && args.buffer_bytes() == 1024 * 1024);
        assert_eq!(args.names.names.state, "hopkeeper-state-team_a");
    }

    #[test]
    fn what_cannot_be_a_name_or_a_size_is_refused_with_what_can() {
        for namespace in ["Team", "a-b", "_a", "a*", "ä"] {
            let refused = parsed(&format!("--documents-namespace {namespace}")).unwrap_err();
            assert!(refused.contains("lower-case letters"), "{namespace}: {refused}");
        }
        assert!(parsed("--documents-buffer 0").unwrap_err().contains("1..=1024"));
    }
}
