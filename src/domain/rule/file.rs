//! Reads a rule file: YAML, version 1. Every mistake is an error with its place; nothing is guessed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::condition::Condition;
use super::error::{Place, RuleError};
use super::{Client, Origin, Rule, RuleId, Samples, Threshold, duration};
use crate::domain::types::{Evidence, Verdict};

/// A rule file longer than this is refused.
pub const MAX_FILE_BYTES: usize = 1024 * 1024;
/// A pattern longer than this is refused.
const MAX_PATTERN_CHARS: usize = 4096;
/// A compiled pattern larger than this is refused, not compiled.
const MAX_COMPILED_BYTES: usize = 1024 * 1024;
/// A window keeps one entry for each line it counts.
const MAX_COUNT: u64 = 1000;
const MAX_WITHIN: Duration = Duration::from_secs(3600);

/// How strict to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// A rule of the shipped packs: needs a firing and a silent sample.
    Shipped,
    /// A user's rule: samples are optional.
    User,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileYaml {
    version: Spanned<u64>,
    #[serde(default)]
    client: Option<Client>,
    rules: Vec<RuleYaml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleYaml {
    id: Spanned<String>,
    title: String,
    #[serde(default)]
    client: Option<Spanned<Client>>,
    #[serde(default)]
    pattern: Option<Spanned<String>>,
    #[serde(default)]
    unless: Option<Spanned<String>>,
    #[serde(default, rename = "where")]
    conditions: Option<Spanned<BTreeMap<String, Spanned<serde_json::Value>>>>,
    evidence: Evidence,
    verdict: Verdict,
    #[serde(default)]
    threshold: Option<ThresholdYaml>,
    #[serde(default)]
    absent: Option<Spanned<AbsentYaml>>,
    #[serde(default)]
    samples: SamplesYaml,
    #[serde(default)]
    docs: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ThresholdYaml {
    count: Spanned<u64>,
    #[serde(default)]
    within: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AbsentYaml {
    r#for: Spanned<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SamplesYaml {
    #[serde(default)]
    fires: Vec<String>,
    #[serde(default)]
    silent: Vec<String>,
}

/// Reads the rules of one file.
///
/// # Errors
/// Everything wrong in it, each with its place; YAML that can't be read is one error.
pub fn parse(name: &str, source: &str, strictness: Strictness) -> Result<Vec<Rule>, Vec<RuleError>> {
    let reader = Reader { file: Arc::from(name), source, strictness };
    if source.len() > MAX_FILE_BYTES {
        return Err(vec![reader.error(Place::default(), "the file is larger than 1 MiB; split it")]);
    }
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    let file: FileYaml =
        serde_saphyr::from_str_with_options(source, options).map_err(|e| vec![reader.yaml_error(&e)])?;
    if file.version.value != 1 {
        let message = format!("version {} is not known; write \"version: 1\"", file.version.value);
        return Err(vec![reader.error(place(&file.version.referenced), message)]);
    }
    let mut rules = Vec::with_capacity(file.rules.len());
    let mut errors = Vec::new();
    for rule in file.rules {
        match reader.rule(rule, file.client) {
            Ok(rule) => rules.push(rule),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

struct Reader<'a> {
    file: Arc<str>,
    source: &'a str,
    strictness: Strictness,
}

impl Reader<'_> {
    fn error(&self, place: Place, message: impl Into<String>) -> RuleError {
        RuleError::at(&self.file, self.source, place, message)
    }

    fn yaml_error(&self, error: &serde_saphyr::Error) -> RuleError {
        let location = error.location().unwrap_or(Location::UNKNOWN);
        let message = error.without_snippet().to_string();
        // The location is shown in front already.
        let message = message.split(" at line ").next().unwrap_or_default().trim_end_matches(" at").to_owned();
        self.error(place(&location), message)
    }

    fn rule(&self, yaml: RuleYaml, file_client: Option<Client>) -> Result<Rule, RuleError> {
        let at_id = place(&yaml.id.referenced);
        let id = self.id(&yaml.id)?;
        let at_client = yaml.client.as_ref().map_or(at_id, |client| place(&client.referenced));
        let client = yaml.client.map(|client| client.value).or(file_client).ok_or_else(|| {
            self.error(
                at_id,
                format!("rule \"{id}\" names no client; write \"client: openvpn\" here or at the top of the file"),
            )
        })?;
        let pattern = yaml.pattern.as_ref().map(|p| self.pattern(p)).transpose()?;
        let unless = yaml.unless.as_ref().map(|p| self.pattern(p)).transpose()?;
        let counts = yaml.threshold.is_some();
        let absent = yaml.absent.as_ref().map(|absent| self.absent(absent, counts, yaml.verdict)).transpose()?;
        let conditions = yaml.conditions.map(|c| self.conditions(c.value)).transpose()?.unwrap_or_default();
        if !conditions.is_empty() && client != Client::Health {
            return Err(self.error(at_client, "\"where\" reads fields of a health line; it needs \"client: health\""));
        }
        if pattern.is_none() && conditions.is_empty() {
            return Err(self.error(at_id, format!("rule \"{id}\" matches every line; give it a \"pattern\"")));
        }
        let samples = Samples { fires: yaml.samples.fires, silent: yaml.samples.silent };
        if self.strictness == Strictness::Shipped && (samples.fires.is_empty() || samples.silent.is_empty()) {
            return Err(self.error(at_id, format!("shipped rule \"{id}\" needs a firing and a silent sample")));
        }
        Ok(Rule {
            id,
            title: yaml.title,
            client,
            pattern,
            unless,
            conditions,
            evidence: yaml.evidence,
            verdict: yaml.verdict,
            threshold: yaml.threshold.map(|t| self.threshold(&t)).transpose()?.unwrap_or_default(),
            absent,
            samples,
            docs: yaml.docs,
            origin: Origin { file: Arc::clone(&self.file), line: at_id.line, column: at_id.column },
        })
    }

    fn id(&self, id: &Spanned<String>) -> Result<RuleId, RuleError> {
        let text = id.value.as_str();
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-');
        if valid {
            return Ok(RuleId::new(text));
        }
        let message = format!("\"{text}\" is no rule id; write 1 to 63 lower-case letters, digits and dashes");
        Err(self.error(place(&id.referenced), message))
    }

    fn pattern(&self, pattern: &Spanned<String>) -> Result<Regex, RuleError> {
        let at = place(&pattern.referenced);
        if pattern.value.chars().count() > MAX_PATTERN_CHARS {
            return Err(
                self.error(at, format!("the pattern has more than {MAX_PATTERN_CHARS} characters; split the rule"))
            );
        }
        RegexBuilder::new(&pattern.value)
            .size_limit(MAX_COMPILED_BYTES)
            .dfa_size_limit(4 * MAX_COMPILED_BYTES)
            .nest_limit(50)
            .build()
            .map_err(|error| self.pattern_error(pattern, &error))
    }

    fn pattern_error(&self, pattern: &Spanned<String>, error: &regex::Error) -> RuleError {
        let mut at = place(&pattern.referenced);
        let message = match error {
            regex::Error::CompiledTooBig(limit) => {
                format!("the pattern compiles to more than {limit} bytes; use smaller repetitions")
            }
            _ => {
                let text = regex_syntax::Parser::new().parse(&pattern.value).err().map(|e| syntax_error(&e));
                if let Some((Some((offset, width)), _)) = &text {
                    // Exact in a plain or quoted scalar on one line; a block scalar is marked as a whole.
                    let line = self.source.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
                    let from: String = line.chars().skip(at.column.saturating_sub(1)).collect();
                    if let Some(quote) = from.find(pattern.value.as_str()) {
                        at.column += from[..quote].chars().count() + offset;
                        at.width = *width;
                    }
                }
                text.map_or_else(|| error.to_string(), |(_, message)| message)
            }
        };
        self.error(at, format!("the pattern is no regular expression: {message}"))
    }

    fn conditions(&self, yaml: BTreeMap<String, Spanned<serde_json::Value>>) -> Result<Vec<Condition>, RuleError> {
        yaml.into_iter()
            .map(|(field, wanted)| {
                Condition::parse(&field, &wanted.value)
                    .map_err(|message| self.error(place(&wanted.referenced), message))
            })
            .collect()
    }

    fn threshold(&self, yaml: &ThresholdYaml) -> Result<Threshold, RuleError> {
        if !(1..=MAX_COUNT).contains(&yaml.count.value) {
            return Err(self.error(place(&yaml.count.referenced), format!("\"count\" must be 1 to {MAX_COUNT}")));
        }
        let count = usize::try_from(yaml.count.value).expect("should fit after the check above");
        let Some(text) = &yaml.within else {
            if count == 1 {
                return Ok(Threshold::default());
            }
            return Err(self
                .error(place(&yaml.count.referenced), "\"count\" above 1 needs \"within\", such as \"within: 60s\""));
        };
        Ok(Threshold { count, within: self.time(text)? })
    }

    fn time(&self, text: &Spanned<String>) -> Result<Duration, RuleError> {
        let time = duration::parse(&text.value).filter(|time| (Duration::from_secs(1)..=MAX_WITHIN).contains(time));
        time.ok_or_else(|| {
            let message = format!("\"{}\" is no time from 1s to 1h; write such as 60s or 5m", text.value);
            self.error(place(&text.referenced), message)
        })
    }

    fn absent(&self, absent: &Spanned<AbsentYaml>, counts: bool, verdict: Verdict) -> Result<Duration, RuleError> {
        let at = place(&absent.referenced);
        if counts {
            return Err(self.error(
                at,
                "\"absent\" waits for a line that stops, \"threshold\" counts lines that come; write one of them",
            ));
        }
        if matches!(verdict, Verdict::Ignore | Verdict::Recovered) {
            let message =
                format!("\"absent\" needs a verdict that says what to do: rotate, restart or alert, not {verdict}");
            return Err(self.error(at, message));
        }
        self.time(&absent.value.r#for)
    }
}

/// Where in the pattern (characters from 0, width) and what.
fn syntax_error(error: &regex_syntax::Error) -> (Option<(usize, usize)>, String) {
    let (span, message) = match error {
        regex_syntax::Error::Parse(e) => (Some(*e.span()), e.kind().to_string()),
        regex_syntax::Error::Translate(e) => (Some(*e.span()), e.kind().to_string()),
        other => (None, other.to_string()),
    };
    let place = span.map(|s| (s.start.column - 1, s.end.column.saturating_sub(s.start.column).max(1)));
    (place, message)
}

fn place(location: &Location) -> Place {
    let from_one = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).max(1);
    Place { line: from_one(location.line()), column: from_one(location.column()), width: 0 }
}

#[cfg(test)]
mod tests;
