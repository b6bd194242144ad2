//! Elasticsearch, as Filebeat's output writes to it: one bulk request after the other, `create` into a data stream that a template
//! makes; 429, 5xx and a server that is away are tried again, what else a document is refused for is dropped and told.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::{Place, Record, SinkError};

/// Filebeat's `bulk_max_size`.
const BULK: usize = 1600;
const PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(5);

/// The client, and the batch that is being written.
pub(crate) struct Elasticsearch {
    client: Client,
    batch: Option<(usize, JoinHandle<Vec<Record>>)>,
}

#[derive(Clone)]
struct Client {
    http: reqwest::Client,
    url: String,
    stream: String,
    /// The template is there.
    prepared: Arc<OnceCell<()>>,
}

impl Elasticsearch {
    /// Connects when there is something to write.
    pub(crate) fn new(url: &str, stream: &str) -> Result<Self, SinkError> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build().map_err(SinkError::Client)?;
        let prepared = Arc::default();
        Ok(Self { client: Client { http, url: url.to_owned(), stream: stream.to_owned(), prepared }, batch: None })
    }

    pub(super) fn under_way(&self) -> usize {
        self.batch.as_ref().map_or(0, |(records, _)| *records)
    }

    /// Sends a batch of what waits, when the one before is written; gives what has arrived.
    pub(super) fn turn(&mut self, waiting: &mut VecDeque<Record>) -> Result<Vec<(Place, Timestamp)>, SinkError> {
        let mut arrived = Vec::new();
        if let Some((_, task)) = self.batch.take_if(|(_, task)| task.is_finished()) {
            let written =
                futures::FutureExt::now_or_never(task).expect("it is finished").map_err(SinkError::Elasticsearch)?;
            arrived.extend(written.into_iter().map(|record| (record.place, record.time)));
        }
        if self.batch.is_none() && !waiting.is_empty() {
            let records: Vec<_> = waiting.drain(..waiting.len().min(BULK)).collect();
            self.batch = Some((records.len(), tokio::spawn(write(self.client.clone(), records))));
        }
        Ok(arrived)
    }

    pub(super) async fn flush(&mut self) {
        if let Some((_, task)) = &mut self.batch {
            let end = tokio::time::Instant::now() + Duration::from_secs(2);
            while !task.is_finished() && tokio::time::Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// Writes a batch however long it takes.
async fn write(client: Client, records: Vec<Record>) -> Vec<Record> {
    let mut pause = PAUSE;
    let mut left: Vec<String> = records.iter().map(|record| document(&record.payload)).collect();
    loop {
        match client.bulk(&left).await {
            Ok(refused) => left = refused,
            Err(error) => tracing::warn!(%error, "Elasticsearch took nothing; trying again"),
        }
        if left.is_empty() {
            return records;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(MAX_PAUSE);
    }
}

/// The event without what is meant for outputs alone.
fn document(payload: &[u8]) -> String {
    let mut event: Value = serde_json::from_slice(payload).expect("it was made as JSON");
    if let Some(fields) = event.as_object_mut() {
        fields.remove("@metadata");
    }
    event.to_string()
}

impl Client {
    /// One request; gives the documents that are to be sent again.
    async fn bulk(&self, documents: &[String]) -> Result<Vec<String>, String> {
        self.prepared.get_or_try_init(|| self.template()).await?;
        let body: String = documents.iter().map(|document| format!("{{\"create\":{{}}}}\n{document}\n")).collect();
        let path = format!("{}/_bulk?filter_path=errors,items.*.status,items.*.error.type", self.stream);
        let answer = self.ask(reqwest::Method::POST, &path, "application/x-ndjson", body).await?;
        if answer["errors"] == json!(false) {
            return Ok(Vec::new());
        }
        let items = answer["items"].as_array().ok_or("an answer without items")?;
        let mut again = Vec::new();
        for (document, item) in documents.iter().zip(items) {
            match item["create"]["status"].as_u64() {
                Some(200..300) => {}
                Some(429 | 500..) => again.push(document.clone()),
                status => {
                    tracing::warn!(?status, error = %item["create"]["error"]["type"], "Elasticsearch refused a document")
                }
            }
        }
        Ok(again)
    }

    /// Filebeat sets its template up when it connects, too.
    async fn template(&self) -> Result<(), String> {
        let path = format!("_index_template/{}", self.stream);
        let mappings = json!({ "properties": { "@timestamp": { "type": "date" } } });
        let settings = json!({ "number_of_replicas": 0 });
        let template = json!({
            "index_patterns": [self.stream], "data_stream": {}, "priority": 400,
            "template": { "settings": settings, "mappings": mappings },
        });
        self.ask(reqwest::Method::PUT, &path, "application/json", template.to_string()).await.map(|_| ())
    }

    async fn ask(&self, method: reqwest::Method, path: &str, kind: &str, body: String) -> Result<Value, String> {
        let request = self.http.request(method, format!("{}/{path}", self.url)).header("content-type", kind).body(body);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let (status, text) = (answer.status(), answer.text().await.map_err(|error| error.to_string())?);
        if status.is_success() {
            serde_json::from_str(&text).map_err(|error| error.to_string())
        } else {
            Err(format!("{status}"))
        }
    }
}
