//! A chain that runs without Kubernetes, judged as its lines come: the same rules, attribution and decision as in a replay,
//! with a clock that is passed in, and without looking ahead.
//!
//! Every hop must have a health sidecar: its lines are the readiness that a cluster would know. Never acts.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::judge::Judge;
use super::readiness::Readiness;
use super::{Chain, Decided, Record, sane, signs};
use crate::domain::ruleset::RuleSet;

/// What there is to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Told {
    /// A hop's tunnel begins or ceases to carry traffic, by its health sidecar.
    Carries {
        /// Since when.
        time: Timestamp,
        /// Which hop.
        hop: String,
        /// Whether it does.
        carries: bool,
    },
    /// What the operator would do about a hop.
    Decided(Decided),
}

/// The chain as its lines tell it.
pub struct Live<'a> {
    chain: &'a Chain,
    rules: Arc<RuleSet>,
    judge: Judge<'a>,
    /// Whether each hop carried traffic when last looked; none before its sidecar's first word.
    carried: Vec<Option<bool>>,
    lines: u64,
}

impl<'a> Live<'a> {
    /// Before the first line.
    #[must_use]
    pub fn new(chain: &'a Chain, rules: Arc<RuleSet>) -> Self {
        let judge = Judge::new(chain, &rules, Readiness::with_health(chain));
        Self { chain, rules, judge, carried: vec![None; chain.hops.len()], lines: 0 }
    }

    /// Takes a line.
    pub fn take(&mut self, record: &Record) -> Vec<Told> {
        // No datagram comes twice: what says the same was written again.
        let file_offset = record.file_offset.or(Some(self.lines));
        let record = &Record { time: sane(record.time), file_offset, ..record.clone() };
        let sign = signs::read(&self.rules, record);
        self.judge.take(self.lines, record, &sign);
        self.lines += 1;
        if sign.health.is_some() && self.carried[record.hop].is_none() {
            // A chain that is being built is no news.
            self.carried[record.hop] = Some(false);
        }
        self.told()
    }

    /// Lets time pass to `now`, where no line came.
    pub fn pass(&mut self, now: Timestamp) -> Vec<Told> {
        self.judge.pass(sane(now));
        self.told()
    }

    fn told(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        for (index, carried) in self.carried.iter_mut().enumerate() {
            let Some(before) = carried else { continue };
            let carries = self.judge.is_ready(index);
            if std::mem::replace(before, carries) != carries {
                let (time, hop) = (self.judge.now(), self.chain.hops[index].name.clone());
                told.push(Told::Carries { time, hop, carries });
            }
        }
        told.extend(self.judge.take_decisions().into_iter().map(Told::Decided));
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::policy;
    use crate::domain::types::Implementation;
    use crate::replay::{Action, Hop};

    fn chain() -> Chain {
        let hop = |name: &str, implementation| Hop { name: name.into(), implementation, has_log: true };
        Chain {
            namespace: "default".into(),
            name: "trial".into(),
            policy: policy(),
            paused: false,
            hops: vec![
                hop("entry", Implementation::OpenVpn),
                hop("middle", Implementation::BoringTun),
                hop("exit", Implementation::OpenVpn),
            ],
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn line(seconds: i64, hop: usize, is_health: bool, text: &str) -> Record {
        let implementation = chain().hops[hop].implementation;
        Record {
            time: at(seconds),
            hop,
            is_health,
            implementation,
            pod_uid: None,
            file_offset: None,
            text: text.into(),
        }
    }

    fn health(seconds: i64, hop: usize, state: &str) -> Record {
        let text = format!(
            r#"{{"hopkeeper":"health","state":"{state}","applied":"a@1#0","carrier":1,"rx_bytes":9,"tx_bytes":9,"rx_age_seconds":0,"handshake_age_seconds":1,"probe":"answered"}}"#
        );
        line(seconds, hop, true, &text)
    }

    /// What is told from 0 s to `end`: all hops say `state(hop, second)` each 5 s, and `lines` come between.
    fn run(end: i64, lines: &[Record], state: impl Fn(usize, i64) -> &'static str) -> Vec<Told> {
        let (chain, mut told) = (chain(), Vec::new());
        let mut live = Live::new(&chain, RuleSet::shipped().into());
        for second in 0..=end {
            if second % 5 == 0 {
                for hop in 0..3 {
                    told.extend(live.take(&health(second, hop, state(hop, second))));
                }
            }
            for record in lines.iter().filter(|record| record.time == at(second)) {
                told.extend(live.take(record));
            }
            told.extend(live.pass(at(second)));
        }
        told
    }

    fn decisions(told: &[Told]) -> Vec<(&str, Action, Option<&str>)> {
        let decided =
            told.iter().filter_map(|told| if let Told::Decided(decided) = told { Some(decided) } else { None });
        decided.map(|d| (d.hop.as_str(), d.action, d.cause.as_deref())).collect()
    }

    #[test]
    fn the_outermost_hop_without_traffic_is_named_and_inner_ones_are_its_symptoms() {
        let warn = "WARN boringtun::noise::timers: HANDSHAKE(REKEY_TIMEOUT)";
        let complaints: Vec<Record> = (0..12).map(|turn| line(41 + turn * 5, 1, false, warn)).collect();
        let told = run(110, &complaints, |hop, second| if hop > 0 && second >= 30 { "stalled" } else { "up" });
        let found = decisions(&told);
        assert_eq!(found.first().map(|(hop, action, _)| (*hop, *action)), Some(("middle", Action::Rotate)), "{told:?}");
        assert!(found.iter().all(|(hop, ..)| *hop != "entry"), "the entry carries traffic: {told:?}");
        assert!(
            found.iter().filter(|(hop, ..)| *hop == "exit").all(|(.., cause)| *cause == Some("middle")),
            "the exit is a symptom: {told:?}"
        );
    }

    #[test]
    fn what_a_hop_says_of_its_traffic_is_told_once_at_each_change_but_not_while_the_chain_is_built() {
        let told = run(40, &[], |hop, second| match second {
            ..10 => "connecting",
            20..30 if hop == 0 => "stalled",
            _ => "up",
        });
        let changes: Vec<_> = told
            .iter()
            .filter_map(|told| match told {
                Told::Carries { time, hop, carries } => {
                    Some((time.duration_since(at(0)).as_secs(), hop.as_str(), *carries))
                }
                Told::Decided(_) => None,
            })
            .collect();
        assert_eq!(
            changes,
            [(10, "entry", true), (10, "middle", true), (10, "exit", true), (20, "entry", false), (30, "entry", true)]
        );
    }

    #[test]
    fn a_refusal_by_the_hops_own_server_is_told_at_once() {
        let refused = "AUTH: Received control message: AUTH_FAILED";
        let lines = [line(12, 2, false, refused), line(14, 2, false, refused)];
        let told = run(20, &lines, |hop, second| if hop == 2 && second >= 10 { "connecting" } else { "up" });
        assert_eq!(decisions(&told), [("exit", Action::Rotate, None)], "{told:?}");
    }
}
