//! Lines around a change of parameters: which ones count, in whatever order they and the sidecar's word come, and whoever
//! reads them.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::domain::incident::incident_name;
use crate::domain::types::CandidateRef;

/// The parameters before.
const OLD: &str = "a@1#0";
/// Those that were written at second 0.
const NEW: &str = "b@1#1";

/// Parameters of the hop since that time.
fn runs(plan: &str, millisecond: i64) -> HopIdentity {
    let candidate = CandidateRef { name: plan[..1].into(), version: "1".into() };
    HopIdentity { candidate, plan_id: plan.into(), applied_at: after(millisecond), ..pod("p1") }
}

fn after(millisecond: i64) -> Timestamp {
    at(0) + SignedDuration::from_millis(millisecond)
}

/// Compiled once: that takes most of a test's time.
static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| Arc::new(RuleSet::shipped()));

/// What is in the log of one container.
#[derive(Clone, Debug)]
struct Written {
    millisecond: i64,
    container: &'static str,
    text: String,
}

fn client(millisecond: i64) -> Written {
    Written { millisecond, container: "vpn", text: EXPIRED.into() }
}

/// The client runs with `applied`, since that time where the sidecar says so. In a state that no rule knows.
fn health(millisecond: i64, applied: &str, since: Option<i64>) -> Written {
    let since = since.map_or(String::new(), |since| format!(r#""applied_since":"{}","#, after(since)));
    let text = format!(
        r#"{{"hopkeeper":"health","state":"other","applied":"{applied}",{since}"carrier":1,"rx_age_seconds":1}}"#
    );
    Written { millisecond, container: "health", text }
}

impl World {
    fn quick_worker(&self) -> Worker<'_, FakeSink> {
        self.worker_with(watch::channel(Arc::clone(&RULES)).1)
    }

    fn written(&self, sequence: u64, line: &Written) -> Record {
        let payload = serde_json::json!({
            "@timestamp": after(line.millisecond).to_string(),
            "message": line.text,
            "log": {"offset": line.millisecond + 1_000_000},
            "kubernetes": {"namespace": "prod", "pod": {"name": "p1", "uid": "uid-p1"}, "container": {"name": line.container}},
        });
        let second = line.millisecond.div_euclid(1000) + 1;
        NOW.set(NOW.get().max(second));
        let record = self.record(Payload::Bytes(payload.to_string().into_bytes()), NOW.get());
        Record { position: Position::new(Shard::new("test"), sequence), ..record }
    }

    /// The candidates that incidents are about, and which line's time, each once.
    fn found(&self) -> BTreeSet<(String, String, i64)> {
        let created = self.sink.created.lock().expect("should lock");
        let one = |found: &Detection| {
            let millisecond = found.last.time.duration_since(at(0)).as_millis();
            (incident_name(found), found.hop.candidate.name.clone(), i64::try_from(millisecond).expect("should fit"))
        };
        created.iter().map(one).collect()
    }
}

/// At second 0, with a hop that has these parameters.
fn world_with(parameters: HopIdentity) -> World {
    let world = World::new(&[]);
    world.directory.insert(parameters);
    NOW.set(0);
    world
}

/// Reads these lines; the first is the shard's record `from`.
async fn take(world: &World, worker: &mut Worker<'_, FakeSink>, from: u64, lines: &[Written]) {
    for (sequence, line) in (from..).zip(lines) {
        worker.handle(world.written(sequence, line), &world.stop).await;
    }
}

/// The new parameters' incidents after these lines, the place that is stored, and how many records wait.
async fn read(lines: &[Written]) -> (Vec<i64>, u64, usize) {
    let world = world_with(runs(NEW, 0));
    let mut worker = world.quick_worker();
    take(&world, &mut worker, 0, lines).await;
    worker.settle();
    (world.found().into_iter().map(|(_, _, at)| at).collect(), world.stored(), worker.held.len())
}

#[tokio::test]
async fn what_is_said_once_before_the_sidecar_speaks_waits_for_it_and_counts() {
    let told = client(2_100);
    assert_eq!(read(std::slice::from_ref(&told)).await, (vec![], 0, 1), "its place is not done");
    assert_eq!(read(&[told.clone(), health(2_000, OLD, None)]).await, (vec![], 0, 1), "written a moment earlier");
    let (found, _, held) = read(&[told, health(2_000, OLD, None), health(2_400, NEW, Some(2_050))]).await;
    assert_eq!((found, held), (vec![2_100], 0));
}

#[tokio::test]
async fn what_is_said_of_the_parameters_before_is_stale_also_when_it_comes_after_the_word() {
    let (line, word) = (client(8_000), health(9_000, NEW, Some(8_001)));
    assert_eq!(read(&[line.clone(), word.clone()]).await, (vec![], 2, 0));
    assert_eq!(read(&[word.clone(), line]).await, (vec![], 2, 0));
    assert_eq!(read(&[word, client(8_001)]).await.0, [8_001]);
}

#[tokio::test]
async fn a_sidecar_that_goes_on_to_name_the_others_settles_what_was_said_before() {
    assert_eq!(read(&[client(8_000), health(13_000, OLD, None)]).await, (vec![], 2, 0));
}

#[tokio::test]
async fn a_sidecar_of_before_that_names_no_time_ends_the_wait_too() {
    assert_eq!(read(&[client(2_999), client(3_000), health(3_100, NEW, None)]).await.0, [3_000]);
}

#[tokio::test]
async fn the_clients_lines_keep_their_order_and_the_sidecars_do_not_wait() {
    let world = World::new(&[]);
    // Not even when nothing was known of the pod.
    NOW.set(0);
    let mut worker = world.quick_worker();
    let mut works = client(2_200);
    works.text = "Initialization Sequence Completed".into();
    let mut up = health(2_300, NEW, Some(2_050));
    up.text = up.text.replace("other", "up");
    take(&world, &mut worker, 0, &[client(2_100), works, up]).await;
    assert_eq!(worker.held.len(), 3);
    world.directory.insert(runs(NEW, 0));
    worker.take_up(&world.stop).await;
    // Had either success come first, the failure would be history.
    assert_eq!((world.created().len(), worker.held.len()), (1, 0));
}

#[tokio::test]
async fn a_line_waits_a_minute_at_most_and_then_the_parameters_age_decides() {
    let world = world_with(runs(NEW, 0));
    let mut worker = world.quick_worker();
    take(&world, &mut worker, 0, &[client(19_999), client(20_000)]).await;
    for (second, found, stored) in [(79, 0, 0), (80, 0, 1), (81, 1, 1)] {
        NOW.set(second);
        worker.take_up(&world.stop).await;
        worker.settle();
        assert_eq!((world.found().len(), world.stored()), (found, stored), "at {second} s");
    }
}

#[tokio::test]
async fn news_of_new_parameters_that_come_after_their_failure_find_it_waiting() {
    let world = world_with(runs(OLD, -3_600_000));
    let mut worker = world.quick_worker();
    let lines = [health(-1_000, OLD, Some(-3_000_000)), health(2_400, NEW, Some(2_050)), client(2_500)];
    take(&world, &mut worker, 0, &lines).await;
    assert_eq!((world.found().len(), worker.held.len()), (0, 1));
    world.directory.insert(runs(NEW, 0));
    worker.take_up(&world.stop).await;
    take(&world, &mut worker, 3, &[health(7_400, NEW, Some(2_050))]).await;
    assert_eq!(world.found().into_iter().map(|(_, name, at)| (name, at)).collect::<Vec<_>>(), [("b".into(), 2_500)]);
}

#[tokio::test]
async fn a_client_that_floods_while_it_is_uncertain_loses_its_own_oldest_lines() {
    let world = world_with(runs(NEW, 0));
    let mut worker = world.quick_worker();
    for sequence in 0..9_000 {
        worker.handle(world.written(sequence, &client(2_100)), &world.stop).await;
    }
    assert!(worker.held.len() <= 8_192);
    assert_eq!(world.discarded("held_overflow") as usize, 9_000 - worker.held.len());
}

#[tokio::test]
async fn a_pod_that_goes_takes_what_waits_with_it() {
    let world = world_with(runs(NEW, 0));
    let mut worker = world.quick_worker();
    take(&world, &mut worker, 0, &[client(2_100)]).await;
    world.directory.remove("uid-p1");
    NOW.set(64);
    worker.take_up(&world.stop).await;
    worker.settle();
    assert_eq!((worker.held.len(), world.stored(), world.discarded("unknown_pod")), (0, 1, 1.0));
}

/// A change of parameters: when the client took them, and what the two containers wrote around that time.
#[derive(Clone, Debug)]
struct Change {
    since: i64,
    /// The failures of the client, of each parameters told once at most.
    of_old: Option<i64>,
    of_new: Option<i64>,
    /// How the two logs are merged: whose line comes next.
    merge: Vec<bool>,
    /// After which record the operator dies.
    crash: usize,
    /// Which record comes once more, and before which one.
    again: (usize, usize),
    /// How much the operator's clock is ahead, in milliseconds.
    ahead: i64,
}

fn change() -> impl Strategy<Value = Change> {
    // By the nudge, or when the kubelet looks by itself.
    let since = prop_oneof![300..4_000i64, 4_000..90_000i64];
    let merge = prop::collection::vec(any::<bool>(), 40);
    (since, 1..6_000i64, 0..19_000i64, 0..4u8, merge, 0..40usize, (0..40usize, 0..40usize), -1_500..1_500i64).prop_map(
        |(since, before, later, which, merge, crash, again, ahead)| Change {
            since,
            of_old: (which & 1 == 1).then_some(since - before),
            of_new: (which & 2 == 2).then_some(since + later),
            merge,
            crash,
            again,
            ahead,
        },
    )
}

impl Change {
    /// All that is written, in the order in which it comes: each container's in its own.
    fn records(&self) -> Vec<Written> {
        let word = |millisecond: i64| match millisecond >= self.since {
            true => health(millisecond, NEW, Some(self.since)),
            false => health(millisecond, OLD, Some(-3_000_000)),
        };
        let turns = (-2..24).map(|turn| turn * 5_000 + 700).chain([self.since + 400]);
        let mut of_health: Vec<_> = turns.filter(|at| *at < self.since + 30_000).map(word).collect();
        of_health.sort_by_key(|line| line.millisecond);
        let of_client: Vec<_> = self.of_old.into_iter().chain(self.of_new).map(client).collect();
        let (mut of_health, mut of_client) = (of_health.into_iter().peekable(), of_client.into_iter().peekable());
        let mut merge = self.merge.iter().cycle();
        let mut records = Vec::new();
        while of_health.peek().is_some() || of_client.peek().is_some() {
            let client_first = *merge.next().expect("should go on");
            records.extend(if client_first { of_client.next() } else { of_health.next() });
        }
        let (which, to) = (self.again.0 % records.len(), self.again.1 % records.len());
        let again = records[which].clone();
        records.insert(which.max(to) + 1, again);
        // The word that ends every wait.
        records.push(word(self.since + 30_000));
        records
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// The operator dies at any time after it has written parameters; whatever order the lines come in, a failure of these
    /// parameters that was told once is found, and none of the ones before is taken for it.
    #[test]
    fn a_failure_of_new_parameters_is_found_and_none_of_the_ones_before_in_any_order(change in change()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("should build");
        let found = runtime.block_on(async {
            let world = world_with(runs(NEW, change.ahead));
            let records = change.records();
            let mut first = world.quick_worker();
            for (sequence, line) in (0..).zip(&records).take(change.crash) {
                first.handle(world.written(sequence, line), &world.stop).await;
                first.settle();
            }
            let mut next = world.quick_worker();
            for (sequence, line) in (0..).zip(&records).skip(usize::try_from(world.stored()).expect("should fit")) {
                next.handle(world.written(sequence, line), &world.stop).await;
                next.settle();
            }
            assert_eq!(next.held.len(), 0);
            world.found()
        });
        let found: Vec<_> = found.into_iter().map(|(_, candidate, at)| (candidate, at)).collect();
        let expected: Vec<_> = change.of_new.map(|at| ("b".to_owned(), at)).into_iter().collect();
        prop_assert_eq!(found, expected);
    }
}
