//! What is measured of a chain's hops besides their states: pure, from what was observed.

use jiff::Timestamp;

use super::desired::Supply;
use super::observe::Observed;
use super::validate::ValidChain;
use crate::crd::HopIncident;
use crate::crd::incident::IncidentPhase;
use crate::domain::candidate::client_certificate_expires;
use crate::domain::limits::budget_left;
use crate::domain::plan::CONFIG_FILE;
use crate::domain::view::ChainView;

/// One hop's numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HopMeasure {
    /// Its name.
    pub hop: String,
    /// Its open incidents, by phase.
    pub open: [(IncidentPhase, usize); 4],
    /// Those that are held as symptoms of an outer hop's fault.
    pub symptoms: usize,
    /// Repairs that its budget allows now.
    pub budget_left: usize,
    /// Candidates in its pool, once it was asked.
    pub pool: Option<usize>,
    /// Until when the client certificate in use is valid, where there is one that can be read.
    pub certificate_expires: Option<Timestamp>,
}

/// The numbers of every hop of the chain, entry first.
#[must_use]
pub fn measures(chain: &ValidChain<'_>, observed: &Observed, supply: &Supply, view: &ChainView) -> Vec<HopMeasure> {
    let of_hop = |hop: &str| {
        let incidents = || observed.incidents.iter().filter(|i| i.spec.hop == hop);
        let in_phase = |phase| (phase, incidents().filter(|i| phase_of(i) == phase).count());
        let is_symptom = |i: &&HopIncident| {
            phase_of(i) == IncidentPhase::Held && i.status.as_ref().is_some_and(|s| s.cause.is_some())
        };
        HopMeasure {
            hop: hop.to_owned(),
            open: [IncidentPhase::Detected, IncidentPhase::Held, IncidentPhase::Acting, IncidentPhase::Verifying]
                .map(in_phase),
            symptoms: incidents().filter(is_symptom).count(),
            budget_left: budget_left(view, hop),
            pool: supply.listings.get(hop).map(|listing| listing.names.len()),
            certificate_expires: certificate_expires(observed, hop),
        }
    };
    chain.hops().iter().map(|hop| of_hop(&hop.name)).collect()
}

fn phase_of(incident: &HopIncident) -> IncidentPhase {
    incident.status.as_ref().map(|s| s.phase).unwrap_or_default()
}

fn certificate_expires(observed: &Observed, hop: &str) -> Option<Timestamp> {
    let config = observed.secrets.get(hop)?.object.data.as_ref()?.get(CONFIG_FILE)?;
    client_certificate_expires(std::str::from_utf8(&config.0).ok()?)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use k8s_openapi::ByteString;

    use super::*;
    use crate::controller::candidates::listing::Listing;
    use crate::controller::testing::{closed, held_by, in_phase, incident, noon, with_berlin, working};
    use crate::controller::view::chain_view;

    fn entry(spoil: impl FnOnce(&mut Observed, &mut Supply)) -> HopMeasure {
        with_berlin(|chain| {
            let (mut observed, mut supply) = (working(chain), Supply::default());
            spoil(&mut observed, &mut supply);
            measures(chain, &observed, &supply, &chain_view(chain, &observed, noon())).swap_remove(0)
        })
    }

    #[test]
    fn a_working_hop_has_its_whole_budget_and_no_incident() {
        let measured = entry(|_, _| ());
        assert_eq!((measured.hop.as_str(), measured.symptoms, measured.budget_left), ("entry", 0, 6));
        assert!(measured.open.iter().all(|(_, count)| *count == 0));
        assert_eq!((measured.pool, measured.certificate_expires), (None, None));
    }

    #[test]
    fn open_incidents_are_counted_by_phase_and_symptoms_apart() {
        let measured = entry(|observed, _| {
            let new = |name: &str| incident(name, "entry", noon());
            observed.incidents.extend([
                new("new"),
                held_by(Some("outer"), new("symptom")),
                held_by(None, new("cooldown")),
                in_phase(IncidentPhase::Verifying, new("repair")),
                closed(IncidentPhase::Recovered, noon(), new("closed")),
                in_phase(IncidentPhase::Acting, incident("other", "exit", noon())),
            ]);
        });
        assert_eq!(measured.open.map(|(_, count)| count), [1, 2, 0, 1]);
        assert_eq!(measured.symptoms, 1);
    }

    #[test]
    fn the_pool_and_the_end_of_the_certificate_in_use_are_told_where_they_are_known() {
        let measured = entry(|observed, supply| {
            let names = ["a", "b", "c"].map(str::to_owned).to_vec();
            supply.listings.insert("entry".into(), Listing { names, version: None, ..Listing::default() });
            let pem = include_str!("../domain/candidate/testdata/client.crt");
            let config = format!("client\n<ca>\nx\n</ca>\n<cert>\n{pem}</cert>\nremote 198.51.100.11\n");
            let secret = observed.secrets.get_mut("entry").unwrap();
            secret.object.data.as_mut().unwrap().insert(CONFIG_FILE.into(), ByteString(config.into_bytes()));
        });
        assert_eq!(measured.pool, Some(3));
        assert_eq!(measured.certificate_expires.map(|at| at.to_string()).as_deref(), Some("2059-10-07T21:20:50Z"));
    }

    #[test]
    fn the_budget_is_what_the_steps_within_its_time_have_left() {
        let measured = entry(|observed, _| {
            let mut repaired = closed(IncidentPhase::Recovered, noon(), incident("x", "entry", noon()));
            let step = |minutes: i64| {
                serde_json::from_value(serde_json::json!({
                    "action": "RotateInPlace", "candidate": {"name": "b", "version": "1"}, "revision": 1, "recreate": 0,
                    "startedAt": format!("{:.6}", noon() - SignedDuration::from_mins(minutes)),
                }))
                .unwrap()
            };
            repaired.status.as_mut().unwrap().steps = vec![step(90), step(30), step(10)];
            observed.incidents.push(repaired);
        });
        assert_eq!(measured.budget_left, 4);
    }
}
