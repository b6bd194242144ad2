//! What verdicts, evidence and steps mean, in words.

use crate::crd::incident::{StepAction, StepOutcome};
use crate::domain::types::{Evidence, Verdict};

/// What a verdict asks for.
#[must_use]
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Rotate => "other parameters are needed",
        Verdict::Restart => "the same parameters may work after a restart",
        Verdict::Alert => "neither helps: a person must look",
        Verdict::Ignore => "harmless",
        Verdict::Recovered => "the tunnel works",
    }
}

/// Whose fault evidence proves.
#[must_use]
pub fn evidence(evidence: Evidence) -> &'static str {
    match evidence {
        Evidence::Own => "the hop's own server answered, or the fault is inside the pod",
        Evidence::Path => "this hop, or any outer one",
    }
}

/// What a step does.
#[must_use]
pub fn action(action: StepAction) -> &'static str {
    match action {
        StepAction::RotateInPlace => "another candidate, inside the running pod",
        StepAction::RestartInPlace => "the same candidate, loaded anew inside the running pod",
        StepAction::RotateAndRecreate => "another candidate, in a new pod",
        StepAction::Recreate => "the same candidate, in a new pod",
    }
}

/// How a step ended.
#[must_use]
pub fn ended(outcome: StepOutcome) -> &'static str {
    match outcome {
        StepOutcome::Up => "the hop carried traffic",
        StepOutcome::TimedOut => "the hop carried no traffic in time",
        StepOutcome::Failed => "the server refused this candidate too",
    }
}
