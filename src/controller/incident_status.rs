//! Writes an incident's status: whole, only when it differs, and only over the version that was judged.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::api::PostParams;
use kube::{Api, ResourceExt};

use super::{Context, Error};
use crate::crd::HopIncident;
use crate::crd::incident::HopIncidentStatus;

/// Replaces the status; none when it was so already.
///
/// # Errors
/// When Kubernetes refuses, above all with a conflict when somebody wrote it since.
pub async fn write(
    ctx: &Context,
    incident: &HopIncident,
    mut status: HopIncidentStatus,
) -> Result<Option<HopIncident>, Error> {
    if incident.status.as_ref() == Some(&status) {
        return Ok(None);
    }
    let closed = status.phase.is_closed();
    let reason = status.reason.clone().unwrap_or_else(|| format!("{:?}", status.phase));
    let message = status.message.clone().unwrap_or_default();
    set_condition(&mut status.conditions, "Closed", closed, &reason, &message, incident.metadata.generation, ctx.now());
    let mut updated = incident.clone();
    updated.metadata.managed_fields = None;
    updated.status = Some(status);
    let api = Api::<HopIncident>::namespaced(ctx.client.clone(), &incident.namespace().unwrap_or_default());
    let written = api.replace_status(&incident.name_any(), &PostParams::default(), &updated).await?;
    Ok(Some(written))
}

/// Sets one condition; its transition time moves only when its status does.
pub(super) fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: bool,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: jiff::Timestamp,
) {
    let status = if status { "True" } else { "False" };
    let before = conditions.iter().find(|c| c.type_ == type_ && c.status == status);
    let last_transition_time = before.map_or(Time(now), |c| c.last_transition_time.clone());
    conditions.retain(|c| c.type_ != type_);
    conditions.push(Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: generation,
        last_transition_time,
    });
    conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
}
