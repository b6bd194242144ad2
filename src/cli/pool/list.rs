//! `hopkeeper pool list`: a pool's candidates as a table, or for programs.

use std::io::Write;

use jiff::tz::TimeZone;

use super::Format;
use super::summary::Summary;

pub(super) fn list(pool: &[Summary], format: Format, mut out: impl Write) -> std::io::Result<()> {
    match format {
        Format::Json => {
            serde_json::to_writer_pretty(&mut out, pool)?;
            writeln!(out)?;
        }
        Format::Text => text(pool, &mut out)?,
    }
    out.flush()
}

fn text(pool: &[Summary], out: &mut impl Write) -> std::io::Result<()> {
    let mut rows = vec![["NAME", "VERSION", "CLIENT", "SERVER", "CERTIFICATE", "STATE"].map(str::to_owned)];
    rows.extend(pool.iter().map(row));
    let widths: [usize; 6] = std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    for row in rows {
        let line: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

fn row(candidate: &Summary) -> [String; 6] {
    let servers = match candidate.servers.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} +{}", more.len()),
    };
    let until = candidate.client_certificate_expires;
    let until = until.map(|at| format!("until {}", at.to_zoned(TimeZone::UTC).date())).unwrap_or_default();
    let state = if candidate.problem.is_some() { "cannot be used: see check" } else { "ok" };
    let Summary { name, version, client, .. } = candidate;
    [name.clone(), version.clone(), client.to_string(), servers, until, state.to_owned()]
}
