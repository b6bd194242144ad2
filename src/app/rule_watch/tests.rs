//! The watch on real directories: every way in which rule files change.

use std::fs;
use std::os::unix::fs::symlink;

use prometheus::Registry;
use tempfile::TempDir;

use super::*;

fn file(ids: &[&str]) -> String {
    let rule = |id: &&str| {
        format!(
            "  - {{ id: {id}, title: t, pattern: ^{id}, evidence: own, verdict: rotate, threshold: {{ count: 2, within: 60s }} }}\n"
        )
    };
    format!("version: 1\nclient: openvpn\nrules:\n{}", ids.iter().map(rule).collect::<String>())
}

/// A directory with a running watch on it.
struct World {
    directory: TempDir,
    registry: Registry,
    rules: watch::Receiver<Arc<RuleSet>>,
    state: watch::Receiver<RulesState>,
    running: tokio::task::JoinSet<()>,
}

impl World {
    /// `poll` is long where events must do.
    fn new(poll: Duration, fill: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fill(directory.path());
        let path = directory.path().join("rules");
        let loaded = Arc::new(rule_files::load(&path, Base::Nothing).unwrap().rules);
        let count = loaded.rules().len();
        let registry = Registry::new();
        let metrics = RuleMetrics::register(&registry, count).unwrap();
        let (rules_sender, rules) = watch::channel(loaded);
        let (state_sender, state) = watch::channel(RulesState { rules: count, problem: None });
        let watch = RuleWatch { poll, ..RuleWatch::new(path, Base::Nothing, rules_sender, state_sender, metrics) };
        let mut running = tokio::task::JoinSet::new();
        running.spawn(watch.run(CancellationToken::new()));
        Self { directory, registry, rules, state, running }
    }

    fn plain(poll: Duration) -> Self {
        Self::new(poll, |path| {
            fs::create_dir(path.join("rules")).unwrap();
            fs::write(path.join("rules/a.yaml"), file(&["a"])).unwrap();
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn ids(&mut self, wanted: &[&str]) {
        let are = |rules: &Arc<RuleSet>| rules.rules().iter().map(|rule| rule.id.as_str()).eq(wanted.iter().copied());
        let seen = timeout(Duration::from_secs(20), self.rules.wait_for(are)).await.is_ok();
        assert!(seen, "{wanted:?} should be in use, not {:?}", self.rules.borrow().rules());
    }

    /// Waits for what is wrong to be told, or for it to be mended.
    async fn problem(&mut self, part: Option<&str>) {
        let is = |state: &RulesState| match (part, &state.problem) {
            (Some(part), Some(problem)) => problem.contains(part),
            (part, problem) => part.is_none() && problem.is_none(),
        };
        let seen = timeout(Duration::from_secs(20), self.state.wait_for(is)).await.is_ok();
        assert!(seen, "{part:?} should be told, not {:?}", self.state.borrow());
    }

    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let metric = &families.iter().find(|family| family.name() == name).unwrap().get_metric()[0];
        metric.get_counter().get_value() + metric.get_gauge().get_value()
    }
}

const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn a_plain_edit_and_an_atomic_rename_are_taken_up() {
    let mut world = World::plain(NEVER);
    fs::write(world.path("rules/a.yaml"), file(&["a", "b"])).unwrap();
    world.ids(&["a", "b"]).await;
    fs::write(world.path("new"), file(&["c"])).unwrap();
    fs::rename(world.path("new"), world.path("rules/a.yaml")).unwrap();
    world.ids(&["c"]).await;
    assert_eq!(world.metric("hopkeeper_rules_loaded"), 1.0);
    assert_eq!(world.metric("hopkeeper_rules_last_reload_success"), 1.0);
    world.running.shutdown().await;
}

#[tokio::test]
async fn an_edit_that_keeps_the_number_of_rules_is_told_too() {
    let mut world = World::plain(NEVER);
    // Whether this one is an edit or what the watch begins with is a matter of luck.
    fs::write(world.path("rules/a.yaml"), file(&["b"])).unwrap();
    world.ids(&["b"]).await;
    world.state.mark_unchanged();
    fs::write(world.path("rules/a.yaml"), file(&["c"])).unwrap();
    world.ids(&["c"]).await;
    let told = timeout(Duration::from_secs(20), world.state.changed()).await;
    assert!(told.is_ok_and(|changed| changed.is_ok()));
    world.running.shutdown().await;
}

#[tokio::test]
async fn a_config_map_swaps_its_directory_under_the_files() {
    let mut world = World::new(NEVER, |path| {
        fs::create_dir_all(path.join("rules/..2026_1")).unwrap();
        fs::write(path.join("rules/..2026_1/a.yaml"), file(&["a"])).unwrap();
        symlink("..2026_1", path.join("rules/..data")).unwrap();
        symlink("..data/a.yaml", path.join("rules/a.yaml")).unwrap();
    });
    for generation in 2..5 {
        // As the kubelet does: a directory beside, a link to it, renamed over the old link, the old directory removed.
        let (old, new) = (format!("rules/..2026_{}", generation - 1), format!("rules/..2026_{generation}"));
        let id = format!("g{generation}");
        fs::create_dir(world.path(&new)).unwrap();
        fs::write(world.path(&new).join("a.yaml"), file(&[&id])).unwrap();
        symlink(format!("..2026_{generation}"), world.path("rules/..data_tmp")).unwrap();
        fs::rename(world.path("rules/..data_tmp"), world.path("rules/..data")).unwrap();
        fs::remove_dir_all(world.path(&old)).unwrap();
        world.ids(&[&id]).await;
    }
    world.problem(None).await;
}

#[tokio::test]
async fn a_broken_file_keeps_the_last_good_set_and_says_where_it_is_broken_until_it_is_repaired() {
    let mut world = World::plain(NEVER);
    fs::write(world.path("rules/a.yaml"), file(&["a"]).replace("^a", "'(a'")).unwrap();
    world.problem(Some("rules/a.yaml:4:")).await;
    world.problem(Some("unclosed group")).await;
    world.ids(&["a"]).await;
    assert_eq!(world.state.borrow().rules, 1);
    assert_eq!(world.metric("hopkeeper_rules_last_reload_success"), 0.0);
    assert!(world.metric("hopkeeper_rules_reload_errors_total") >= 1.0);

    fs::write(world.path("rules/a.yaml"), file(&["b", "c"])).unwrap();
    world.ids(&["b", "c"]).await;
    world.problem(None).await;
    assert_eq!(world.metric("hopkeeper_rules_last_reload_success"), 1.0);
    assert_eq!(world.metric("hopkeeper_rules_loaded"), 2.0);
}

#[tokio::test]
async fn a_file_that_is_removed_takes_its_rules_along_but_the_last_one_does_not() {
    let mut world = World::plain(NEVER);
    fs::write(world.path("rules/b.yaml"), file(&["b"])).unwrap();
    world.ids(&["a", "b"]).await;
    fs::remove_file(world.path("rules/b.yaml")).unwrap();
    world.ids(&["a"]).await;
    fs::remove_file(world.path("rules/a.yaml")).unwrap();
    world.problem(Some("has no rule file")).await;
    world.ids(&["a"]).await;
}

#[tokio::test]
async fn a_burst_of_edits_ends_with_the_last_one() {
    let mut world = World::plain(NEVER);
    for n in 0..500 {
        fs::write(world.path("rules/a.yaml"), file(&[&format!("n{n}")])).unwrap();
        if n % 50 == 0 {
            sleep(Duration::from_millis(20)).await;
        }
    }
    world.ids(&["n499"]).await;
    world.problem(None).await;
    // Far fewer loads than edits.
    let loads = world.metric("hopkeeper_rules_reloads_total") + world.metric("hopkeeper_rules_reload_errors_total");
    assert!(loads < 50.0, "{loads}");
}

#[tokio::test]
async fn what_no_event_tells_is_found_by_looking_and_another_directory_is_watched_again() {
    let mut world = World::new(Duration::from_millis(300), |path| {
        fs::create_dir_all(path.join("elsewhere")).unwrap();
        fs::create_dir_all(path.join("rules")).unwrap();
        fs::write(path.join("elsewhere/a.yaml"), file(&["a"])).unwrap();
        symlink("../elsewhere/a.yaml", path.join("rules/a.yaml")).unwrap();
    });
    fs::write(world.path("elsewhere/a.yaml"), file(&["b"])).unwrap();
    world.ids(&["b"]).await;

    fs::rename(world.path("rules"), world.path("old")).unwrap();
    world.problem(Some("failed to read")).await;
    fs::create_dir(world.path("rules")).unwrap();
    fs::write(world.path("rules/a.yaml"), file(&["c"])).unwrap();
    world.ids(&["c"]).await;
    world.problem(None).await;
}
