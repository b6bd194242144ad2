//! lab-shipper: this lab's stand-in for Filebeat, whose binary the package registries do not offer. Reads the logs of the hop pods
//! (label `hopkeeper.io/chain`; containers `vpn` and `health`) on one node and writes Filebeat's events to Kafka, keyed by pod UID, or to
//! Elasticsearch.
//! It is not Filebeat: see the lab's README for what differs.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test stops where it goes wrong"))]

mod cri;
mod envelope;
mod multiline;
mod pods;
mod registry;
mod sink;
mod tail;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::Context;
use clap::Parser;
use notify::{RecursiveMode, Watcher};
use serde_json::{Map, Value};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

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
    /// The node's name, as `host.name` and `agent.name`.
    #[arg(long, default_value = "lab")]
    node: String,
}

/// A container's log that is being read.
struct Open {
    tail: Tail,
    uid: String,
    container: String,
    id: String,
    path: String,
    metadata: Map<String, Value>,
    version: Option<String>,
}

struct Shipper {
    options: Options,
    agent: envelope::Agent,
    registry: Registry,
    sink: Sink,
    pods: Pods,
    open: HashMap<String, Open>,
    ended: Vec<String>,
}

/// What a log's two names say: `containers/<pod>_<namespace>_<container>-<id>.log` is a link to
/// `pods/<namespace>_<pod>_<uid>/<container>/<n>.log`.
fn container_of(link: &str, target: &Path) -> Option<(String, String, String)> {
    let id = link.strip_suffix(".log")?.rsplit_once('-')?.1;
    let container = target.parent()?.file_name()?.to_str()?;
    let uid = target.parent()?.parent()?.file_name()?.to_str()?.rsplit_once('_')?.1;
    Some((uid.to_owned(), container.to_owned(), id.to_owned()))
}

impl Shipper {
    /// Opens the logs that have appeared.
    async fn discover(&mut self) -> io::Result<()> {
        let links = match fs::read_dir(self.options.root.join("var/log/containers")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()), // the node is down
            other => other?,
        };
        for link in links {
            let link = link?;
            let name = link.file_name().to_string_lossy().into_owned();
            if self.open.contains_key(&name) {
                continue;
            }
            let Ok(target) = fs::read_link(link.path()) else { continue };
            let Some((uid, container, id)) = container_of(&name, &target) else { continue };
            let Some(pod) = self.pods.get(&uid).filter(|_| container == "vpn" || container == "health") else {
                continue;
            };
            let place = self.options.root.join(target.strip_prefix("/").unwrap_or(&target));
            let metadata = self.pods.metadata(&pod, &container, &id).await;
            let boringtun =
                metadata["container"]["image"]["name"].as_str().is_some_and(|image| image.contains("boringtun"));
            match Tail::open(&place, &self.registry, boringtun && container == "vpn") {
                Ok(tail) => {
                    tracing::info!(file = %name, "reading a log");
                    let version = pod.metadata.resource_version.clone();
                    let path = format!("/var/log/containers/{name}");
                    self.open.insert(name, Open { tail, uid, container, id, path, metadata, version });
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                Err(e) => tracing::warn!(file = %name, error = %e, "failed to open a log"),
            }
        }
        Ok(())
    }

    /// Reads every open log once.
    async fn read(&mut self) {
        let mut closed = Vec::new();
        for (name, log) in &mut self.open {
            let (messages, fate) = match log.tail.read(Instant::now()) {
                Ok(read) => read,
                Err(e) => {
                    tracing::warn!(file = %name, error = %e, "failed to read a log");
                    continue;
                }
            };
            if !messages.is_empty()
                && let Some(pod) = self.pods.get(&log.uid)
                && pod.metadata.resource_version != log.version
            {
                log.metadata = self.pods.metadata(&pod, &log.container, &log.id).await;
                log.version = pod.metadata.resource_version.clone();
            }
            let source = envelope::Source { path: &log.path, device: log.tail.device, inode: log.tail.inode };
            for message in messages {
                let event = envelope::event(&message, &source, &self.agent, &log.metadata);
                let entry = Entry { offset: message.end, head: log.tail.head.clone(), path: log.path.clone() };
                let place = Place { file: log.tail.key.clone(), entry };
                let (key, payload) = (log.uid.clone(), event.to_string().into_bytes());
                self.sink.push(Record { key, payload, time: message.time, place });
            }
            if fate != Fate::Same {
                closed.push(name.clone());
            }
        }
        for name in closed {
            if let Some(log) = self.open.remove(&name) {
                tracing::info!(file = %name, junk = log.tail.junk, "a log has ended");
                self.ended.push(log.tail.key);
            }
        }
    }

    /// Clears the registry of files that are gone and have been delivered whole, so that it stays small.
    fn forget_ended(&mut self) {
        for key in self.ended.drain(..) {
            if !self.open.values().any(|log| log.tail.key == key) {
                self.registry.forget(&key);
            }
        }
    }

    async fn run(&mut self, mut wake: mpsc::Receiver<()>) -> anyhow::Result<()> {
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        loop {
            if self.sink.ready() {
                self.discover().await.context("failed to list the node's logs")?;
                self.read().await;
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
    let (pods, watch) = Pods::watch(&options.kubeconfig).await.context("failed to reach Kubernetes")?;

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
        let mut shipper = Shipper { options, agent, registry, sink, pods, open: HashMap::new(), ended: Vec::new() };
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
    fn a_logs_names_tell_its_pod_and_container() {
        let target = Path::new("/var/log/pods/vpn_berlin-entry-5d9-x_1111-2222/vpn/0.log");
        let found = container_of("berlin-entry-5d9-x_vpn_vpn-0123abcd.log", target);
        assert_eq!(found, Some(("1111-2222".into(), "vpn".into(), "0123abcd".into())));
        assert_eq!(container_of("README", target), None);
    }
}
