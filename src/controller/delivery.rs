//! How far what a hop's Secret says has come: asked of the pod itself, before a step is given up for having brought nothing.
//!
//! The kubelet carries a Secret into a running pod, starts a new one, and tells Kubernetes that it is Ready, all in its own time: after an
//! outage of the API server minutes later. Its pods' logs it hands out at any time, and the health lines there say both.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;

use super::Context;
use super::build::deployment::HEALTH;
use super::observe::{Observed, pod_view};
use super::validate::ValidChain;
use super::view::incident_view;
use crate::domain::decision::is_overdue;
use crate::domain::view::{Delivery, IncidentView, StepView};
use crate::source::raw::split_time;

/// So many health lines reach back as far as a step is waited for.
const LINES: i64 = 100;
/// A kubelet that has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a health line tells of parameters, each by its plan's id.
#[derive(Deserialize)]
struct HealthLine {
    state: String,
    /// Those in the pod's files; missing where the pod is older than that.
    mounted: Option<String>,
    /// Those that the client took.
    applied: String,
}

/// Asks the hops whose step is about to be given up, by hop.
pub async fn of_overdue_steps(
    chain: &ValidChain<'_>,
    observed: &Observed,
    ctx: &Context,
) -> BTreeMap<String, Delivery> {
    let now = ctx.now();
    let overdue = observed.incidents.iter().map(incident_view).filter(|view| is_overdue(view, &chain.policy, now));
    let asked = overdue.filter_map(|IncidentView { hop, mut steps, .. }| {
        let step = steps.pop()?;
        let id = observed.secrets.get(&hop)?.plan.id();
        let (client, pod) = (&ctx.client, observed.pods.get(&hop));
        Some(async move {
            let delivery = of_step(client, &step, pod, &id).await;
            (hop, delivery)
        })
    });
    join_all(asked).await.into_iter().collect()
}

async fn of_step(client: &Client, step: &StepView, pod: Option<&Pod>, plan_id: &str) -> Delivery {
    // A pod that was made since, by the step or for another reason, has the Secret from its start.
    let Some(pod) = pod.filter(|pod| pod_view(pod).recreate >= step.recreate) else { return Delivery::Pending };
    if !step.kind.recreates() && !is_made_since(pod, step) {
        return ask(client, pod, plan_id).await;
    }
    let Some(started) = started(pod) else { return Delivery::Pending };
    match ask(client, pod, plan_id).await {
        Delivery::Unknown => Delivery::Since(started),
        told => told,
    }
}

fn is_made_since(pod: &Pod, step: &StepView) -> bool {
    let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
    created.zip(step.applied_at).is_some_and(|(created, applied)| created > applied)
}

/// When the kubelet took the pod, once it has.
fn started(pod: &Pod) -> Option<Timestamp> {
    Some(pod.status.as_ref()?.start_time.as_ref()?.0)
}

/// What a pod's lines say of the plan of that id.
async fn ask(client: &Client, pod: &Pod, plan_id: &str) -> Delivery {
    let api = Api::<Pod>::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let parameters = LogParams {
        container: Some(HEALTH.to_owned()),
        tail_lines: Some(LINES),
        timestamps: true,
        ..LogParams::default()
    };
    match tokio::time::timeout(PATIENCE, api.logs(&pod.name_any(), &parameters)).await {
        Ok(Ok(log)) => told(&log, plan_id),
        // The container has not begun, or its log may not be read.
        Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 403) => Delivery::Unknown,
        // A kubelet that does not answer, or does not know the pod since it has just begun, carries nothing either.
        Ok(Err(_)) | Err(_) => Delivery::Pending,
    }
}

/// What the lines say, oldest first, each behind its time.
fn told(log: &str, plan_id: &str) -> Delivery {
    let lines = log.lines().filter_map(split_time).filter_map(|(time, text)| {
        let line: HealthLine = serde_json::from_str(text).ok()?;
        Some((time, line))
    });
    let (delivery, _) = lines.fold((Delivery::Unknown, None), |(_, since), (time, line)| {
        let Some(mounted) = line.mounted else { return (Delivery::Unknown, since) };
        if mounted != plan_id {
            return (Delivery::Pending, None);
        }
        let since = since.unwrap_or(time);
        let is_working = line.state == "up" && line.applied == plan_id;
        (if is_working { Delivery::Working } else { Delivery::Since(since) }, Some(since))
    });
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of that second with what is mounted, what is in use, and the tunnel's state.
    fn line((second, mounted, applied, state): &(u8, &str, &str, &str)) -> String {
        let line = serde_json::json!({"hopkeeper": "health", "state": state, "mounted": mounted, "applied": applied});
        format!("2026-11-22T12:00:{second:02}.5Z {line}\n")
    }

    fn of(lines: &[(u8, &str, &str, &str)]) -> Delivery {
        told(&lines.iter().map(line).collect::<String>(), "b@1#1")
    }

    fn since(second: u8) -> Delivery {
        Delivery::Since(format!("2026-11-22T12:00:{second:02}.5Z").parse().unwrap())
    }

    #[test]
    fn it_is_there_since_the_first_line_in_a_row_that_says_so() {
        let (before, mounted) = ((1, "a@1#0", "a@1#0", "down"), (2, "b@1#1", "a@1#0", "down"));
        assert_eq!(of(&[before, mounted, (7, "b@1#1", "b@1#1", "connecting")]), since(2));
        assert_eq!(of(&[mounted, (3, "a@1#2", "a@1#0", "down"), (7, "b@1#1", "a@1#0", "down")]), since(7));
        assert_eq!(of(&[before, (6, "a@1#0", "a@1#0", "up")]), Delivery::Pending);
        assert_eq!(of(&[(1, "", "", "down")]), Delivery::Pending, "nothing is mounted");
    }

    #[test]
    fn it_works_while_the_last_line_says_so_of_these_parameters() {
        let up = (2, "b@1#1", "b@1#1", "up");
        assert_eq!(of(&[(1, "b@1#1", "a@1#0", "up")]), since(1), "with others");
        assert_eq!(of(&[(1, "b@1#1", "a@1#0", "down"), up]), Delivery::Working);
        assert_eq!(of(&[up, (9, "b@1#1", "b@1#1", "stalled")]), since(2));
    }

    #[test]
    fn lines_that_do_not_tell_say_nothing() {
        let older = "2026-11-22T12:00:01.5Z {\"hopkeeper\":\"health\",\"state\":\"up\",\"applied\":\"b@1#1\"}\n";
        for log in ["", "unable to retrieve container logs", older] {
            assert_eq!(told(log, "b@1#1"), Delivery::Unknown, "{log}");
        }
    }
}
