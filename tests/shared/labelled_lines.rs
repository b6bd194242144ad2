//! Lines of public threads with what may be said of each, and what the shipped rules say of it.
//!
//! A file has a section a thread, `@ thread client`, and in it `labels | line`. Labels, any of which is right: R rotate,
//! S restart, A alert, I ignore, V recovered, - no rule at all. `labels ! told | line` is a known error: what the rules say
//! of it now. `labels own` and `labels path` say what the line is evidence of: what an outer hop may have caused must not be
//! told as this hop's own; the other way round costs time, no candidate. A line is judged alone, as `rules explain` shows
//! it; thresholds are not counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hopkeeper::domain::rule::Client;
use hopkeeper::domain::ruleset::RuleSet;
use hopkeeper::domain::types::{Evidence, Verdict};

/// What may be said of a line: one of the file's letters.
pub(crate) type Letter = char;

pub(crate) struct Line {
    pub(crate) thread: &'static str,
    pub(crate) client: Client,
    pub(crate) allowed: &'static str,
    /// What the rules are known to say, where that is wrong.
    error: Option<Letter>,
    /// Whose fault it is, where the line tells.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) text: &'static str,
}

impl Line {
    /// Nothing but "no failure" is right.
    pub(crate) fn is_benign(&self) -> bool {
        !self.allowed.contains(['R', 'S', 'A'])
    }

    /// "No failure" is wrong.
    pub(crate) fn is_failure(&self) -> bool {
        !self.allowed.contains(['-', 'I', 'V'])
    }

    /// Whether that is what should be told of it, or what is known to be told wrongly.
    pub(crate) fn is_expected(&self, told: Letter) -> bool {
        self.error.map_or_else(|| self.allowed.contains(told), |error| error == told)
    }

    fn kind(&self) -> &'static str {
        match (self.is_benign(), self.is_failure()) {
            (true, _) => "benign",
            (_, true) => "failure",
            _ => "either",
        }
    }
}

pub(crate) fn lines(files: &[&'static str]) -> Vec<Line> {
    let (mut thread, mut client) = ("", Client::Any);
    let mut lines = Vec::new();
    for text in files.iter().flat_map(|file| file.lines()) {
        if let Some(header) = text.strip_prefix("@ ") {
            let (name, source) = header.split_once(' ').expect("a thread should name its client");
            thread = name;
            client = serde_json::from_value(source.into()).expect("a thread's client should be known");
        } else if let Some((labels, text)) = text.split_once(" | ")
            && !thread.is_empty()
        {
            let (allowed, error) =
                labels.split_once(" ! ").map_or((labels, None), |(allowed, told)| (allowed, Some(told)));
            let (allowed, evidence) = match allowed.split_once(' ') {
                Some((allowed, "own")) => (allowed, Some(Evidence::Own)),
                Some((allowed, "path")) => (allowed, Some(Evidence::Path)),
                _ => (allowed, None),
            };
            let error = error.map(|told| told.chars().next().expect("a known error should say what is told"));
            assert!(allowed.chars().chain(error).all(|letter| "RSAIV-".contains(letter)), "{labels} {text}");
            assert!(error.is_none_or(|told| !allowed.contains(told)), "{labels} {text}: no error");
            lines.push(Line { thread, client, allowed, error, evidence, text });
        }
    }
    lines
}

/// What the rules say of a line, and the rule's name.
pub(crate) fn told(rules: &RuleSet, line: &Line) -> (Letter, String) {
    let rule = rules.decide_record(line.client, line.text).into_iter().find_map(|(_, rule)| rule);
    if let Some(rule) = rule
        && matches!(rule.verdict, Verdict::Rotate | Verdict::Restart | Verdict::Alert)
    {
        let may_be_an_outer_hops = line.evidence == Some(Evidence::Path);
        assert!(!(may_be_an_outer_hops && rule.evidence == Evidence::Own), "{}: {}", rule.id, line.text);
    }
    let letter = match rule.map(|rule| rule.verdict) {
        None => '-',
        Some(Verdict::Ignore) => 'I',
        Some(Verdict::Recovered) => 'V',
        Some(Verdict::Alert) => 'A',
        Some(Verdict::Restart) => 'S',
        Some(Verdict::Rotate) => 'R',
    };
    (letter, rule.map_or_else(|| "no rule".to_owned(), |rule| rule.id.to_string()))
}

/// How often each kind of line came to each verdict.
pub(crate) fn confusion<'a>(rules: &RuleSet, lines: impl Iterator<Item = &'a Line>) -> String {
    let mut counts: BTreeMap<&str, BTreeMap<Letter, usize>> = BTreeMap::new();
    for line in lines {
        *counts.entry(line.kind()).or_default().entry(told(rules, line).0).or_default() += 1;
    }
    let mut table =
        format!("{:<9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}\n", "", "none", "ignore", "recov.", "alert", "restart", "rotate");
    for (kind, row) in counts {
        write!(table, "{kind:<9}").expect("should write");
        for letter in "-IVASR".chars() {
            write!(table, "{:>9}", row.get(&letter).copied().unwrap_or(0)).expect("should write");
        }
        table.push('\n');
    }
    table
}
