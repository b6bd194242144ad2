//! One container's log, from its first line to its pod's end, through broken connections and restarts.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use tokio::sync::{mpsc, watch};

use super::instance::Instance;
use crate::internal_event::pipeline::{PipelineMetrics, PodLogRefused};
use crate::source::overlap::Overlap;
use crate::source::progress::Progress;
use crate::source::raw::{Origin, split_time};
use crate::source::{MAX_RECORD_BYTES, Payload, Record, ShardHandle, append_line};

/// A connection without a line for so long is made anew: older kubelets stop telling at a log's rotation
/// (kubernetes/kubernetes#115702), and a dead peer tells nothing either.
const SILENCE: Duration = Duration::from_secs(60);
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// After the end of a log its container's status says shortly whether there is another run.
const STATUS_LAG: Duration = Duration::from_secs(2);

/// What is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Run {
    /// The present one, with what it will write.
    Present,
    /// The one before, which has ended.
    Previous,
}

/// How reading ended.
enum End {
    /// All of it was read, for the moment.
    Eof,
    /// There is none such.
    Absent,
    /// The connection failed.
    Failed(String),
    /// Nobody takes records any more.
    Closed,
}

pub(super) struct Follower {
    api: Api<Pod>,
    origin: Origin,
    instance: watch::Receiver<Instance>,
    records: mpsc::Sender<Record>,
    progress: Arc<Progress>,
    overlap: Overlap,
    /// What was read when the last connection began.
    at_connect: Overlap,
    /// Lines of this connection.
    lines: u64,
    /// It was told that the log may not be read.
    is_refusal_told: bool,
    metrics: PipelineMetrics,
}

impl Follower {
    pub(super) fn new(
        api: Api<Pod>,
        origin: Origin,
        instance: watch::Receiver<Instance>,
        records: mpsc::Sender<Record>,
        progress: Arc<Progress>,
        start: Option<Timestamp>,
        metrics: PipelineMetrics,
    ) -> Self {
        let overlap = Overlap::from(start);
        let at_connect = overlap.clone();
        Self {
            api,
            origin,
            instance,
            records,
            progress,
            overlap,
            at_connect,
            lines: 0,
            is_refusal_told: false,
            metrics,
        }
    }

    /// Ends with the pod.
    pub(super) async fn run(mut self) {
        let mut pauses = pauses();
        let mut followed: Option<String> = None;
        loop {
            let instance = self.instance.borrow_and_update().clone();
            let end = match &instance.id {
                None if instance.is_gone => break,
                None => {
                    if self.instance.changed().await.is_err() {
                        break;
                    }
                    continue;
                }
                Some(id) if followed.as_ref() != Some(id) => match self.catch_up(&instance).await {
                    End::Eof | End::Absent => {
                        followed = Some(id.clone());
                        continue;
                    }
                    end => end,
                },
                Some(_) => {
                    self.at_connect = self.overlap.clone();
                    self.read(Run::Present).await
                }
            };
            if self.instance.borrow().id != instance.id {
                continue;
            }
            if self.lines > 0 {
                pauses = self::pauses();
            }
            let pause = pauses.next().unwrap_or(MAX_PAUSE);
            match end {
                End::Closed => break,
                // Of a pod that is gone nothing more is to be had.
                _ if instance.is_gone => break,
                End::Failed(why) => {
                    let Origin { namespace, pod, container, .. } = &self.origin;
                    tracing::debug!(namespace, pod, container, why, ?pause, "A pod's log broke off; reading on.");
                    tokio::time::sleep(pause).await;
                }
                End::Eof | End::Absent => {
                    // Another run, the pod's end, or only a connection that was closed in good order.
                    let _ = tokio::time::timeout(pause.max(STATUS_LAG), self.instance.changed()).await;
                }
            }
        }
    }

    /// Reads what the run before left unread, before the present one.
    async fn catch_up(&mut self, instance: &Instance) -> End {
        if !instance.is_restarted {
            return End::Absent;
        }
        // The last connection may have met the present run already, before its pod's status told of it: then the run
        // before was read to where that connection began.
        let is_ahead = self.overlap.since().zip(instance.started_at).is_some_and(|(since, started)| since >= started);
        if !is_ahead {
            return self.read(Run::Previous).await;
        }
        let present = std::mem::replace(&mut self.overlap, self.at_connect.clone());
        let end = self.read(Run::Previous).await;
        self.overlap = present;
        end
    }

    async fn read(&mut self, run: Run) -> End {
        let since = self.overlap.resume();
        self.lines = 0;
        let id = self.instance.borrow().id.clone();
        let parameters = LogParams {
            container: Some(self.origin.container.clone()),
            follow: run == Run::Present,
            previous: run == Run::Previous,
            since_time: since,
            timestamps: true,
            ..LogParams::default()
        };
        let opened = tokio::time::timeout(SILENCE, self.api.log_stream(&self.origin.pod, &parameters)).await;
        let stream = match opened {
            Err(_) => return End::Failed("no answer".to_owned()),
            // Not started yet, or already removed.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 400 | 404) => return End::Absent,
            Ok(Err(error)) => {
                self.tell_refusal(&error);
                return End::Failed(error.to_string());
            }
            Ok(Ok(stream)) => stream,
        };
        let mut stream: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(stream);
        let mut line = Vec::new();
        loop {
            let another_run = async { drop(self.instance.wait_for(|now| now.id != id).await) };
            let read = tokio::select! {
                read = tokio::time::timeout(SILENCE, next_line(&mut stream, &mut line)) => read,
                // What this one left unread comes first.
                () = another_run, if run == Run::Present => return End::Eof,
            };
            match read {
                Err(_) => return End::Failed("silence".to_owned()),
                Ok(Err(error)) => return End::Failed(error.to_string()),
                Ok(Ok(false)) => return End::Eof,
                Ok(Ok(true)) if self.deliver(&line).await => line.clear(),
                Ok(Ok(true)) => return End::Closed,
            }
        }
    }

    /// A right that is missing will not come back by itself: told once.
    fn tell_refusal(&mut self, error: &kube::Error) {
        let is_refused = matches!(error, kube::Error::Api(status) if status.code == 403);
        if is_refused && !std::mem::replace(&mut self.is_refusal_told, true) {
            let Origin { namespace, pod, container, .. } = &self.origin;
            PodLogRefused { namespace, pod, container }.emit(&self.metrics);
        }
    }

    async fn deliver(&mut self, line: &[u8]) -> bool {
        let text = String::from_utf8_lossy(line);
        // Without a time it is no line of the log, but the kubelet's own word.
        let Some((time, text)) = split_time(&text) else { return true };
        if !self.overlap.is_new(time, text) {
            return true;
        }
        self.lines += 1;
        let Ok(permit) = self.records.reserve().await else { return false };
        let payload = match line.len() {
            ..=MAX_RECORD_BYTES => Payload::copied(&self.origin.record(time, text)),
            _ => Payload::TooLarge,
        };
        let position = self.progress.deliver(time);
        // A clock that runs ahead must not have the next process wait for it.
        self.progress.reach(time.min(Timestamp::now()));
        permit.send(Record {
            payload,
            received: None,
            position,
            shard: Arc::clone(&self.progress) as Arc<dyn ShardHandle>,
        });
        true
    }
}

/// Appends to the next line, cut where it is too long; false at the end. A last line without an end is one. Stopped
/// anywhere it goes on where it was.
async fn next_line(stream: &mut Pin<Box<dyn AsyncBufRead + Send>>, line: &mut Vec<u8>) -> io::Result<bool> {
    loop {
        let available = stream.fill_buf().await?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let (read, ended) = append_line(line, available);
        stream.consume_unpin(read);
        if ended {
            return Ok(true);
        }
    }
}

fn pauses() -> impl Iterator<Item = Duration> + Send {
    crate::pauses::pauses(Duration::from_millis(250), MAX_PAUSE)
}
