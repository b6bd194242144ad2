//! Where incidents go: in the cluster, `create` of a `HopIncident`.

use std::future::Future;

use thiserror::Error;

use crate::domain::engine::Detection;
use crate::domain::incident::Finding;

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
    /// Try again: the pipeline does, for as long as the pod is there, and stores no place meanwhile. A right that is missing may
    /// only not be known yet: that is for the sink to tell.
    #[error("failed to create the incident")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The operator has lacked a right for a while: counted and left, since a namespace without it must not hold up the others.
    #[error("failed to create the incident: not allowed")]
    Forbidden(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Trying again is no use (the chain is gone, the object was refused): counted and left.
    #[error("failed to create the incident: it was refused")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why nobody knows which incidents are there.
#[derive(Debug, Error)]
#[error("failed to list the incidents")]
pub struct FindingsError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

impl SinkError {
    /// Whether another try is of no use; evidence about a pod that is gone is of none.
    pub(super) fn is_final(&self, pod_is_there: bool) -> bool {
        !matches!(self, Self::Unavailable(_)) || !pod_is_there
    }
}

/// Creates incidents under their deterministic names (`domain::incident::incident_name`).
pub trait IncidentSink: Send + Sync + 'static {
    /// Creates the incident; one that is there already is a success.
    fn create(&self, detection: &Detection) -> impl Future<Output = Result<Created, SinkError>> + Send;

    /// What was found before, by whichever reader: the incidents that are there.
    fn findings(&self) -> impl Future<Output = Result<Vec<Finding>, FindingsError>> + Send;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_is_tried_until_it_is_of_no_use() {
        let (refused, forbidden, away) =
            (SinkError::Refused("x".into()), SinkError::Forbidden("x".into()), SinkError::Unavailable("x".into()));
        for (error, pod_is_there, is_final) in [
            (&refused, true, true),
            (&forbidden, true, true),
            (&forbidden, false, true),
            (&away, true, false),
            (&away, false, true),
        ] {
            assert_eq!(error.is_final(pod_is_there), is_final, "{error}, pod there: {pod_is_there}");
        }
    }
}
