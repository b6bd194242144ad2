//! What the kernel lets the processes of a pod's containers do: not what a manifest asks for, but what they have.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;

use crate::lab::lab;

/// NET_ADMIN, as the kernel counts capabilities.
pub const NET_ADMIN: u64 = 1 << 12;

/// The first process of a container.
#[derive(Debug, PartialEq, Eq)]
pub struct Process {
    /// Its user.
    pub user: u32,
    /// What it has or may ever get, as a set of bits.
    pub capabilities: u64,
    /// No program that it starts gets more.
    pub confined: bool,
    /// A filter of system calls holds it.
    pub filtered: bool,
    /// Its root file system can't be written.
    pub read_only: bool,
}

impl Process {
    /// With nothing but `capabilities`, under everything that holds a process back.
    pub fn held_back(user: u32, capabilities: u64) -> Self {
        Self { user, capabilities, confined: true, filtered: true, read_only: true }
    }
}

/// The processes of a pod's containers that run.
pub fn processes(pod: &Pod) -> BTreeMap<String, Process> {
    let tasks = lab(&["node", "ctr", "-n", "k8s.io", "tasks", "ls"]);
    let statuses = pod.status.iter().flat_map(|s| s.container_statuses.iter().flatten());
    statuses
        .map(|status| {
            let id = status.container_id.as_deref().and_then(|id| id.strip_prefix("containerd://")).unwrap_or("none");
            let task =
                tasks.lines().find(|line| line.starts_with(id)).unwrap_or_else(|| panic!("{id} should run: {tasks}"));
            let pid = task.split_whitespace().nth(1).expect("a task should have a process");
            (status.name.clone(), process(pid))
        })
        .collect()
}

fn process(pid: &str) -> Process {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("it should be there");
    let status = read("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel should say it");
        line.split_whitespace().next().unwrap_or_default().to_owned()
    };
    let set = |name: &str| u64::from_str_radix(&field(name), 16).expect("it should be a set");
    let sets = ["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"];
    let root = read("mountinfo");
    let root = root.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).find(|f| f[4] == "/");
    Process {
        user: field("Uid:").parse().expect("it should be a number"),
        capabilities: sets.into_iter().map(set).fold(0, |all, one| all | one),
        confined: field("NoNewPrivs:") == "1",
        filtered: field("Seccomp:") == "2",
        read_only: root.is_some_and(|fields| fields[5].split(',').any(|option| option == "ro")),
    }
}
