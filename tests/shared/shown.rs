//! What a document shows of a command's output.

use regex::Regex;

/// What fits a text in which `…` stands for anything: for any lines where it stands alone. Columns may be wider or narrower.
pub fn pattern(shown: &str) -> Regex {
    let line = |line: &str| match line.trim() {
        "…" => "(?s:.*)".to_owned(),
        line => format!(" *{} *\n", regex::escape(&words(line)).replace('…', ".*").replace(' ', " +")),
    };
    let lines: String = shown.lines().map(line).collect();
    Regex::new(&format!("^{lines}$")).expect("it should be a pattern")
}

/// A line's words, with one space between them.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}
