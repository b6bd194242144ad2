//! A rotation that a person orders: leave this candidate. Obeyed also where a repair would have to wait (`limits`).
//!
//! An order names the candidate to leave, not a moment: a hop that runs another one has obeyed it already, so an order that
//! is given twice, or met again after a crash, rotates once.

use super::view::{ChainView, Phase};

/// What to do about an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Rotate now.
    Rotate,
    /// Not yet, for a reason that passes by itself.
    Wait(OrderWait),
    /// The hop does not run that candidate (any more).
    Obeyed,
    /// The chain has no such hop.
    NoSuchHop,
}

/// Why an order waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderWait {
    /// A step of a repair is recorded and not over: what it wants would go over the order, or the order over it.
    RepairInProgress,
    /// The hop has no parameters yet, or they cannot be read.
    NoParameters,
}

/// Decides about the order that `hop` leaves the candidate `leave` (`name@version`).
#[must_use]
pub fn judge(view: &ChainView, hop: &str, leave: &str) -> Order {
    let Some(seen) = view.hops.iter().find(|h| h.name == hop) else { return Order::NoSuchHop };
    let Some(desired) = &seen.desired else { return Order::Wait(OrderWait::NoParameters) };
    let repairs = |phase| matches!(phase, Phase::Acting | Phase::Verifying);
    if desired.candidate.to_string() != leave {
        Order::Obeyed
    } else if view.incidents.iter().any(|i| i.hop == hop && repairs(i.phase)) {
        Order::Wait(OrderWait::RepairInProgress)
    } else {
        Order::Rotate
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{incident, view};
    use crate::domain::view::IncidentView;

    #[test]
    fn a_hop_that_runs_the_candidate_rotates_and_one_that_left_it_has_obeyed() {
        let mut chain = view(["entry", "middle"]);
        assert_eq!(judge(&chain, "entry", "a@1"), Order::Rotate);
        assert_eq!(judge(&chain, "entry", "b@1"), Order::Obeyed);
        assert_eq!(judge(&chain, "entry", "a@2"), Order::Obeyed, "another version is another candidate");
        assert_eq!(judge(&chain, "exit", "a@1"), Order::NoSuchHop);
        chain.hops[0].desired = None;
        assert_eq!(judge(&chain, "entry", "a@1"), Order::Wait(OrderWait::NoParameters));
    }

    #[test]
    fn an_order_waits_for_the_step_under_way_of_its_own_hop_only() {
        for phase in [Phase::Acting, Phase::Verifying] {
            let mut chain = view(["entry", "middle"]);
            chain.incidents.push(IncidentView { phase, ..incident("x", "entry") });
            assert_eq!(judge(&chain, "entry", "a@1"), Order::Wait(OrderWait::RepairInProgress));
            assert_eq!(judge(&chain, "middle", "a@1"), Order::Rotate);
        }
        let mut chain = view(["entry"]);
        chain.incidents.push(incident("x", "entry"));
        assert_eq!(judge(&chain, "entry", "a@1"), Order::Rotate, "an incident that only waits is no reason to wait");
    }
}
