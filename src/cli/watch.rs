//! `hopkeeper watch`: a chain that runs without Kubernetes, judged as its lines come; a person acts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use miette::{IntoDiagnostic, WrapErr};
use tokio::net::UdpSocket;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{MissedTickBehavior, interval};

use super::output::{Format, OutputArgs, note, print};
use super::rules::BaseArgs;
use crate::overview::printable;
use crate::replay::live::{Live, Told};
use crate::replay::{Chain, Record};
use crate::source::syslog::{self, Message};

/// Larger ones cannot be: it is UDP's own bound.
const MAX_DATAGRAM_BYTES: usize = 64 * 1024;
const TICK: Duration = Duration::from_millis(500);
/// A line may be under way for so long: time passes no further than this behind the clock.
const LATE: SignedDuration = SignedDuration::from_secs(1);

/// Tells what the operator would do about a chain that runs without Kubernetes, as its lines come; never acts.
///
/// Lines come by syslog over UDP (RFC 5424), as Docker's driver sends them with the options syslog-format=rfc5424micro and
/// tag=HOP/vpn or HOP/health. Every hop needs its health container. Whoever reaches the address is believed: keep it local.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 ended by SIGTERM or Ctrl-C; 1 the chain, the rules or the address cannot be used; 2 wrong usage.\n\n\
    Example:\n  hopkeeper watch --chain compose/chain.yaml --listen 127.0.0.1:5514\n\n\
    With -o json each line is an object: {\"time\",\"hop\",\"carries\"} when a hop begins or ceases to carry traffic, and \
    decisions as `hopkeeper replay` prints them."
)]
pub(super) struct Watch {
    /// The VpnChain's manifest: names and order of the hops, and the recovery policy.
    #[arg(long, value_name = "FILE")]
    chain: PathBuf,
    /// Where log lines arrive.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:5514")]
    listen: SocketAddr,
    /// A directory of *.yaml files, or one file, laid over the shipped rules as the operator does it.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    printed: OutputArgs<Format>,
}

/// Datagrams that were passed over; each reason is told once.
#[derive(Default)]
struct PassedOver(std::collections::BTreeSet<String>);

impl Watch {
    /// Runs until it is told to end.
    ///
    /// # Errors
    /// When the manifest or the rules cannot be used, the address is taken, or nobody reads what is told.
    pub(super) fn run(self) -> miette::Result<()> {
        let chain = super::replay::chain(&self.chain)?;
        let rules = super::replay::rules(self.rules.as_deref(), self.base.base())?;
        let live = Live::new(&chain, Arc::clone(&rules));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().into_diagnostic()?;
        runtime.block_on(self.follow(&chain, live))
    }

    async fn follow(&self, chain: &Chain, mut live: Live<'_>) -> miette::Result<()> {
        let (listen, mut passed_over) = (self.listen, PassedOver::default());
        let socket = UdpSocket::bind(listen).await.into_diagnostic().wrap_err_with(|| {
            format!("cannot listen on {listen}: give --listen an address of this machine that is free")
        })?;
        let mut terminate = signal(SignalKind::terminate()).into_diagnostic()?;
        let mut interrupt = signal(SignalKind::interrupt()).into_diagnostic()?;
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut buffer = vec![0; MAX_DATAGRAM_BYTES];
        note(&format!("watching chain {} ({} hops), lines by syslog on {listen}", chain.name, chain.hops.len()));
        loop {
            let told = tokio::select! {
                received = socket.recv_from(&mut buffer) => {
                    let (length, _) = received.into_diagnostic().wrap_err_with(|| format!("cannot read from {listen}"))?;
                    match record(chain, &buffer[..length], Timestamp::now()) {
                        Ok(record) => live.take(&record),
                        Err(why) => {
                            passed_over.tell(&why);
                            continue;
                        }
                    }
                }
                _ = ticks.tick() => live.pass(Timestamp::now() - LATE),
                _ = terminate.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
            };
            for one in &told {
                print(&printed(self.printed.format(), one)?)?;
            }
        }
    }
}

impl PassedOver {
    /// So few reasons are kept that nobody can fill the memory with them.
    fn tell(&mut self, why: &str) {
        if self.0.len() < 32 && self.0.insert(why.to_owned()) {
            note(&format!("warning: a message was passed over: {}", printable(why)));
        }
    }
}

/// Whose line a datagram is. A time in the future is moved back: no container may take the chain's clock ahead.
fn record(chain: &Chain, datagram: &[u8], now: Timestamp) -> Result<Record, String> {
    let Message { time, application, text } = syslog::parse(datagram).map_err(|error| error.to_string())?;
    let form = || format!("its tag {application:?} is not HOP/vpn or HOP/health with a hop of the chain");
    let (name, container) = application.split_once('/').ok_or_else(form)?;
    let hop = chain.hops.iter().position(|hop| hop.name == name).ok_or_else(form)?;
    let is_health = match container {
        "vpn" => false,
        "health" => true,
        _ => return Err(form()),
    };
    let implementation = chain.hops[hop].implementation;
    let (time, text) = (time.min(now), text.to_owned());
    Ok(Record { time, hop, is_health, implementation, pod_uid: None, file_offset: None, text })
}

/// What is told, as a line.
fn printed(format: Format, told: &Told) -> miette::Result<String> {
    let line = match (format, told) {
        (Format::Json, _) => serde_json::to_string(told).into_diagnostic()?,
        (Format::Text, Told::Carries { time, hop, carries }) => {
            format!("{time:.3}  {hop}  {}", if *carries { "carries traffic" } else { "carries no traffic" })
        }
        (Format::Text, Told::Decided(decided)) => {
            let (time, hop, action, rule) = (decided.time, &decided.hop, decided.action, &decided.rule);
            let cause = decided.cause.as_ref().map(|cause| format!(" for {cause}")).unwrap_or_default();
            format!("{time:.3}  {hop}  {action}{cause}: {} ({rule}, {} evidence)", decided.title, decided.evidence)
        }
    };
    Ok(line + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::types::{Evidence, Verdict};
    use crate::replay::{Action, Decided};

    fn trial() -> Chain {
        super::super::replay::chain(std::path::Path::new("compose/chain.yaml")).unwrap()
    }

    #[test]
    fn a_tag_names_hop_and_container_and_the_future_is_now() {
        let now: Timestamp = "2026-11-30T04:00:00Z".parse().unwrap();
        let sent = b"<30>1 2026-11-30T05:00:00.5Z h client2/health 1 client2/health - {}";
        let record = record(&trial(), sent, now).unwrap();
        assert_eq!((record.hop, record.is_health, record.time, record.text.as_str()), (1, true, now, "{}"));
    }

    #[test]
    fn what_is_no_hops_line_is_passed_over_with_the_reason() {
        for tag in ["client2", "client9/vpn", "client2/net"] {
            let sent = format!("<30>1 2026-11-30T04:00:00Z h {tag} 1 x - text");
            let why = record(&trial(), sent.as_bytes(), Timestamp::MAX).unwrap_err();
            assert!(why.contains(tag) && why.contains("HOP/vpn or HOP/health"), "{why}");
        }
        let why = record(&trial(), b"<30>Nov 30 04:00:00 h x: text", Timestamp::MAX).unwrap_err();
        assert!(why.contains("rfc5424micro"), "{why}");
    }

    #[test]
    fn people_read_a_sentence_and_programs_what_replay_prints() {
        let time: Timestamp = "2026-11-30T04:00:00Z".parse().unwrap();
        let decided = Told::Decided(Decided {
            time,
            hop: "client1".into(),
            verdict: Verdict::Rotate,
            rule: "openvpn-no-answer".into(),
            evidence: Evidence::Path,
            cause: Some("client2".into()),
            action: Action::Hold,
            title: "No answer".into(),
            since: time,
        });
        let text =
            "2026-11-30T04:00:00.000Z  client1  hold for client2: No answer (openvpn-no-answer, path evidence)\n";
        assert_eq!(printed(Format::Text, &decided).unwrap(), text);
        let json: serde_json::Value = serde_json::from_str(&printed(Format::Json, &decided).unwrap()).unwrap();
        assert_eq!(
            (&json["hop"], &json["action"], &json["cause"]),
            (&"client1".into(), &"hold".into(), &"client2".into())
        );
        let carries = Told::Carries { time, hop: "client1".into(), carries: false };
        assert_eq!(printed(Format::Text, &carries).unwrap(), "2026-11-30T04:00:00.000Z  client1  carries no traffic\n");
        let json = r#"{"time":"2026-11-30T04:00:00Z","hop":"client1","carries":false}"#;
        assert_eq!(printed(Format::Json, &carries).unwrap().trim_end(), json);
    }
}
