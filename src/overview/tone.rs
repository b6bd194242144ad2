//! How good news a state is: what colours it, wherever it is shown.

use crate::crd::chain::{ChainPhase, HopState};
use crate::crd::incident::IncidentPhase;

/// How good news something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not yet, or not for long: something is being done, or waited for.
    Busy,
    /// Not as it should be.
    Bad,
    /// Neither good nor bad, or not known.
    Neutral,
}

impl From<Option<ChainPhase>> for Tone {
    fn from(phase: Option<ChainPhase>) -> Self {
        match phase {
            Some(ChainPhase::Up) => Self::Good,
            Some(ChainPhase::Connecting | ChainPhase::Recovering | ChainPhase::Paused) => Self::Busy,
            Some(ChainPhase::Degraded | ChainPhase::Held | ChainPhase::Invalid) => Self::Bad,
            None => Self::Neutral,
        }
    }
}

impl From<HopState> for Tone {
    fn from(state: HopState) -> Self {
        match state {
            HopState::Up => Self::Good,
            HopState::Connecting | HopState::Recovering => Self::Busy,
            HopState::Suspect | HopState::Held => Self::Bad,
            HopState::Unknown => Self::Neutral,
        }
    }
}

impl From<IncidentPhase> for Tone {
    fn from(phase: IncidentPhase) -> Self {
        match phase {
            IncidentPhase::Recovered => Self::Good,
            IncidentPhase::Acting | IncidentPhase::Verifying | IncidentPhase::Held | IncidentPhase::Detected => {
                Self::Busy
            }
            IncidentPhase::Escalated => Self::Bad,
            IncidentPhase::Suppressed => Self::Neutral,
        }
    }
}
