//! `hopkeeper rules suggest`: drafts of rules for the lines of a log that no rule knows.

use std::io::BufRead;
use std::path::Path;

use miette::{IntoDiagnostic, WrapErr, miette};

use super::read_piece;
use crate::cli::output::{note, print};
use crate::domain::rule::Client;
use crate::domain::ruleset::RuleSet;
use crate::domain::suggest::{Miner, Summary, Wanted, client_of};

/// So much of the log decides which client wrote it.
const FIRST_LINES: usize = 2000;
const FIRST_BYTES: usize = 1024 * 1024;

pub(super) fn suggest(rules: &RuleSet, file: &Path, client: Option<Client>, wanted: Wanted) -> miette::Result<()> {
    let input: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        let opened = std::fs::File::open(file).into_diagnostic();
        let opened = opened
            .wrap_err_with(|| format!("failed to open {}; name a log file, or - for standard input", file.display()))?;
        Box::new(std::io::BufReader::new(opened))
    };
    let (yaml, summary, client) = mine(rules, input, client, wanted)
        .wrap_err_with(|| format!("failed to draft rules from {}", file.display()))?;
    print(&yaml)?;
    note(&told(&summary, client));
    Ok(())
}

fn mine(
    rules: &RuleSet,
    mut input: impl BufRead,
    client: Option<Client>,
    wanted: Wanted,
) -> miette::Result<(String, Summary, Client)> {
    let mut first = Vec::new();
    let mut bytes = Vec::new();
    let mut size = 0;
    if client.is_none() {
        while first.len() < FIRST_LINES && size < FIRST_BYTES && read_piece(&mut input, &mut bytes).into_diagnostic()? {
            size += bytes.len();
            first.push(text(&bytes));
        }
    }
    let client = match client {
        Some(client) => client,
        None => client_of(rules, first.iter().map(String::as_str)).ok_or_else(|| unknown_client(first.len()))?,
    };
    if client == Client::Health {
        return Err(miette!(
            "health lines are no text: write rules for them with \"where\" and the fields of the line, as in rules/health.yaml"
        ));
    }
    let mut miner = Miner::new(rules, client);
    first.iter().for_each(|record| miner.take(record));
    while read_piece(&mut input, &mut bytes).into_diagnostic()? {
        miner.take(&text(&bytes));
    }
    let (yaml, summary) = miner.finish(wanted);
    Ok((yaml, summary, client))
}

fn unknown_client(lines: usize) -> miette::Report {
    if lines == 0 {
        return miette!("no line in it");
    }
    miette!(
        "failed to tell which program wrote this log: of its first {lines} lines no rule knows any, or two programs' rules know \
         as many; name it with --client openvpn, wireguard-go, boringtun or wireguard"
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned()
}

fn told(summary: &Summary, client: Client) -> String {
    let Summary { lines, known, unknown, clusters, forgotten, drafts } = summary;
    let kinds = if *clusters == 1 { "kind" } else { "kinds" };
    let drafts = if *drafts == 1 { "1 draft".to_owned() } else { format!("{drafts} drafts") };
    let mut told = format!(
        "{lines} lines of {client}: rules know {known}, {unknown} are unknown and of {clusters} {kinds}; {drafts} written"
    );
    if *forgotten > 0 {
        told.push_str(&format!("; {forgotten} lines of rare kinds were left out to bound memory"));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted { min_count: 1, top: 20 };

    fn suggested(input: &str, client: Option<Client>) -> miette::Result<(String, Summary, Client)> {
        mine(&RuleSet::shipped(), input.as_bytes(), client, ALL)
    }

    #[test]
    fn the_client_is_known_by_its_lines() {
        for (line, expected) in [
            ("2026-11-22 16:25:43 AUTH: Received control message: AUTH_FAILED", Client::Openvpn),
            ("  2026-11-22T16:29:55Z  WARN boringtun::noise::timers: HANDSHAKE(REKEY_TIMEOUT)", Client::Boringtun),
            ("wireguard: wg0: Interface created", Client::Wireguard),
        ] {
            let (yaml, summary, client) = suggested(&format!("{line}\nsomething odd\n"), None).expect("should be told");
            assert_eq!(client, expected);
            assert_eq!((summary.lines, summary.known, summary.unknown), (2, 1, 1));
            assert!(yaml.contains(&format!("client: {expected}\n")) && yaml.contains("'^something odd'"), "{yaml}");
        }
    }

    #[test]
    fn a_log_that_nothing_knows_needs_a_client() {
        let error = suggested("something odd\n", None).expect_err("should be refused").to_string();
        assert!(error.contains("--client openvpn"), "{error}");
        assert!(suggested("something odd\n", Some(Client::Openvpn)).is_ok());
    }

    #[test]
    fn health_lines_are_refused_with_the_remedy() {
        let error = suggested("{}\n", Some(Client::Health)).expect_err("should be refused").to_string();
        assert!(error.contains("\"where\""), "{error}");
    }

    #[test]
    fn an_endless_line_is_read_in_pieces() {
        let (_, summary, _) = suggested(&"word ".repeat(50_000), Some(Client::Openvpn)).expect("should be read");
        assert_eq!(summary.lines, 4);
    }

    #[test]
    fn the_summary_is_one_sentence() {
        let summary = Summary { lines: 9, known: 4, unknown: 5, clusters: 2, forgotten: 0, drafts: 2 };
        assert_eq!(
            told(&summary, Client::Openvpn),
            "9 lines of openvpn: rules know 4, 5 are unknown and of 2 kinds; 2 drafts written"
        );
        let told = told(&Summary { forgotten: 3, ..summary }, Client::Openvpn);
        assert!(told.ends_with("3 lines of rare kinds were left out to bound memory"));
    }
}
