//! Whom the log stream has fallen silent about, as chains' statuses tell it.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::incident_status::set_condition;
use crate::crd::VpnChainStatus;
use crate::crd::chain::{HopState, HopStatus};
use crate::domain::silence::Silence;
use crate::internal_event::silence::LogsHeardChanged;

/// The condition's type.
const LOGS_HEARD: &str = "LogsHeard";

/// What is known of the log stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogsState {
    /// Who is not heard; none until it has been listened for long enough to know.
    pub silence: Option<Silence>,
    /// So long nothing came of those.
    pub after: Duration,
    /// What a person should look at then.
    pub remedy: &'static str,
    /// Whether the logs of silent hops are read through the Kubernetes API meanwhile.
    pub falls_back: bool,
}

impl LogsState {
    /// Whether nothing is heard of a hop's pod. Who leads anew does not know yet, and leaves it at what was told `before`.
    pub(super) fn is_silent(&self, pod: &Pod, before: Option<&HopStatus>) -> bool {
        match &self.silence {
            Some(silence) => pod.uid().is_some_and(|uid| silence.pods.contains(&uid)),
            None => {
                before.is_some_and(|hop| hop.state == HopState::Unknown && hop.pod.as_deref() == Some(&*pod.name_any()))
            }
        }
    }

    /// Sets the condition `LogsHeard` of a chain of whose `silent` hops nothing comes.
    pub(super) fn set(&self, status: &mut VpnChainStatus, silent: &[&str], now: Timestamp) {
        let Some(silence) = &self.silence else { return };
        let names: Vec<String> = silent.iter().map(|hop| format!("{hop:?}")).collect();
        let (after, remedy) = (self.after.as_secs(), self.remedy);
        let meanwhile =
            if self.falls_back { "; until then their logs are read through the Kubernetes API" } else { "" };
        let (value, reason, message) = match (names.as_slice(), silence.all) {
            ([], _) => (true, "Heard", "lines come of every hop that runs".to_owned()),
            (_, true) => (
                false,
                "PipelineDown",
                format!(
                    "nothing has come of any hop of any chain for {after} s: the log pipeline is down: {remedy}{meanwhile}"
                ),
            ),
            (names, false) => (
                false,
                "HopsSilent",
                format!(
                    "nothing has come of {} for {after} s, while others are heard: {remedy}{meanwhile}",
                    names.join(", ")
                ),
            ),
        };
        let generation = status.observed_generation;
        set_condition(&mut status.conditions, LOGS_HEARD, value, reason, &message, generation, now);
    }
}

/// What a chain's new status says of its logs that the one before did not; nothing where all was well and is.
pub(super) fn news<'a>(before: &VpnChainStatus, now: &'a VpnChainStatus) -> Option<LogsHeardChanged<'a>> {
    let said = |condition: &Condition| (condition.status.clone(), condition.message.clone());
    let (before, now) = (told(before).map(said), told(now)?);
    let is_heard = now.status == "True";
    let is_news = before.map_or(!is_heard, |before| before != said(now));
    is_news.then_some(LogsHeardChanged { is_heard, message: &now.message })
}

fn told(status: &VpnChainStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == LOGS_HEARD)
}

/// Takes away what an operator said that still listened for silence.
pub(super) fn forget(conditions: &mut Vec<Condition>) {
    conditions.retain(|condition| condition.type_ != LOGS_HEARD);
}
