//! `hopkeeper pool list`: a pool's candidates as a table.

use jiff::tz::TimeZone;

use super::summary::Summary;
use crate::cli::output::Table;

pub(super) fn text(pool: &[Summary]) -> String {
    let mut table = Table::new(&["NAME", "VERSION", "CLIENT", "SERVER", "CERTIFICATE", "STATE"]);
    pool.iter().for_each(|candidate| table.row(row(candidate)));
    table.to_string()
}

fn row(candidate: &Summary) -> Vec<String> {
    let servers = match candidate.servers.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} +{}", more.len()),
    };
    let until = candidate.client_certificate_expires;
    let until = until.map(|at| format!("until {}", at.to_zoned(TimeZone::UTC).date())).unwrap_or_default();
    let state = if candidate.problem.is_some() { "cannot be used: see check" } else { "ok" };
    let Summary { name, version, client, .. } = candidate;
    vec![name.clone(), version.clone(), client.to_string(), servers, until, state.to_owned()]
}
