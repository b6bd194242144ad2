//! Whose fault it is: the outermost suspect is, the hops inside it are its symptoms.
//!
//! A pod's readiness follows its tunnel, so the view says which hops carry traffic without waiting for their logs.

use jiff::{SignedDuration, Timestamp};

use super::view::{ChainView, Phase};

/// Inner hops recover by themselves 2–9 s after an outer one (measured with OpenVPN and WireGuard); twice that.
pub const INNER_RECOVERY: SignedDuration = SignedDuration::from_secs(20);

/// What the outer hops say about a hop's `path` evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outer<'a> {
    /// Every outer hop carries traffic: the fault is the hop's own.
    ProvenUp,
    /// The outermost hop that does not, or is being repaired.
    Suspect(&'a str),
    /// They all do, but one of them has only just come back: this hop may still follow by itself until then.
    JustRecovered(&'a str, Timestamp),
}

/// Judges the hops outside of `hop` (its index in the chain).
#[must_use]
pub fn outer_hops(view: &ChainView, hop: usize) -> Outer<'_> {
    let outer = &view.hops[..hop];
    let under_repair = |name: &str| {
        view.incidents.iter().any(|i| i.hop == name && matches!(i.phase, Phase::Acting | Phase::Verifying))
    };
    if let Some(suspect) = outer.iter().find(|h| !h.is_ready() || under_repair(&h.name)) {
        return Outer::Suspect(&suspect.name);
    }
    let latest = outer.iter().filter_map(|h| Some((h.pod.as_ref()?.ready_since, h.name.as_str()))).max();
    match latest {
        Some((since, name)) if view.now < since + INNER_RECOVERY => Outer::JustRecovered(name, since + INNER_RECOVERY),
        _ => Outer::ProvenUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{at, incident, view};

    #[test]
    fn the_outermost_hop_that_is_not_ready_is_the_cause() {
        let mut view = view(["entry", "middle", "exit"]);
        view.hops[0].pod.as_mut().unwrap().ready = false;
        view.hops[1].pod.as_mut().unwrap().ready = false;
        assert_eq!(outer_hops(&view, 2), Outer::Suspect("entry"));
        assert_eq!(outer_hops(&view, 0), Outer::ProvenUp);
    }

    #[test]
    fn a_hop_under_repair_is_a_suspect_even_while_it_says_ready() {
        let mut view = view(["entry", "middle"]);
        view.incidents.push(crate::domain::view::IncidentView { phase: Phase::Acting, ..incident("x", "entry") });
        assert_eq!(outer_hops(&view, 1), Outer::Suspect("entry"));
    }

    #[test]
    fn a_hop_without_a_pod_is_a_suspect() {
        let mut view = view(["entry", "middle"]);
        view.hops[0].pod = None;
        assert_eq!(outer_hops(&view, 1), Outer::Suspect("entry"));
    }

    #[test]
    fn inner_hops_get_time_to_follow_an_outer_one_that_came_back() {
        let mut view = view(["entry", "middle"]);
        view.hops[0].pod.as_mut().unwrap().ready_since = view.now - SignedDuration::from_secs(3);
        assert_eq!(outer_hops(&view, 1), Outer::JustRecovered("entry", view.now + SignedDuration::from_secs(17)));
        view.now = at(100_000);
        assert_eq!(outer_hops(&view, 1), Outer::ProvenUp);
    }
}
