//! Forgets old closed incidents: the newest are kept, and all that a budget still counts.

use jiff::Timestamp;
use kube::api::{DeleteParams, Preconditions};
use kube::{Api, ResourceExt};

use super::observe::Observed;
use super::validate::ValidChain;
use super::{Context, Error};
use crate::crd::HopIncident;

/// Deletes closed incidents beyond the number that is kept.
///
/// # Errors
/// When Kubernetes refuses.
pub async fn forget_old(chain: &ValidChain<'_>, observed: &Observed, ctx: &Context) -> Result<(), Error> {
    let still_counts = ctx.now() - chain.policy.budget_per;
    let mut closed: Vec<(Timestamp, &HopIncident)> =
        observed.incidents.iter().filter_map(|i| Some((i.status.as_ref()?.closed_at.as_ref()?.0, i))).collect();
    closed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    let api = Api::<HopIncident>::namespaced(ctx.client.clone(), &chain.namespace);
    for (at, incident) in closed.into_iter().skip(ctx.settings.keep_incidents) {
        if at < still_counts {
            let exactly = Preconditions { uid: incident.uid(), resource_version: incident.resource_version() };
            let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
            match api.delete(&incident.name_any(), &params).await {
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                other => drop(other?),
            }
        }
    }
    Ok(())
}
