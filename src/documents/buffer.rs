//! Documents that wait to be written: bounded in bytes, the oldest dropped when more come than fit.
//!
//! Putting one in never waits. What is being sent stays counted here until its fate is known.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Document;

/// What became of a document that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is there, or a newer one is.
    Settled,
    /// It will never be taken.
    Refused,
    /// It goes out again.
    Again,
}

/// See the module.
pub struct Buffer {
    state: Mutex<State>,
    filled: Notify,
    closed: CancellationToken,
    max_bytes: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Document>,
    /// Older than all that wait.
    sending: Vec<Document>,
    bytes: usize,
}

impl State {
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

impl Buffer {
    /// An empty one that holds so much.
    #[must_use]
    pub fn new(max_bytes: usize) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), closed: CancellationToken::new(), max_bytes }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes documents in; gives how many older ones had to go.
    pub(super) fn put(&self, documents: impl IntoIterator<Item = Document>) -> usize {
        let mut state = self.state();
        for document in documents {
            state.bytes += document.bytes();
            state.waiting.push_back(document);
        }
        let dropped = state.fit(self.max_bytes);
        drop(state);
        self.filled.notify_one();
        dropped
    }

    /// Cancelled when nobody puts in any more.
    pub(super) fn closed(&self) -> &CancellationToken {
        &self.closed
    }

    /// Waits for documents; false when there will be none.
    pub(super) async fn has_documents(&self) -> bool {
        while self.state().waiting.is_empty() {
            if self.closed.run_until_cancelled(self.filled.notified()).await.is_none() {
                return !self.state().waiting.is_empty();
            }
        }
        true
    }

    /// The oldest, as the lines of one bulk request, and how many; they stay here until [`Self::settle`].
    pub(crate) fn begin(&self, most: usize, max_bytes: usize) -> (String, usize) {
        let mut state = self.state();
        let mut lines = String::new();
        while state.sending.len() < most
            && let Some(next) = state.waiting.front()
            && (lines.is_empty() || lines.len() + next.lines.len() <= max_bytes)
        {
            lines.push_str(&next.lines);
            let next = state.waiting.pop_front().expect("should be there: it was looked at");
            state.sending.push(next);
        }
        (lines, state.sending.len())
    }

    /// What became of those that were sent, in their order; gives how many had to go since they no longer fit.
    pub(super) fn settle(&self, fate: impl Fn(usize) -> Fate) -> usize {
        let mut state = self.state();
        let sent = std::mem::take(&mut state.sending);
        for (index, document) in sent.into_iter().enumerate().rev() {
            match fate(index) {
                Fate::Again => state.waiting.push_front(document),
                Fate::Settled | Fate::Refused => state.bytes -= document.bytes(),
            }
        }
        state.fit(self.max_bytes)
    }

    /// Gives all up; says how many they were.
    pub(crate) fn abandon(&self) -> usize {
        let mut state = self.state();
        let left = state.waiting.len() + state.sending.len();
        (state.waiting, state.sending, state.bytes) = Default::default();
        left
    }

    /// How many there are, and what they take.
    pub(super) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.waiting.len() + state.sending.len(), state.bytes)
    }
}
