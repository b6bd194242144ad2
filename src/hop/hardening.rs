//! Keeps a WireGuard key that `net` holds for a moment out of core dumps and other processes' sight.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::HopError;

pub(super) fn forbid_core_dumps() -> Result<(), HopError> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|source| HopError::Setup { what: "turn core dumps off", source: source.into() })
}
