//! What a replay must decide: `expected.yaml`, and how it differs from what was decided. The format: docs/replay.md.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Decided;
use crate::domain::rule::Client;

/// A file of expectations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Whose lines `input.log` holds; only there.
    #[serde(default)]
    pub client: Option<Client>,
    /// Every decision, in any order; an empty list means silence.
    decisions: Vec<Spanned<Wanted>>,
}

/// A decision by those of its fields that matter.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    hop: Option<String>,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    rule: Option<String>,
    #[serde(default)]
    evidence: Option<String>,
    #[serde(default)]
    cause: Option<Value>,
    #[serde(default)]
    action: Option<String>,
}

/// One way in which decisions differ from what was expected.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// The line of the expectation; of the list where a decision is not in it.
    pub line: u64,
    /// A decision that did not come.
    pub wanted: Option<String>,
    /// A decision that came instead, or besides.
    pub got: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.wanted, &self.got) {
            (Some(wanted), Some(got)) => write!(f, "another decision was made\n  - {wanted}\n  + {got}"),
            (Some(wanted), None) => write!(f, "this decision was not made\n  - {wanted}"),
            (None, got) => {
                write!(f, "a decision that is not expected was made\n  + {}", got.as_deref().unwrap_or_default())
            }
        }
    }
}

/// Reads a file of expectations.
///
/// # Errors
/// What is wrong in it, with line and column.
pub fn parse(source: &str) -> Result<Expected, String> {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(source, options).map_err(|error| {
        let place = error.location().map(|at| format!("{}:{}: ", at.line(), at.column())).unwrap_or_default();
        let message = error.without_snippet().to_string();
        format!("{place}{}", message.split(" at line ").next().unwrap_or_default())
    })
}

impl Expected {
    /// Every difference; none when all is as expected.
    #[must_use]
    pub fn differences(&self, decided: &[Decided]) -> Vec<Difference> {
        let fits: Vec<Vec<bool>> = self
            .decisions
            .iter()
            .map(|wanted| decided.iter().map(|got| wanted.value.misfits(got).is_empty()).collect())
            .collect();
        // By decision: which expectation it meets.
        let mut met: Vec<Option<usize>> = vec![None; decided.len()];
        let unmet: Vec<usize> =
            (0..fits.len()).filter(|wanted| !meet(*wanted, &fits, &mut met, &mut vec![false; decided.len()])).collect();
        let missing = unmet.into_iter().map(|wanted| &self.decisions[wanted]);
        let mut left: Vec<&Decided> =
            decided.iter().zip(&met).filter(|(_, met)| met.is_none()).map(|(got, _)| got).collect();
        let mut differences = Vec::new();
        for wanted in missing {
            // The one that is most like it stands beside it.
            let is_near = |got: &&Decided| wanted.value.hop.as_ref().is_none_or(|hop| *hop == got.hop);
            let nearest = (0..left.len()).filter(|i| is_near(&left[*i]));
            let nearest = nearest.min_by_key(|index| wanted.value.misfits(left[*index]).len());
            differences.push(Difference {
                line: wanted.referenced.line(),
                wanted: Some(wanted.value.to_string()),
                got: nearest.map(|index| told(left.remove(index))),
            });
        }
        let end = self.decisions.last().map_or(1, |last| last.referenced.line());
        differences.extend(left.into_iter().map(|got| Difference { line: end, wanted: None, got: Some(told(got)) }));
        differences
    }
}

/// Finds a decision for an expectation, where need be by finding another one for the expectation that has it (augmenting
/// paths): as many are met as can be, whatever their order.
fn meet(wanted: usize, fits: &[Vec<bool>], met: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for got in 0..met.len() {
        if fits[wanted][got] && !std::mem::replace(&mut tried[got], true) {
            let is_free = met[got].is_none_or(|other| meet(other, fits, met, tried));
            if is_free {
                met[got] = Some(wanted);
                return true;
            }
        }
    }
    false
}

fn told(decided: &Decided) -> String {
    serde_json::to_string(decided).expect("should serialize: a decision is strings")
}

impl Wanted {
    /// The fields that are not as wanted.
    fn misfits(&self, got: &Decided) -> Vec<&'static str> {
        let got = serde_json::to_value(got).expect("should serialize: a decision is strings");
        self.fields().filter(|(key, wanted)| got[*key] != *wanted).map(|(key, _)| key).collect()
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let text = |key, value: &Option<String>| value.clone().map(|value| (key, Value::String(value)));
        // `cause: none` wants that there is no cause; leaving it out wants nothing.
        let cause = self.cause.clone().map(|cause| if cause == "none" { Value::Null } else { cause });
        [
            text("time", &self.time),
            text("hop", &self.hop),
            text("verdict", &self.verdict),
            text("rule", &self.rule),
            text("evidence", &self.evidence),
            cause.map(|cause| ("cause", cause)),
            text("action", &self.action),
        ]
        .into_iter()
        .flatten()
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<String> = self.fields().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        write!(f, "{{{}}}", fields.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::types::{Evidence, Verdict};
    use crate::replay::Action;

    fn decided(hop: &str, action: Action, cause: Option<&str>) -> Decided {
        Decided {
            time: "2026-11-22T16:25:54Z".parse().unwrap(),
            hop: hop.into(),
            verdict: Verdict::Rotate,
            rule: "some-rule".into(),
            evidence: Evidence::Path,
            cause: cause.map(str::to_owned),
            action,
            title: String::new(),
            since: "2026-11-22T16:25:54Z".parse().unwrap(),
        }
    }

    #[test]
    fn named_fields_must_agree_and_others_need_not() {
        let expected = parse(
            "decisions:\n  - { hop: exit, action: hold, cause: entry }\n  - { hop: entry, action: rotate, cause: none }\n",
        )
        .unwrap();
        let got = [decided("entry", Action::Rotate, None), decided("exit", Action::Hold, Some("entry"))];
        assert_eq!(expected.differences(&got), []);
    }

    #[test]
    fn what_differs_is_told_with_its_line_and_what_came_instead() {
        let expected =
            parse("# x\ndecisions:\n  - { hop: exit, action: rotate }\n  - hop: middle\n    action: hold\n").unwrap();
        let got = [decided("exit", Action::Hold, Some("entry")), decided("entry", Action::Rotate, None)];
        let told: Vec<String> = expected.differences(&got).iter().map(|d| format!("{}: {d}", d.line)).collect();
        let json = |hop, cause, action| {
            format!(
                r#"{{"time":"2026-11-22T16:25:54Z","hop":"{hop}","verdict":"rotate","rule":"some-rule","evidence":"path","cause":{cause},"action":"{action}"}}"#
            )
        };
        assert_eq!(
            told,
            [
                format!(
                    "3: another decision was made\n  - {{\"hop\":\"exit\",\"action\":\"rotate\"}}\n  + {}",
                    json("exit", "\"entry\"", "hold")
                ),
                "4: this decision was not made\n  - {\"hop\":\"middle\",\"action\":\"hold\"}".to_owned(),
                format!("4: a decision that is not expected was made\n  + {}", json("entry", "null", "rotate")),
            ]
        );
    }

    #[test]
    fn silence_is_an_empty_list_and_unknown_keys_are_mistakes() {
        let silence = parse("client: openvpn\ndecisions: []\n").unwrap();
        assert_eq!(silence.client, Some(Client::Openvpn));
        assert!(silence.differences(&[]).is_empty());
        assert_eq!(silence.differences(&[decided("entry", Action::Rotate, None)]).len(), 1);
        let error = parse("decisions:\n  - { hop: exit, acton: hold }\n").unwrap_err();
        assert!(error.starts_with("2:") && error.contains("acton"), "{error}");
    }
}
