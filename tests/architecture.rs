//! Rules about the structure that the compiler does not know.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory should be readable") {
        let path = entry.expect("it should be readable").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn files_below(directory: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(directory), &mut found);
    assert!(!found.is_empty(), "{directory} should have sources");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(path).expect("it should be text"))).collect()
}

#[test]
fn the_domain_knows_no_runtime_no_client_and_no_clock() {
    let forbidden = [
        "tokio::",
        "kube::",
        "k8s_openapi::",
        "rdkafka::",
        "vaultrs::",
        "axum::",
        "std::net::Tcp",
        "std::fs",
        "std::env",
        "SystemTime::now",
        "Instant::now",
        "Timestamp::now",
        "crate::controller",
        "crate::crd",
        "crate::source",
        "crate::pipeline",
        "crate::parameters",
    ];
    for (path, text) in files_below("src/domain") {
        // A file's own tests may read fixtures.
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let is_test = path.file_stem().is_some_and(|n| n.to_string_lossy().contains("test"));
        for word in forbidden {
            assert!(is_test || !code.contains(word), "{} uses {word}: the domain is pure", path.display());
        }
    }
}

#[test]
fn only_the_controller_writes_to_pods_secrets_and_deployments() {
    for directory in ["src/pipeline", "src/source"] {
        for (path, text) in files_below(directory) {
            for word in ["k8s_openapi::", "kube::", "crate::parameters", "crate::controller"] {
                assert!(
                    !text.contains(word),
                    "{} uses {word}: the pipeline's only output is an incident",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn a_replay_cannot_act() {
    for (path, text) in files_below("src/replay") {
        for word in [
            "kube::",
            "k8s_openapi::",
            "vaultrs::",
            "tokio::",
            "crate::controller",
            "crate::parameters",
            "crate::pipeline",
        ] {
            assert!(!text.contains(word), "{} uses {word}: a replay never acts", path.display());
        }
    }
}

#[test]
fn what_people_are_shown_is_made_without_a_client_or_a_clock() {
    for (path, text) in files_below("src/overview").into_iter().chain(files_below("src/status_page/html")) {
        for word in ["tokio::", "kube::Api", "kube::Client", "kube::runtime", "Timestamp::now", "Secret"] {
            assert!(!text.contains(word), "{} uses {word}: what is shown is a function of the objects", path.display());
        }
    }
}

#[test]
fn every_source_file_says_what_it_is_for() {
    for (path, text) in files_below("src") {
        let is_test = path.file_stem().is_some_and(|n| n.to_string_lossy().contains("test"));
        assert!(is_test || text.starts_with("//!"), "{} should open with //!", path.display());
    }
}

#[test]
fn tasks_are_spawned_where_they_are_joined() {
    for (path, text) in files_below("src") {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        assert!(!code.contains("tokio::spawn("), "{} spawns a task that nobody joins", path.display());
    }
}

/// The lines of a manifest's dependencies that are the core's: without the manifest's own `tools`.
fn dependencies_of_the_core(manifest: &str, tools: &[&str]) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest);
    let text = fs::read_to_string(path).expect("the manifest should be readable");
    let table = text.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let lines = table.take_while(|line| !line.starts_with('[')).filter(|line| line.contains('='));
    let is_the_cores = |line: &&str| !tools.iter().any(|tool| line.split(' ').next() == Some(tool));
    lines.filter(is_the_cores).map(str::to_owned).collect()
}

/// `make lint` checks the one against the sources; the other is built by people who fuzz.
#[test]
fn the_benchmark_and_the_fuzz_targets_build_the_core_from_the_same_crates() {
    let benchmark = dependencies_of_the_core("tests/bench/Cargo.toml", &["rsigma-eval", "rsigma-parser", "rustix"]);
    assert!(benchmark.len() > 10, "{benchmark:?}");
    assert_eq!(benchmark, dependencies_of_the_core("fuzz/Cargo.toml", &["libfuzzer-sys"]));
}
