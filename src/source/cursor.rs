//! Where a reader keeps how far it is, so that the next process goes on there.
//!
//! In a cluster that is a Lease's annotation (`app/cursor_store.rs`), outside of one a file.

use std::io::ErrorKind;
use std::path::PathBuf;

use futures::future::BoxFuture;
use thiserror::Error;

/// A text that outlives the process.
pub trait CursorStore: Send + Sync {
    /// What was saved last; none at the first start.
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, CursorError>>;
    /// Keeps another text.
    fn save(&self, cursor: String) -> BoxFuture<'_, Result<(), CursorError>>;
}

/// The cursor can't be kept.
#[derive(Debug, Error)]
#[error("failed to {what} the place reached in the log source, in {place}; may it be read and written?")]
pub struct CursorError {
    /// `load` or `save`.
    pub what: &'static str,
    /// Where it is kept.
    pub place: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// A file.
pub struct FileCursor(pub PathBuf);

impl FileCursor {
    fn failed(&self, what: &'static str) -> impl FnOnce(std::io::Error) -> CursorError {
        let place = self.0.display().to_string();
        move |source| CursorError { what, place, source: source.into() }
    }
}

impl CursorStore for FileCursor {
    fn load(&self) -> BoxFuture<'_, Result<Option<String>, CursorError>> {
        Box::pin(async {
            match tokio::fs::read_to_string(&self.0).await {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(self.failed("load")(error)),
            }
        })
    }

    fn save(&self, cursor: String) -> BoxFuture<'_, Result<(), CursorError>> {
        Box::pin(async move {
            // Renamed into place: half a cursor would be none.
            let next = self.0.with_added_extension("next");
            tokio::fs::write(&next, cursor).await.map_err(self.failed("save"))?;
            tokio::fs::rename(&next, &self.0).await.map_err(self.failed("save"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_keeps_what_was_saved_last() {
        let directory = tempfile::tempdir().unwrap();
        let store = FileCursor(directory.path().join("cursor"));
        assert_eq!(store.load().await.unwrap(), None);
        store.save("one".into()).await.unwrap();
        store.save("two".into()).await.unwrap();
        assert_eq!(store.load().await.unwrap().as_deref(), Some("two"));
        let error = FileCursor(directory.path().join("none/cursor")).save("x".into()).await.unwrap_err();
        assert!(error.to_string().contains("none/cursor"), "{error}");
    }
}
