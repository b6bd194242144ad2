//! Locks of the lab between test programs: whoever stops a server that others use has it to itself. The scenarios of
//! `tests/e2e` take the same ones.

use std::fs::File;

use crate::lab_dir::lab_dir;

/// Kafka, the Vault and the API server.
#[allow(dead_code)] // Not every suite uses them.
pub const SHARED: &str = "shared";
/// Elasticsearch.
#[allow(dead_code)] // Not every suite uses it.
pub const ELASTICSEARCH: &str = "elasticsearch";

/// Holds a lock, beside others or alone, until it is dropped; nothing where there is no lab, and so nobody else.
pub fn lock(name: &str, alone: bool) -> Option<File> {
    let run = lab_dir().join("run");
    // Not truncated, never removed: it is the file itself that is locked.
    let file = File::options().create(true).truncate(false).write(true).open(run.join(format!("{name}.lock"))).ok()?;
    if alone { file.lock() } else { file.lock_shared() }.expect("the lab's lock should be had");
    Some(file)
}
