//! What a record says about whether its hop carries traffic: success markers, failures, starts and ends of the client.
//!
//! A cluster has a pod's readiness for this; a log has only lines. Whether a failure counts as an incident is the
//! engine's affair: here one line is enough for a doubt.

use std::sync::LazyLock;

use regex::Regex;

use super::Record;
use crate::domain::engine::Detection;
use crate::domain::line;
use crate::domain::rule::{Client, Rule};
use crate::domain::ruleset::{Line, RuleSet};
use crate::domain::types::{Evidence, Implementation, Verdict};

/// What a record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sign {
    /// The tunnel works.
    pub(super) up: bool,
    /// A rule's failure.
    pub(super) trouble: Option<Trouble>,
    /// The client said goodbye, or that it connects anew: it has no tunnel until the next success marker.
    pub(super) broken_off: bool,
    /// A new process of the client began.
    pub(super) started: bool,
    /// The client said that it ends.
    pub(super) ended: bool,
    /// The health sidecar's word: whether the tunnel carries traffic.
    pub(super) health: Option<bool>,
    /// The parameters that the sidecar names.
    pub(super) applied: Option<String>,
    /// The server asks for a handshake: once is routine, again and again means that it hears no answer.
    pub(super) asked: bool,
    /// The client logs more than errors, so that its silence means something.
    pub(super) is_talkative: bool,
    /// It tells of keepalives and handshakes, so that it is never silent for long.
    pub(super) routine: bool,
}

/// A line of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) rule: String,
    pub(super) title: String,
    pub(super) verdict: Verdict,
    pub(super) evidence: Evidence,
}

impl Trouble {
    pub(super) fn of_detection(detection: &Detection) -> Self {
        let (verdict, evidence) = (detection.verdict, detection.evidence);
        Self { rule: detection.rule.to_string(), title: detection.title.clone(), verdict, evidence }
    }

    fn of(rule: &Rule) -> Self {
        let (verdict, evidence) = (rule.verdict, rule.evidence);
        Self { rule: rule.id.to_string(), title: rule.title.clone(), verdict, evidence }
    }
}

/// Reads a record.
pub(super) fn read(rules: &RuleSet, record: &Record) -> Sign {
    let mut sign = Sign::default();
    let container = if record.is_health { "health" } else { "vpn" };
    let Some(client) = Client::of(record.implementation, container) else { return sign };
    for (line, rule) in rules.decide_record(client, &record.text) {
        if client == Client::Health {
            read_health(&line, &mut sign);
            continue;
        }
        read_lifecycle(record.implementation, &line, &mut sign);
        match rule.map(|rule| (rule.verdict, rule)) {
            Some((Verdict::Recovered, _)) => {
                // What came before in the same record is history.
                (sign.up, sign.trouble, sign.broken_off) = (true, None, false);
            }
            Some((Verdict::Rotate | Verdict::Restart | Verdict::Alert, rule)) => {
                (sign.up, sign.trouble) = (false, Some(Trouble::of(rule)));
            }
            Some((Verdict::Ignore, _)) | None => {}
        }
    }
    sign
}

fn read_health(line: &Line<'_>, sign: &mut Sign) {
    let Some(fields) = line.fields() else { return };
    let word = |key: &str| fields.get(key).and_then(serde_json::Value::as_str);
    sign.health = word("state").map(|state| state == "up");
    sign.applied = word("applied").filter(|id| !id.is_empty()).map(str::to_owned);
}

fn read_lifecycle(implementation: Implementation, line: &Line<'_>, sign: &mut Sign) {
    static OPENVPN: LazyLock<[Regex; 3]> = LazyLock::new(|| {
        [
            pattern(r"^OpenVPN (?:\d+\.|core )"),
            pattern(r"received, process exiting$|^Exiting due to fatal error|^MANAGEMENT: >STATE:\d+,EXITING,"),
            pattern(
                r"^SIG[A-Z0-9]+\[.*\] received, process restarting$|^MANAGEMENT: >STATE:\d+,(?:RECONNECTING|CONNECTING|WAIT|AUTH|TCP_CONNECT|RESOLVE),|\bInactivity timeout \(--ping-(?:restart|exit)\)|^Need hold release from management interface",
            ),
        ]
    });
    static ASKED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bRecei(?:ved|ving) handshake[_ ]initiation\b"));
    static ROUTINE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bkeepalive\b|\bhandshake[_ ]initiation\b"));
    static BORINGTUN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^boringtun_cli: BoringTun started"));
    static WIREGUARD_GO: LazyLock<[Regex; 2]> =
        LazyLock::new(|| [pattern(r"^Starting wireguard-go version"), pattern(r"^(?:Device closed|Shutting down)$")]);
    let (prefix, text) = (&line.logical()[..line.span().start], line.text());
    sign.is_talkative |= ["DEBUG", "INFO", "WARN"].iter().any(|level| prefix.contains(level));
    let is_debug = prefix.contains("DEBUG") || implementation == Implementation::Kernel;
    sign.routine |= implementation != Implementation::OpenVpn && is_debug && ROUTINE.is_match(text);
    sign.asked |= implementation != Implementation::OpenVpn && ASKED.is_match(text);
    match implementation {
        Implementation::OpenVpn => {
            sign.started |= OPENVPN[0].is_match(text);
            sign.ended |= OPENVPN[1].is_match(text);
            sign.broken_off |= sign.started || sign.ended || OPENVPN[2].is_match(text);
        }
        Implementation::BoringTun => {
            sign.started |= BORINGTUN.is_match(text);
        }
        Implementation::WireGuardGo => {
            sign.started |= WIREGUARD_GO[0].is_match(text);
            sign.ended |= WIREGUARD_GO[1].is_match(text);
            sign.broken_off |= sign.ended;
        }
        // With dynamic debugging on, it tells of each handshake.
        Implementation::Kernel => sign.is_talkative |= text.contains("wireguard: "),
    }
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("should be a pattern")
}

/// The physical lines of a text that are not continuations of the line before.
pub(super) fn is_continuation(physical: &str) -> bool {
    !physical.trim().is_empty() && line::logical_lines(physical).is_empty()
}
