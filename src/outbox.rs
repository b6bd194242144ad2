//! What waits to be sent to a server that may be away: bounded in bytes, the oldest dropped when more comes than fits.
//!
//! Putting something in never waits. What is being sent stays counted here until its fate is known. What is sent, and how,
//! is the carrier's.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What comes within this time is carried together.
const GATHER: Duration = Duration::from_millis(200);
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries.
pub(crate) const MAX_PAUSE: Duration = Duration::from_secs(15);
/// The process waits so long for the last of it to be sent.
pub(crate) const LAST: Duration = Duration::from_secs(4);

/// Something that waits.
pub trait Parcel {
    /// What it takes in memory.
    fn bytes(&self) -> usize;
}

/// What became of a parcel that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there, or a newer one is.
    Settled,
    /// It will never be taken.
    Refused,
    /// It goes out again.
    Again,
}

/// Sends what waits.
pub(crate) trait Carrier {
    /// Sends some of it once. Where that fails it is told how long the pause will be, and says how long it is to be.
    fn carry(&mut self, pause: Duration) -> impl Future<Output = Result<(), Duration>> + Send;
}

/// See the module.
pub struct Outbox<T> {
    state: Mutex<State<T>>,
    filled: Notify,
    closed: CancellationToken,
    max_bytes: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    /// Older than all that wait.
    sending: Vec<T>,
    bytes: usize,
}

impl<T: Parcel> State<T> {
    /// Drops the oldest that wait until the rest fits; gives how many.
    fn fit(&mut self, max_bytes: usize) -> usize {
        let mut dropped = 0;
        while self.bytes > max_bytes
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.bytes -= oldest.bytes();
            dropped += 1;
        }
        dropped
    }
}

impl<T: Parcel> Outbox<T> {
    /// An empty one that holds so much.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        let state = State { waiting: VecDeque::new(), sending: Vec::new(), bytes: 0 };
        Self { state: Mutex::new(state), filled: Notify::new(), closed: CancellationToken::new(), max_bytes }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes parcels in; gives how many older ones had to go.
    pub(crate) fn put(&self, parcels: impl IntoIterator<Item = T>) -> usize {
        let mut state = self.state();
        for parcel in parcels {
            state.bytes += parcel.bytes();
            state.waiting.push_back(parcel);
        }
        let dropped = state.fit(self.max_bytes);
        drop(state);
        self.filled.notify_one();
        dropped
    }

    /// Cancelled when nobody puts in any more.
    pub(crate) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Waits for parcels; false when there will be none.
    async fn has_some(&self) -> bool {
        while self.state().waiting.is_empty() {
            if self.closed.run_until_cancelled(self.filled.notified()).await.is_none() {
                return !self.state().waiting.is_empty();
            }
        }
        true
    }

    /// Has the carrier send all that comes, until nobody puts in any more and the rest is sent, or `last` has passed since.
    /// Gives how many were left then: they are given up.
    pub(crate) async fn empty_with(&self, carrier: &mut (impl Carrier + Send), last: Duration) -> usize {
        let limit = async {
            self.closed.cancelled().await;
            tokio::time::sleep(last).await;
        };
        tokio::select! {
            () = self.carry_all(carrier) => {}
            () = limit => {}
        }
        self.abandon()
    }

    async fn carry_all(&self, carrier: &mut (impl Carrier + Send)) {
        let mut pauses = pauses();
        while self.has_some().await {
            self.closed.run_until_cancelled(tokio::time::sleep(GATHER)).await;
            match carrier.carry(pauses.next().unwrap_or(MAX_PAUSE)).await {
                Ok(()) => pauses = self::pauses(),
                Err(pause) => self.rest(pause).await,
            }
        }
    }

    /// Waits; at the end only for a moment, so that there are some tries.
    async fn rest(&self, pause: Duration) {
        if self.closed.is_cancelled() {
            tokio::time::sleep(pause.min(FIRST_PAUSE)).await;
        } else {
            self.closed.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// Packs the oldest, so many and so much at most, but one at least; says how many. They stay here until
    /// [`Self::settle`].
    pub(crate) fn begin(&self, most: usize, max_bytes: usize, mut pack: impl FnMut(&T)) -> usize {
        let mut state = self.state();
        let mut bytes = 0_usize;
        while state.sending.len() < most
            && let Some(next) = state.waiting.front()
            && (bytes == 0 || bytes.saturating_add(next.bytes()) <= max_bytes)
        {
            pack(next);
            bytes += next.bytes();
            let next = state.waiting.pop_front().expect("should be there: it was looked at");
            state.sending.push(next);
        }
        state.sending.len()
    }

    /// What became of those that were sent, in their order; gives how many had to go since they no longer fit.
    pub(crate) fn settle(&self, fate: impl Fn(usize) -> Fate) -> usize {
        let mut state = self.state();
        let sent = std::mem::take(&mut state.sending);
        for (index, parcel) in sent.into_iter().enumerate().rev() {
            match fate(index) {
                Fate::Again => state.waiting.push_front(parcel),
                Fate::Settled | Fate::Refused => state.bytes -= parcel.bytes(),
            }
        }
        state.fit(self.max_bytes)
    }

    /// Gives all up; says how many they were.
    pub(crate) fn abandon(&self) -> usize {
        let mut state = self.state();
        let left = state.waiting.len() + state.sending.len();
        state.waiting.clear();
        state.sending.clear();
        state.bytes = 0;
        left
    }

    /// How many there are, and what they take.
    pub(crate) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting.len() + state.sending.len(), state.bytes)
    }
}

fn pauses() -> impl Iterator<Item = Duration> + Send {
    crate::pauses::pauses(FIRST_PAUSE, MAX_PAUSE)
}
