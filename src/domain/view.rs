//! What the reconciler knows of one chain at one moment: the input of attribution and decision.
//!
//! Made from Kubernetes objects by `controller::view`, from success markers and health lines by a replay.

use jiff::{SignedDuration, Timestamp};

use super::types::{CandidateRef, Evidence, Verdict};

/// One chain at one moment.
#[derive(Clone, Debug)]
pub struct ChainView {
    /// The moment.
    pub now: Timestamp,
    /// Repairs are switched off.
    pub paused: bool,
    /// What may be done, and how often.
    pub policy: Policy,
    /// The hops, entry first.
    pub hops: Vec<HopView>,
    /// The incidents of the chain, open and recently closed.
    pub incidents: Vec<IncidentView>,
}

/// The chain's `recovery` section.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Whether a running pod may load parameters.
    pub in_place: bool,
    /// Whether a pod may be made anew.
    pub recreate: bool,
    /// Whether further candidates are tried.
    pub next_candidate: bool,
    /// How long a step has to bring the tunnel up.
    pub verify_within: SignedDuration,
    /// The shortest time between repairs of one hop.
    pub cooldown: SignedDuration,
    /// The most steps on one hop within `budget_per`.
    pub budget_actions: usize,
    /// See `budget_actions`.
    pub budget_per: SignedDuration,
}

/// One hop.
#[derive(Clone, Debug)]
pub struct HopView {
    /// Its name.
    pub name: String,
    /// Its pod, when there is exactly one that is not being deleted.
    pub pod: Option<PodView>,
    /// The desired state: what the hop's Secret says.
    pub desired: Option<Desired>,
    /// Whether its pod has that too.
    pub delivery: Delivery,
}

impl HopView {
    /// Whether the hop's pod says that its tunnel carries traffic.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.pod.as_ref().is_some_and(|p| p.ready)
    }
}

/// A hop's pod.
#[derive(Clone, Debug)]
pub struct PodView {
    /// Its UID.
    pub uid: String,
    /// Its Ready condition.
    pub ready: bool,
    /// When that condition last changed (whole seconds: Kubernetes rounds down).
    pub ready_since: Timestamp,
    /// The template's `recreate` counter that it was made from.
    pub recreate: u64,
}

/// How far what a hop's Secret says has come on its way by the kubelet into the hop's pod, and word of that back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Not known: it is taken to be there since it was written.
    #[default]
    Unknown,
    /// The pod does not have it.
    Pending,
    /// The pod has it since that time.
    Since(Timestamp),
    /// The hop says that it carries traffic with it; its pod may not be Ready in Kubernetes yet.
    Working,
}

/// What a hop's Secret says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The candidate in use.
    pub candidate: CandidateRef,
    /// When it was written.
    pub applied_at: Timestamp,
    /// Reload counter.
    pub revision: u64,
    /// Recreation counter.
    pub recreate: u64,
}

/// One incident.
#[derive(Clone, Debug)]
pub struct IncidentView {
    /// Its name.
    pub name: String,
    /// The hop that it accuses.
    pub hop: String,
    /// The pod that its evidence names.
    pub pod_uid: String,
    /// The candidate in use when the lines were logged.
    pub candidate: CandidateRef,
    /// What the rule says should be done.
    pub verdict: Verdict,
    /// Whose fault the lines prove.
    pub evidence: Evidence,
    /// The time of the line that made the verdict.
    pub last_line: Timestamp,
    /// Where its recovery stands.
    pub phase: Phase,
    /// While it is held as a symptom: the outer hop at fault.
    pub cause: Option<String>,
    /// Steps taken, oldest first.
    pub steps: Vec<StepView>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Escalated because several hops were refused together: the account must rest.
    pub is_account: bool,
}

/// Where a recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not judged yet, or held: judged again at every reconcile.
    Open,
    /// A step is recorded, its objects may not be written yet.
    Acting,
    /// A step is done; waiting for the tunnel.
    Verifying,
    /// Closed without need of a person.
    Closed,
    /// Closed for a person to look at.
    Escalated,
}

/// A recovery's step.
#[derive(Clone, Debug)]
pub struct StepView {
    /// What was done.
    pub kind: StepKind,
    /// The candidate in use after it.
    pub candidate: CandidateRef,
    /// The recreate counter after it.
    pub recreate: u64,
    /// The hop's `ready_since` when the step was decided, if it said Ready then.
    pub ready_before: Option<Timestamp>,
    /// When it was decided.
    pub started_at: Timestamp,
    /// When its objects were written.
    pub applied_at: Option<Timestamp>,
    /// How it ended, once it has.
    pub ended: Option<StepEnd>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// The hop carried traffic.
    Up,
    /// Not within the time.
    TimedOut,
    /// The server refused the step's own candidate.
    Failed,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// Another candidate, inside the running pod.
    RotateInPlace,
    /// The same candidate, loaded anew inside the running pod.
    RestartInPlace,
    /// Another candidate, in a new pod.
    RotateAndRecreate,
    /// The same candidate, in a new pod.
    Recreate,
}

impl StepKind {
    /// Whether the step needs another candidate.
    #[must_use]
    pub fn rotates(self) -> bool {
        matches!(self, Self::RotateInPlace | Self::RotateAndRecreate)
    }
    /// Whether the step makes the pod anew.
    #[must_use]
    pub fn recreates(self) -> bool {
        matches!(self, Self::RotateAndRecreate | Self::Recreate)
    }
}
