//! Where incidents go: in the cluster, `create` of a `HopIncident`.

use std::future::Future;

use thiserror::Error;

use crate::domain::engine::Detection;

/// What came of a create.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// The incident is new.
    New,
    /// It was there already, under the same name: nothing changed.
    AlreadyThere,
}

/// Why an incident was not created.
#[derive(Debug, Error)]
pub enum SinkError {
    /// Try again: the pipeline does, for ever, and stores no place meanwhile.
    #[error("failed to create the incident")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Trying again is no use (the chain is gone, the object was refused): counted and left.
    #[error("failed to create the incident: it was refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Creates incidents under their deterministic names (`domain::incident::incident_name`).
pub trait IncidentSink: Send + Sync + 'static {
    /// Creates the incident; one that is there already is a success.
    fn create(&self, detection: &Detection) -> impl Future<Output = Result<Created, SinkError>> + Send;
}
