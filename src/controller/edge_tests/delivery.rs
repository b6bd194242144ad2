//! A step that seems to have brought nothing, while its kubelet may be late.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};

use super::*;
use crate::crd::incident::StepAction;

/// A scene whose hop is down and was given other parameters 70 s ago, which is more than `verifyWithin`.
async fn overdue() -> Scene {
    let scene = Scene::two_candidates().await;
    scene.pass().await.unwrap();
    assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Verifying, 1)));
    let now = Timestamp::now();
    scene.server.put(POD, &pod("entry", false, now - SignedDuration::from_secs(80)));
    let written = now - SignedDuration::from_secs(70);
    let mut incident = scene.incident();
    incident.status.as_mut().unwrap().steps[0].applied_at = Some(MicroTime(written));
    scene.server.put(INCIDENT, &incident);
    scene
}

/// What the pod said in a health line.
#[derive(Clone, Copy)]
enum Line {
    /// That it has older files.
    Before,
    /// That it has the ones that were written.
    Mounted,
    /// That it carries traffic with these.
    Up,
}
use Line::{Before, Mounted, Up};

/// The pod has written health lines, each so many seconds ago.
fn put_log(scene: &Scene, lines: &[(i64, Line)]) {
    let (before, written) = (json!("a@1#0"), scene.plan()["id"].clone());
    let line = |(age, line): &(i64, Line)| {
        let (mounted, applied, state) = match line {
            Before => (&before, &before, "down"),
            Mounted => (&written, &before, "down"),
            Up => (&written, &written, "up"),
        };
        let line = json!({"hopkeeper": "health", "state": state, "mounted": mounted, "applied": applied});
        format!("{} {line}\n", Timestamp::now() - SignedDuration::from_secs(*age))
    };
    scene.server.put_log(POD, &lines.iter().map(line).collect::<String>());
}

#[tokio::test]
async fn a_step_is_not_given_up_before_the_pod_had_its_files_for_as_long_as_it_may_take() {
    let scene = overdue().await;
    let word = || scene.incident().status.and_then(|status| Some((status.reason?, status.message?))).unwrap();
    put_log(&scene, &[(70, Before), (1, Before)]);
    assert_eq!(scene.pass().await.unwrap(), Action::requeue(NUDGE_AGAIN), "it asks again");
    assert_eq!((scene.used(), scene.recovery()), (("b".into(), 1), (IncidentPhase::Verifying, 1)));
    let (reason, message) = word();
    assert_eq!(reason, "KubeletLate");
    assert!(message.contains("not yet carried into the pod"), "{message}");
    put_log(&scene, &[(70, Mounted), (1, Up)]);
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery(), (IncidentPhase::Verifying, 1));
    assert!(word().1.contains("says that it carries traffic"), "{}", word().1);
    put_log(&scene, &[(20, Before), (10, Mounted), (5, Mounted)]);
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery(), (IncidentPhase::Verifying, 1));
    put_log(&scene, &[(69, Mounted), (1, Mounted)]);
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery().1, 2, "it was there for a minute and brought nothing");
}

#[tokio::test]
async fn a_new_pod_has_its_time_from_when_the_kubelet_took_it() {
    let scene = overdue().await;
    put_log(&scene, &[(69, Mounted), (1, Mounted)]);
    scene.pass().await.unwrap();
    let mut incident = scene.incident();
    let step = incident.status.as_mut().unwrap().steps.last_mut().unwrap();
    assert_eq!(step.action, StepAction::Recreate);
    step.applied_at = Some(MicroTime(Timestamp::now() - SignedDuration::from_secs(70)));
    let recreate = step.recreate.to_string();
    scene.server.put(INCIDENT, &incident);
    scene.server.forget_log(POD);
    let phase = async || {
        scene.pass().await.unwrap();
        scene.recovery().0
    };
    assert_eq!(phase().await, IncidentPhase::Verifying, "the old pod still stands there");
    let mut pod = pod("entry", false, Timestamp::now());
    pod.annotations_mut().insert(names::RECREATE.into(), recreate);
    scene.server.put(POD, &pod);
    assert_eq!(phase().await, IncidentPhase::Verifying, "no kubelet has taken the new one");
    // There is no third candidate.
    for (age, expected) in [(50, IncidentPhase::Verifying), (65, IncidentPhase::Escalated)] {
        let started = Timestamp::now() - SignedDuration::from_secs(age);
        pod.status.as_mut().unwrap().start_time = Some(Time(started));
        scene.server.put(POD, &pod);
        // Its containers have not begun.
        scene.server.fail(Fault { method: "GET", path: "/pods/berlin-entry-0/log", code: 400, reason: "BadRequest" });
        assert_eq!(phase().await, expected, "{age} s after it did");
    }
}

#[tokio::test]
async fn a_kubelet_that_does_not_answer_is_waited_for_and_a_right_that_is_missing_is_not() {
    let steps_after = async |code: u16, reason: &'static str| {
        let scene = overdue().await;
        scene.server.fail(Fault { method: "GET", path: "/pods/berlin-entry-0/log", code, reason });
        scene.pass().await.unwrap();
        scene.recovery().1
    };
    assert_eq!(steps_after(500, "InternalError").await, 1);
    assert_eq!(steps_after(404, "NotFound").await, 1, "it has begun anew and does not know the pod yet");
    assert_eq!(steps_after(403, "Forbidden").await, 2);
}

#[tokio::test]
async fn a_pod_that_was_made_since_has_its_time_from_its_own_start() {
    let scene = overdue().await;
    let mut pod = pod("entry", false, Timestamp::now());
    let made = |age: i64| Time(Timestamp::now() - SignedDuration::from_secs(age));
    pod.metadata.creation_timestamp = Some(made(30));
    pod.status.as_mut().unwrap().start_time = Some(made(20));
    scene.server.put(POD, &pod);
    scene.server.fail(Fault { method: "GET", path: "/pods/berlin-entry-0/log", code: 400, reason: "BadRequest" });
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery().1, 1, "its containers have not begun");
    scene.server.remove(POD);
    scene.pass().await.unwrap();
    assert_eq!(scene.recovery().1, 1, "there is no pod at all");
}
