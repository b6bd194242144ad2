//! The same chain heals whichever way its lines come: those of Kafka are read by every other scenario.
//!
//! `HOPKEEPER_E2E_SOURCE=elasticsearch` (or `pod-logs`) has all scenarios read from there.

use hopkeeper::crd::incident::StepAction;

use super::World;
use super::rotation::heals;
use crate::lab_lock;
use crate::operator::LogSource;

#[tokio::test]
async fn hops_heal_by_lines_from_the_pods_logs_and_from_elasticsearch() {
    let mut world = World::up("sources", |_| ()).await;
    world.restart_operator_on(LogSource::PodLogs).await;
    heals(&world, "entry", &["revoke-password", "entry", "a"], StepAction::RotateInPlace).await;

    // Nobody stops Elasticsearch meanwhile.
    let lock = || lab_lock::lock(lab_lock::ELASTICSEARCH, false);
    let _turn = tokio::task::spawn_blocking(lock).await.expect("should not panic");
    world.restart_operator_on(LogSource::Elasticsearch).await;
    heals(&world, "exit", &["revoke-cert", "exit", "a"], StepAction::RotateInPlace).await;
}
