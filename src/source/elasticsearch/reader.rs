//! The reading itself: the tail at each look, the lag window every few seconds.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::{Hit, Search};
use super::pages::Pages;
use super::query::Span;
use super::seen::{CAPACITY, Seen};
use super::{Cursor, Reading};
use crate::elasticsearch::error::ElasticsearchError;
use crate::internal_event::pipeline::{PipelineMetrics, PlacesNotSaved, SourceRetried};
use crate::source::cursor::CursorStore;
use crate::source::progress::Progress;
use crate::source::{Payload, Record, ShardHandle};
use crate::telemetry::error_chain;

const PAGE: usize = 1_000;
/// Ids alone are short.
const PAGE_OF_IDS: usize = 5_000;
const IDS_AT_ONCE: usize = 500;
/// So much before the newest delivered document is read again each time: shards refresh one by one.
const OVERLAP: Duration = Duration::from_secs(5);
/// A line's time may be so wrong; what is later yet, no order has a place for.
const FUTURE: Duration = Duration::from_secs(24 * 3600);
/// How often the place is stored.
const SAVE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(5);
const EXPIRED: Duration = Duration::from_millis(100);
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Why reading goes no further.
enum Stop {
    Failed(ElasticsearchError),
    /// Nobody takes records any more.
    Closed,
}

impl From<ElasticsearchError> for Stop {
    fn from(error: ElasticsearchError) -> Self {
        Self::Failed(error)
    }
}

pub(super) struct Reader {
    client: Arc<Search>,
    reading: Reading,
    store: Arc<dyn CursorStore>,
    progress: Arc<Progress>,
    seen: Seen,
    /// All that showed itself before was delivered.
    reached: Timestamp,
    /// The next look begins here, if not at the overlap.
    begin: Option<Timestamp>,
    /// Kept outside of the look, which may be stopped anywhere: what was asked for is given back.
    opening: Option<BoxFuture<'static, Result<String, ElasticsearchError>>>,
    pit: Option<String>,
    swept: Instant,
    saved: (Instant, Option<Timestamp>),
    metrics: Option<Arc<PipelineMetrics>>,
}

impl Reader {
    pub(super) fn new(
        client: Search,
        reading: Reading,
        store: Arc<dyn CursorStore>,
        progress: Arc<Progress>,
        start: Timestamp,
        metrics: Option<Arc<PipelineMetrics>>,
    ) -> Self {
        let begin = Some(before(start, reading.lag));
        let now = Instant::now();
        let saved = (now, None);
        let seen = Seen::new(CAPACITY);
        let client = Arc::new(client);
        let (opening, pit) = (None, None);
        Self { client, reading, store, progress, seen, reached: start, begin, opening, pit, swept: now, saved, metrics }
    }

    /// Reads until nobody takes records any more.
    pub(super) async fn read(&mut self, records: &mpsc::Sender<Record>) -> Result<(), ElasticsearchError> {
        let (mut pauses, mut failing) = (pauses(), None);
        loop {
            let pause = match self.look(records).await {
                Ok(delivered) => {
                    (pauses, failing) = (self::pauses(), None);
                    if delivered >= PAGE { Duration::ZERO } else { self.reading.poll }
                }
                Err(Stop::Closed) => return Ok(()),
                // What was delivered is not delivered again.
                Err(Stop::Failed(ElasticsearchError::Expired { .. })) => EXPIRED,
                Err(Stop::Failed(error)) => {
                    let since = *failing.get_or_insert_with(Instant::now);
                    // A data stream comes to be with its first document.
                    let passes = error.is_passing() || error.status() == Some(404);
                    if !passes || since.elapsed() > self.reading.patience {
                        return Err(error);
                    }
                    let wanted = error.retry_after().map(|pause| pause.min(MAX_RETRY_AFTER));
                    let pause = pauses.next().unwrap_or(MAX_PAUSE).max(wanted.unwrap_or_default());
                    if let Some(metrics) = &self.metrics {
                        SourceRetried { error: &error, pause }.emit(metrics);
                    }
                    pause
                }
            };
            self.save_in_time().await;
            tokio::time::sleep(pause).await;
        }
    }

    /// One look; gives how many documents were new.
    async fn look(&mut self, records: &mpsc::Sender<Record>) -> Result<usize, Stop> {
        let mut pit = self.open().await?;
        let result = self.look_at(&mut pit, records).await;
        self.pit = Some(pit);
        self.close().await;
        result
    }

    async fn look_at(&mut self, pit: &mut String, records: &mpsc::Sender<Record>) -> Result<usize, Stop> {
        let now = Timestamp::now();
        let settled = before(now, self.reading.settle);
        let from = self.begin.map_or_else(|| self.asked_from(OVERLAP), |begin| begin.max(self.reliable_from()));
        let future = now.saturating_add(FUTURE).unwrap_or(Timestamp::MAX);
        let span = Span { from: Some(from), to: Some(future), young: Some((settled, now)) };
        let mut delivered = self.deliver_all(pit, &span.query(&self.reading.field), settled, records).await?;
        self.begin = None;
        if self.swept.elapsed() >= self.reading.sweep {
            delivered += self.sweep(pit, records).await?;
            self.swept = Instant::now();
        }
        Ok(delivered)
    }

    /// So long before the newest delivered document, but not into what was forgotten.
    fn asked_from(&self, span: Duration) -> Timestamp {
        before(self.reached, span).max(self.reliable_from())
    }

    /// What is older would be delivered again.
    fn reliable_from(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.seen.reliable_from().into()).unwrap_or(Timestamp::MIN)
    }

    /// Delivers what came late: where the lag window holds more than was delivered, finds out which.
    async fn sweep(&mut self, pit: &mut String, records: &mpsc::Sender<Record>) -> Result<usize, Stop> {
        let (from, to) = (self.asked_from(self.reading.lag), self.reached);
        // What the next look asks for again is kept, however short the lag.
        self.seen.forget_before(nanos(from.min(self.asked_from(OVERLAP))));
        let query = Span { from: Some(from), to: Some(to), young: None }.query(&self.reading.field);
        if self.client.count(pit, &query).await? == self.seen.count(nanos(from), nanos(to)) {
            return Ok(0);
        }
        let (mut after, mut at_end, mut late) = (None, false, 0);
        while !at_end {
            let field = &self.reading.field;
            let mut pages = Pages::new(&self.client, &query, field, PAGE_OF_IDS);
            (pages.with_source, pages.after) = (false, after);
            let hits = pages.next(pit).await?.unwrap_or_default();
            (after, at_end) = (pages.after, pages.at_end);
            let missing: Vec<&str> = hits.iter().filter(|hit| !self.has_seen(hit)).map(|hit| hit.id.as_str()).collect();
            for ids in missing.chunks(IDS_AT_ONCE) {
                let these = json!({ "bool": { "filter": [query, { "ids": { "values": ids } }] } });
                late += self.deliver_all(pit, &these, to, records).await?;
            }
        }
        if late > 0 {
            tracing::debug!(documents = late, "Documents came late.");
        }
        Ok(late)
    }

    /// Delivers all that a query finds and that was not delivered; `settled` is how far it may be taken for complete.
    async fn deliver_all(
        &mut self,
        pit: &mut String,
        query: &Value,
        settled: Timestamp,
        records: &mpsc::Sender<Record>,
    ) -> Result<usize, Stop> {
        let (mut after, mut at_end, mut size, mut delivered) = (None, false, PAGE, 0);
        while !at_end {
            let mut pages = Pages::new(&self.client, query, &self.reading.field, size);
            pages.after = after;
            let hits = pages.next(pit).await?.unwrap_or_default();
            (after, at_end, size) = (pages.after, pages.at_end, pages.size);
            for hit in hits {
                delivered += usize::from(self.deliver(&hit, settled, records).await?);
            }
            self.save_in_time().await;
        }
        Ok(delivered)
    }

    async fn deliver(&mut self, hit: &Hit, settled: Timestamp, records: &mpsc::Sender<Record>) -> Result<bool, Stop> {
        if self.has_seen(hit) {
            return Ok(false);
        }
        let time = Timestamp::from_nanosecond(hit.sort.0.into()).unwrap_or(Timestamp::UNIX_EPOCH);
        let payload = hit.source.as_ref().map_or(Payload::TooLarge, |source| Payload::copied(source.get().as_bytes()));
        let permit = records.reserve().await.map_err(|_| Stop::Closed)?;
        let shard = Arc::clone(&self.progress) as Arc<dyn ShardHandle>;
        permit.send(Record { payload, received: None, position: self.progress.deliver(time), shard });
        self.seen.insert(hit.sort.0, &hit.index, &hit.id);
        // A line from the future says nothing about how far others are.
        self.reached = self.reached.max(time.min(settled));
        self.progress.reach(self.reached);
        Ok(true)
    }

    fn has_seen(&self, hit: &Hit) -> bool {
        self.seen.contains(hit.sort.0, &hit.index, &hit.id)
    }

    async fn open(&mut self) -> Result<String, ElasticsearchError> {
        let client = Arc::clone(&self.client);
        let opening = self.opening.get_or_insert_with(|| async move { client.open_pit().await }.boxed());
        let opened = opening.await;
        self.opening = None;
        self.pit = opened.as_ref().ok().cloned();
        opened
    }

    /// Gives back the point in time that is open, or is being opened.
    pub(super) async fn close(&mut self) {
        if self.opening.is_some() {
            // A failure leaves nothing to give back.
            let _ = self.open().await;
        }
        let Some(pit) = &self.pit else { return };
        if let Err(error) = self.client.close_pit(pit).await {
            tracing::debug!(error = error_chain(&error), "A point in time was not given back; it ends by itself.");
        }
        self.pit = None;
    }

    async fn save_in_time(&mut self) {
        if self.saved.0.elapsed() >= SAVE {
            self.save().await;
        }
    }

    /// Stores how far everything is done.
    pub(super) async fn save(&mut self) {
        let place = self.progress.resume_from();
        self.saved.0 = Instant::now();
        let Some(from) = place.filter(|_| place != self.saved.1) else { return };
        let cursor = serde_json::to_string(&Cursor { from }).expect("should serialize: it is a time");
        match self.store.save(cursor).await {
            Ok(()) => self.saved.1 = place,
            Err(error) => {
                if let Some(metrics) = &self.metrics {
                    PlacesNotSaved { error: &error }.emit(metrics);
                }
            }
        }
    }
}

fn before(time: Timestamp, span: Duration) -> Timestamp {
    time.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(if time < Timestamp::UNIX_EPOCH { i64::MIN } else { i64::MAX })
}

fn pauses() -> impl Iterator<Item = Duration> + Send {
    crate::pauses::pauses(Duration::from_millis(250), MAX_PAUSE)
}
