//! lab-shipper: this lab's stand-in for Filebeat with our configurations (`filebeat/*.yml`). Reads the logs of the containers `vpn` and
//! `health` on one node, but for those of pods without the label `hopkeeper.io/chain`, and writes Filebeat's events to Kafka, keyed by
//! pod UID, or to Elasticsearch.
//! It is not Filebeat: see the lab's README for what was compared and what differs.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops where it goes wrong"))]

mod cri;
mod envelope;
mod multiline;
mod pods;
#[cfg(test)]
mod recorded;
mod registry;
mod sink;
mod tail;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::Context;
use clap::Parser;
use notify::{RecursiveMode, Watcher};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::envelope::Whose;
use crate::pods::Pods;
use crate::registry::{Entry, Registry};
use crate::sink::{Elasticsearch, Kafka, Output, Place, Record, Sink};
use crate::tail::{Fate, Tail};

/// Ships the logs of hop pods as Filebeat would.
#[derive(Parser)]
struct Options {
    /// The directory that holds the node's `var/log`.
    #[arg(long, default_value = "/")]
    root: PathBuf,
    /// How to reach the API server.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: PathBuf,
    /// Kafka's addresses.
    #[arg(long, default_value = "127.0.0.1:9092")]
    brokers: String,
    /// Where the events go.
    #[arg(long, default_value = "vpn-logs")]
    topic: String,
    /// Elasticsearch's address: then they go there, and not to Kafka.
    #[arg(long)]
    elasticsearch: Option<String>,
    /// The data stream there.
    #[arg(long, default_value = "filebeat-lab")]
    stream: String,
    /// The file that remembers what has been sent.
    #[arg(long)]
    registry: PathBuf,
    /// The node's name, as Kubernetes and as the host knows it.
    #[arg(long, default_value = "lab")]
    node: String,
}

/// A container's log that is being read.
struct Open {
    tail: Tail,
    whose: Whose,
    path: String,
    /// What its events say of Kubernetes; none while its pod is known to be no hop.
    kubernetes: Option<Value>,
    /// The pod's version that this comes from.
    version: Option<String>,
}

impl Open {
    /// Takes up what the API server knows by now. What it knew of a pod stays when the pod is gone.
    fn look_up(&mut self, pods: &Pods) {
        if let Some(pod) = pods.get(&self.whose.uid)
            && (self.version.is_none() || pod.metadata.resource_version != self.version)
        {
            self.kubernetes = envelope::metadata(&self.whose, Some(&pod));
            self.version = pod.metadata.resource_version.clone();
        }
    }
}

struct Shipper {
    options: Options,
    agent: envelope::Agent,
    registry: Registry,
    sink: Sink,
    pods: Pods,
    /// In the order in which they were found.
    open: Vec<Open>,
    ended: Vec<String>,
}

/// The names in a directory, sorted; none where there is no such directory (the node is down, the pod is gone).
fn names(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut names: Vec<String> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()?;
    names.sort_unstable();
    Ok(names)
}

/// The logs among the names in a container's directory, as `*.log*` without `.gz` and `.tmp` finds them; what was rotated comes
/// before what was begun after it.
fn logs(mut names: Vec<String>) -> Vec<String> {
    names.retain(|name| name.contains(".log") && !name.ends_with(".gz") && !name.ends_with(".tmp"));
    names.sort_by_key(|name| {
        let (restart, rotated) = name.split_once(".log").unwrap_or((name, ""));
        (restart.parse::<u64>().unwrap_or(u64::MAX), rotated.is_empty(), rotated.to_owned())
    });
    names
}

impl Shipper {
    /// Opens the logs that have appeared.
    fn discover(&mut self) -> io::Result<()> {
        let open: HashSet<String> = self.open.iter().map(|log| log.tail.key.clone()).collect();
        let pods = self.options.root.join("var/log/pods");
        for directory in names(&pods)? {
            for container in ["health", "vpn"] {
                let Some(whose) = Whose::of(&directory, container) else { continue };
                for name in logs(names(&pods.join(&directory).join(container))?) {
                    let place = pods.join(&directory).join(container).join(&name);
                    match tail::key(&place) {
                        Ok(key) if open.contains(&key) => continue,
                        Ok(_) => {}
                        Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                        Err(e) => return Err(e),
                    }
                    let path = format!("/var/log/pods/{directory}/{container}/{name}");
                    match Tail::open(&place, &self.registry, container == "vpn") {
                        Ok(tail) => {
                            tracing::info!(file = %path, "reading a log");
                            let kubernetes = envelope::metadata(&whose, None);
                            self.open.push(Open { tail, whose: whose.clone(), path, kubernetes, version: None });
                        }
                        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                        Err(e) => tracing::warn!(file = %path, error = %e, "failed to open a log"),
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads every open log once.
    fn read(&mut self) {
        let mut ended = Vec::new();
        for log in &mut self.open {
            let (messages, fate) = match log.tail.read(Instant::now()) {
                Ok(read) => read,
                Err(e) => {
                    tracing::warn!(file = %log.path, error = %e, "failed to read a log");
                    continue;
                }
            };
            if !messages.is_empty() {
                log.look_up(&self.pods);
            }
            let source = envelope::Source { path: &log.path, device: log.tail.device, inode: log.tail.inode };
            for message in messages {
                let Some(kubernetes) = &log.kubernetes else { break };
                let event = envelope::event(&message, &source, &self.agent, kubernetes);
                let entry = Entry { offset: message.end, head: log.tail.head.clone(), path: log.path.clone() };
                let place = Place { file: log.tail.key.clone(), entry };
                let (key, payload) = (log.whose.uid.clone(), event.to_string().into_bytes());
                self.sink.push(Record { key, payload, time: message.time, place });
            }
            if fate == Fate::Gone {
                ended.push(log.tail.key.clone());
            }
        }
        for log in self.open.extract_if(.., |log| ended.contains(&log.tail.key)) {
            tracing::info!(file = %log.path, junk = log.tail.junk, "a log has ended");
        }
        self.ended.append(&mut ended);
    }

    /// Clears the registry of files that are gone and have been delivered whole, so that it stays small.
    fn forget_ended(&mut self) {
        for key in self.ended.drain(..) {
            if !self.open.iter().any(|log| log.tail.key == key) {
                self.registry.forget(&key);
            }
        }
    }

    async fn run(&mut self, mut wake: mpsc::Receiver<()>) -> anyhow::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        loop {
            if self.sink.ready() {
                self.discover().context("failed to list the node's logs")?;
                self.read();
            }
            self.sink.turn(&mut self.registry)?;
            if !self.sink.busy() {
                self.forget_ended();
            }
            self.registry.save().context("failed to write the registry")?;
            // inotify makes it quick, the tick makes it certain: a directory may appear before it is watched.
            let tick = Duration::from_millis(if self.sink.busy() { 10 } else { 200 });
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = wake.recv() => {}
                () = tokio::time::sleep(tick) => {}
            }
        }
        self.sink.close(&mut self.registry).await?;
        self.registry.save()?;
        let (p50, p99, max) = (self.sink.delay(0.5), self.sink.delay(0.99), self.sink.delay(1.0));
        tracing::info!(
            delivered = self.sink.delivered,
            ?p50,
            ?p99,
            ?max,
            "stopped; delays are from the line's time to the acknowledgement"
        );
        Ok(())
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::new("info,notify=error"); // it reports every directory that is gone
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    rustls::crypto::ring::default_provider().install_default().ok().context("a TLS provider was installed before")?;
    let options = Options::parse();
    let registry = Registry::open(&options.registry).context("failed to read the registry")?;
    let agent = envelope::Agent {
        ephemeral_id: registry::random_uuid()?,
        id: registry.agent_id.clone(),
        name: options.node.clone(),
    };
    let sink = Sink::new(match &options.elasticsearch {
        Some(url) => Output::Elasticsearch(Elasticsearch::new(url, &options.stream)?),
        None => Output::Kafka(Kafka::new(&options.brokers, &options.topic)?),
    });
    let (pods, watch) = Pods::watch(&options.kubeconfig, &options.node).await.context("failed to reach Kubernetes")?;

    let (wake, woken) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|e| !e.kind.is_access()) {
            let _ = wake.try_send(()); // full: it is awake already
        }
    })?;
    watcher
        .watch(&options.root.join("var/log/pods"), RecursiveMode::Recursive)
        .context("failed to watch the node's logs")?;

    let work = async {
        pods.synced().await?;
        tracing::info!("ready");
        let mut shipper = Shipper { options, agent, registry, sink, pods, open: Vec::new(), ended: Vec::new() };
        shipper.run(woken).await
    };
    tokio::select! {
        result = work => result,
        () = watch => anyhow::bail!("the watch on pods ended"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logs_directories_tell_its_pod_and_container() {
        let whose = Whose::of("vpn_berlin-entry-5d9-x_1111-2222", "vpn").unwrap();
        assert_eq!((whose.namespace.as_str(), whose.pod.as_str()), ("vpn", "berlin-entry-5d9-x"));
        assert_eq!((whose.uid.as_str(), whose.container.as_str()), ("1111-2222", "vpn"));
        assert_eq!(Whose::of("lost+found", "vpn"), None);
    }

    #[test]
    fn rotated_logs_come_before_what_was_begun_after_them_and_packed_ones_are_left() {
        let names = ["10.log", "9.log", "9.log.20260102", "9.log.20260101.gz", "9.log.20260103.tmp", "README"];
        assert_eq!(logs(names.map(str::to_owned).to_vec()), ["9.log.20260102", "9.log", "10.log"]);
    }
}
