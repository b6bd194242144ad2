//! Which hops carry traffic, rebuilt from their lines: what a pod's readiness says in a cluster.
//!
//! Health lines say it outright. Without them: a success marker says yes, for this hop and every outer one, since its
//! packets went through them; a client that broke off its connection is down until its next marker; a single failure
//! line is a doubt that time removes.

use jiff::{SignedDuration, Timestamp};

use super::gone::{self, Gone};
use super::signs::{Sign, Trouble};
use super::{Chain, Record};
use crate::domain::engine::Detection;
use crate::domain::types::{Evidence, Implementation, Verdict};

/// The OpenVPN hop that is at fault complains only after 59 s, an inner WireGuard hop after 15 s.
const HOLD: SignedDuration = SignedDuration::from_secs(65);
/// boringtun at its default level says nothing before its error at +105 s; an inner hop that says more begins at +20 s.
const HOLD_FOR_A_QUIET_CLIENT: SignedDuration = SignedDuration::from_secs(95);
/// When boringtun at its default level complains, every outer hop had more than its minute.
const HOLD_OF_A_QUIET_CLIENT: SignedDuration = SignedDuration::from_secs(20);
/// A health sidecar that has not spoken for so long is not believed any more (it speaks every 5 s).
const HEALTH_LASTS: SignedDuration = SignedDuration::from_secs(20);
/// A doubt that no further line confirms.
const DOUBT: SignedDuration = SignedDuration::from_secs(60);
/// A confirmed failure of a client that need not show its recovery: twice what boringtun's errors are apart.
const LINGER: SignedDuration = SignedDuration::from_secs(200);

/// A server that asks so often for a handshake, each time within `ASKS_AGAIN`, hears no answer (it asks each 5 s).
const ASKS: u32 = 4;
const ASKS_AGAIN: SignedDuration = SignedDuration::from_secs(10);
/// What is inferred of it, as `rule` of a decision.
const NOT_HEARD: &str = "not-heard";

/// Why a hop is not ready.
#[derive(Clone, Debug)]
pub(super) struct Down {
    pub(super) since: Timestamp,
    last: Timestamp,
    /// The connection was broken off: no doubt until the next marker.
    definite: bool,
    /// A rule's threshold was reached.
    confirmed: bool,
    /// The longest time between two of its lines, and their number.
    rhythm: (SignedDuration, u32),
    /// The weightiest failure line.
    pub(super) trouble: Option<Trouble>,
}

#[derive(Debug)]
struct State {
    implementation: Implementation,
    has_log: bool,
    is_talkative: bool,
    shows_recovery: bool,
    speaks_of_health: bool,
    health: Option<(Timestamp, bool)>,
    ready_since: Timestamp,
    down: Option<Down>,
    /// When the server last asked for a handshake, and how often without success.
    asked: Option<(Timestamp, u32)>,
    gone: Vec<Gone>,
}

/// The readiness of each hop at the time of the last line.
#[derive(Debug)]
pub(super) struct Readiness {
    hops: Vec<State>,
}

impl Readiness {
    pub(super) fn new<'a>(chain: &Chain, records: impl Iterator<Item = &'a Record>, signs: &[Sign]) -> Self {
        let records: Vec<(&Record, &Sign)> = records.zip(signs).collect();
        let gone = gone::find(chain.hops.len(), &records);
        let state = |(index, gone): (usize, Vec<Gone>)| {
            let own = || records.iter().filter(move |(record, _)| record.hop == index);
            let client = || own().filter(|(record, _)| !record.is_health);
            let implementation = client().next().map_or(chain.hops[index].implementation, |(r, _)| r.implementation);
            State {
                implementation,
                has_log: chain.hops[index].has_log || client().next().is_some(),
                is_talkative: client().any(|(_, sign)| sign.is_talkative),
                shows_recovery: client().any(|(_, sign)| sign.up),
                speaks_of_health: own().any(|(_, sign)| sign.health.is_some()),
                health: None,
                ready_since: Timestamp::MIN,
                down: None,
                asked: None,
                gone,
            }
        };
        Self { hops: gone.into_iter().enumerate().map(state).collect() }
    }

    /// That of a chain whose hops all have a health sidecar, before its first line: nothing is rebuilt, nothing is known ahead.
    pub(super) fn with_health(chain: &Chain) -> Self {
        let state = |hop: &super::Hop| State {
            implementation: hop.implementation,
            has_log: true,
            is_talkative: true,
            shows_recovery: hop.implementation == Implementation::OpenVpn,
            speaks_of_health: true,
            health: None,
            ready_since: Timestamp::MIN,
            down: None,
            asked: None,
            gone: Vec::new(),
        };
        Self { hops: chain.hops.iter().map(state).collect() }
    }

    /// Learns from a record.
    pub(super) fn take(&mut self, record: &Record, sign: &Sign) {
        let now = record.time;
        if sign.up {
            // Its packets went through every outer tunnel. OpenVPN's times are cut to the second.
            let cut = SignedDuration::from_secs(1);
            for outer in &mut self.hops[..record.hop] {
                if outer.down.as_ref().is_some_and(|down| now.duration_since(down.last) > cut) {
                    outer.recover(now);
                }
            }
        }
        self.hops[record.hop].take(now, sign);
    }

    /// A rule's threshold was reached, or a line that it expects did not come.
    pub(super) fn confirm(&mut self, hop: usize, detection: &Detection) {
        let state = &mut self.hops[hop];
        if state.down.is_none() && !state.speaks_of_health {
            state.doubt(detection.last.time, Some(&Trouble::of_detection(detection)), false);
        }
        if let Some(down) = &mut state.down {
            down.confirmed = true;
        }
    }

    pub(super) fn is_ready(&self, hop: usize, now: Timestamp) -> bool {
        self.hops[hop].is_ready(now)
    }

    /// Not ready, and more than a single line says so.
    pub(super) fn is_certainly_down(&self, hop: usize, now: Timestamp) -> bool {
        let state = &self.hops[hop];
        let sure = state.down.as_ref().is_some_and(|down| down.definite || down.confirmed);
        !state.is_ready(now) && (sure || state.speaks_of_health || state.is_gone(now))
    }

    /// Since when it has been ready, or not.
    pub(super) fn since(&self, hop: usize, now: Timestamp) -> Timestamp {
        let state = &self.hops[hop];
        if state.is_ready(now) { state.ready_since_at(now) } else { state.down_since(now) }
    }

    /// Why it is not ready, where lines say so.
    pub(super) fn down(&self, hop: usize) -> Option<&Down> {
        self.hops[hop].down.as_ref()
    }

    /// Whether what its server asks for, again and again, is the worst that is known of it.
    pub(super) fn is_unheard(&self, hop: usize) -> bool {
        let trouble = self.hops[hop].down.as_ref().and_then(|down| down.trouble.as_ref());
        trouble.is_some_and(|trouble| trouble.rule == NOT_HEARD)
    }

    /// Whether it has no client at the moment, as its next start will show.
    pub(super) fn is_gone(&self, hop: usize, now: Timestamp) -> bool {
        self.hops[hop].is_gone(now)
    }

    /// The next time at which a hop's readiness changes without a line.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let changes = self.hops.iter().flat_map(|hop| {
            let ends = hop.down.as_ref().filter(|_| !hop.speaks_of_health).and_then(|down| hop.doubt_ends(down));
            let gone = hop.gone.iter().flat_map(|gone| [gone.from, gone.to]);
            ends.into_iter().chain(gone).chain(hop.health.map(|(at, _)| at + HEALTH_LASTS))
        });
        changes.filter(|time| *time > now).min()
    }

    /// How long `path` evidence about a hop waits for an outer hop's complaint, from its first line.
    pub(super) fn hold(&self, hop: usize) -> SignedDuration {
        let is_quiet = |hop: &State| hop.implementation == Implementation::BoringTun && !hop.is_talkative;
        let is_quick = |hop: &State| hop.implementation != Implementation::OpenVpn;
        let (inner, mut unseen) = (&self.hops[hop], self.hops[..hop].iter().filter(|outer| !outer.speaks_of_health));
        let Some(first) = unseen.next() else { return SignedDuration::ZERO };
        if is_quiet(inner) {
            HOLD_OF_A_QUIET_CLIENT
        } else if is_quick(inner) && (is_quiet(first) || unseen.any(is_quiet)) {
            HOLD_FOR_A_QUIET_CLIENT
        } else {
            HOLD
        }
    }

    /// The outermost hop outside of `hop` of which nothing can be known: its silence is no health.
    pub(super) fn unknown_outside(&self, hop: usize) -> Option<usize> {
        self.hops[..hop].iter().position(|outer| {
            let tells = match outer.implementation {
                Implementation::OpenVpn | Implementation::BoringTun => outer.has_log,
                // At their default level they never say that nobody answers.
                Implementation::WireGuardGo | Implementation::Kernel => outer.is_talkative,
            };
            !tells && !outer.speaks_of_health
        })
    }

    /// Whether a hop has complained after `time`, as far as lines tell.
    pub(super) fn complains_after(&self, hop: usize, time: Timestamp) -> bool {
        let state = &self.hops[hop];
        state.speaks_of_health || state.down.as_ref().is_some_and(|down| down.last > time)
    }

    /// Whether health lines tell of the hop.
    pub(super) fn speaks_of_health(&self, hop: usize) -> bool {
        self.hops[hop].speaks_of_health
    }
}

fn not_heard() -> Trouble {
    Trouble {
        rule: NOT_HEARD.into(),
        title: "The server asks for handshakes again and again: what this hop sends does not arrive".into(),
        verdict: Verdict::Restart,
        evidence: Evidence::Path,
    }
}

impl State {
    fn take(&mut self, now: Timestamp, sign: &Sign) {
        if let Some(ready) = sign.health {
            if self.health.is_none_or(|(at, was)| was != ready || now.duration_since(at) > HEALTH_LASTS) && ready {
                self.ready_since = now;
            }
            if !ready && self.health.is_none_or(|(_, was)| was) {
                self.down = None;
                self.doubt(now, None, true);
            }
            self.health = Some((now, ready));
            if ready {
                self.down = None;
            }
        }
        if sign.up {
            self.asked = None;
            self.recover(now);
        }
        if sign.asked {
            let again = self.asked.filter(|(at, _)| now.duration_since(*at) <= ASKS_AGAIN);
            let times = again.map_or(1, |(_, times)| times + 1);
            self.asked = Some((now, times));
            if times >= ASKS {
                self.doubt(now, Some(&not_heard()), false);
                self.down.as_mut().expect("should be there: doubted above").confirmed = true;
            }
        }
        if sign.broken_off || sign.trouble.is_some() {
            // Where no success marker is ever shown, the lines of a connection that begins are no proof that it fails.
            self.doubt(now, sign.trouble.as_ref(), sign.broken_off && self.shows_recovery);
        }
    }

    fn recover(&mut self, now: Timestamp) {
        if self.down.take().is_some() || self.ready_since == Timestamp::MIN {
            self.ready_since = now;
        }
    }

    fn doubt(&mut self, now: Timestamp, trouble: Option<&Trouble>, definite: bool) {
        // A doubt that time has removed is forgotten.
        self.down.take_if(|down| !down.definite && now.duration_since(down.last) > LINGER);
        let fresh = Down {
            since: now,
            last: now,
            definite: false,
            confirmed: false,
            rhythm: (SignedDuration::ZERO, 0),
            trouble: None,
        };
        let down = self.down.get_or_insert(fresh);
        down.definite |= definite;
        if let Some(trouble) = trouble {
            let gap = now.duration_since(down.last);
            down.rhythm = (down.rhythm.0.max(gap), down.rhythm.1 + 1);
            let weight = |trouble: &Trouble| (trouble.evidence, std::cmp::Reverse(trouble.verdict));
            if down.trouble.as_ref().is_none_or(|known| weight(trouble) <= weight(known)) {
                down.trouble = Some(trouble.clone());
            }
        }
        down.last = now;
    }

    /// When a doubt ends by itself; never for a connection that was broken off.
    fn doubt_ends(&self, down: &Down) -> Option<Timestamp> {
        let shows = self.implementation == Implementation::OpenVpn && self.shows_recovery;
        if down.definite || (down.confirmed && shows) {
            return None;
        }
        let lasts = match down.rhythm {
            (gap, lines) if lines >= 3 && gap < DOUBT / 4 => DOUBT / 2,
            _ if down.confirmed => LINGER,
            _ => DOUBT,
        };
        down.last.checked_add(lasts).ok()
    }

    fn is_gone(&self, now: Timestamp) -> bool {
        self.gone.iter().any(|gone| gone.from <= now && now < gone.to)
    }

    fn is_ready(&self, now: Timestamp) -> bool {
        if let Some((at, ready)) = self.health
            && now.duration_since(at) <= HEALTH_LASTS
        {
            return ready;
        }
        !self.is_gone(now) && self.down.as_ref().is_none_or(|down| self.doubt_ends(down).is_some_and(|end| now >= end))
    }

    fn ready_since_at(&self, now: Timestamp) -> Timestamp {
        let ended = self.down.as_ref().and_then(|down| self.doubt_ends(down)).filter(|end| *end <= now);
        let back = self.gone.iter().map(|gone| gone.to).filter(|to| *to <= now).max();
        self.ready_since.max(ended.unwrap_or(Timestamp::MIN)).max(back.unwrap_or(Timestamp::MIN))
    }

    fn down_since(&self, now: Timestamp) -> Timestamp {
        let gone = self.gone.iter().find(|gone| gone.from <= now && now < gone.to).map(|gone| gone.from);
        gone.or(self.down.as_ref().map(|down| down.since)).unwrap_or(now)
    }
}
