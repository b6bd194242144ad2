//! What a command prints: columns as kubectl's, ages as kubectl's, JSON and YAML; and nothing that a terminal obeys.

use std::fmt;
use std::io::Write;

use clap::{Args, ValueEnum};
use jiff::{SignedDuration, Timestamp};
use miette::IntoDiagnostic;
use serde::Serialize;

use crate::overview::printable;

/// For whom a command prints, which is asked in the same way everywhere.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(super) struct OutputArgs<F: ValueEnum + Default + Send + Sync + 'static> {
    /// How to print it.
    // No default here: clap keeps one in a static, which all kinds of `F` would share.
    #[arg(short, long, alias = "format", value_enum, value_name = "FORMAT")]
    output: Option<F>,
}

impl<F: ValueEnum + Default + Send + Sync + 'static> OutputArgs<F> {
    /// What was asked for, or else what is meant for people.
    pub(super) fn format(&self) -> F {
        self.output.clone().unwrap_or_default()
    }
}

/// For whom a command prints what comes one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: one object a line.
    Json,
}

/// For whom a command prints all it has at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Whole {
    /// For people.
    #[default]
    #[value(alias = "table")]
    Text,
    /// For programs.
    Json,
    /// The same as YAML.
    Yaml,
}

impl Whole {
    /// What is printed: the text, or the value that programs are promised.
    ///
    /// # Errors
    /// When the value cannot be written so.
    pub(super) fn of(self, text: impl FnOnce() -> String, value: &impl Serialize) -> miette::Result<String> {
        match self {
            Self::Text => Ok(text()),
            Self::Json => json(value),
            Self::Yaml => yaml(value),
        }
    }
}

/// Prints a text; a reader that has gone away (`… | head`) is no error.
///
/// # Errors
/// When it cannot be written.
pub(super) fn print(text: &str) -> miette::Result<()> {
    let mut out = std::io::stdout().lock();
    super::written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Prints a text on standard error, ended with a line feed. Where that cannot be written, nobody can be told.
pub(super) fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end_matches('\n'));
}

/// A value as JSON.
///
/// # Errors
/// When it cannot be written so.
pub(super) fn json(value: &impl Serialize) -> miette::Result<String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").into_diagnostic()
}

/// A value as YAML.
///
/// # Errors
/// When it cannot be written so.
pub(super) fn yaml(value: &impl Serialize) -> miette::Result<String> {
    serde_saphyr::to_string(value).into_diagnostic()
}

/// Rows under a header, each column as wide as its widest cell.
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    /// An empty one.
    pub(super) fn new(header: &[&str]) -> Self {
        Self(vec![header.iter().map(|&cell| cell.to_owned()).collect()])
    }

    /// Adds a row, with as many cells as the header.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(self.0[0].len(), cells.len(), "a row should have the header's columns");
        self.0.push(cells.iter().map(|cell| printable(cell).into_owned()).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.0[0].len();
        let wide = |column: usize| self.0.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<usize> = (0..columns).map(wide).collect();
        for row in &self.0 {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(&format!("{cell:width$}   "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// A text, or `-` where there is none.
pub(super) fn or_dash(text: Option<&str>) -> String {
    text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

/// How long ago something was, or `-` where it never was.
pub(super) fn age(now: Timestamp, then: Option<Timestamp>) -> String {
    then.map_or_else(|| "-".to_owned(), |then| duration(now.duration_since(then)))
}

/// A time in its two largest units at most, as kubectl says it: `59s`, `5m30s`, `3h`, `2d`.
pub(super) fn duration(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let with = |large: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_with_text() {
        let mut table = Table::new(&["NAME", "PHASE", "MESSAGE"]);
        table.row(vec!["berlin".into(), "Up".into(), String::new()]);
        table.row(vec!["x".into(), "Degraded".into(), "hop \"exit\" is Suspect".into()]);
        assert_eq!(
            table.to_string(),
            "NAME     PHASE      MESSAGE\nberlin   Up\nx        Degraded   hop \"exit\" is Suspect\n"
        );
    }

    #[test]
    fn nothing_is_printed_that_a_terminal_obeys() {
        let mut table = Table::new(&["A"]);
        table.row(vec!["\u{1b}]0;title".into()]);
        assert!(!table.to_string().contains('\u{1b}'));
    }

    #[test]
    fn ages_are_said_in_two_units_at_most() {
        let said = |seconds| duration(SignedDuration::from_secs(seconds));
        let times = [-5, 0, 119, 120, 330, 600, 10_799, 10_800, 12_600, 28_800, 172_800, 176_400, 691_200];
        let expected = ["0s", "0s", "119s", "2m", "5m30s", "10m", "179m", "3h", "3h30m", "8h", "2d", "2d1h", "8d"];
        assert_eq!(times.map(said), expected);
        assert_eq!(age(Timestamp::UNIX_EPOCH, None), "-");
    }
}
