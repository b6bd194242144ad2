//! Which parameters a client's line is about, by what the hop's health sidecar says that the client runs with.
//!
//! The sidecar says since when, by the clock that stamps the client's lines too: once it has spoken, no clocks are compared
//! and nothing is guessed. Times are nanoseconds.

const SECOND: i64 = 1_000_000_000;
/// How far clocks may differ that should agree; and, where the sidecar does not say since when, how long after the
/// parameters were written lines may still be about others.
pub(super) const SETTLING: i64 = 3 * SECOND;
/// The sidecar speaks at least so often.
const SPEAKS_EVERY: i64 = 5 * SECOND;
/// What it said last stands for so long.
const STANDS: i64 = 60 * SECOND;
/// The kubelet looks each minute or so whether a mounted Secret has changed. Younger parameters may not be in use yet.
const MOUNTED: i64 = 120 * SECOND;
/// A guess, where the sidecar stays silent about younger ones: after so long they are in use.
const TAKES_EFFECT: i64 = 20 * SECOND;
/// No time that is known.
const NEVER: i64 = i64::MAX;

/// What a health line says that the client runs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// No client has taken parameters yet since the pod was made.
    Nothing,
    /// Others.
    Others,
    /// These, since that time where it is told.
    These(Option<i64>),
}

/// The last of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Unheard,
    Nothing,
    Others,
    These,
}

/// What is known of when a client runs with one set of parameters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    /// When they were written, by the operator's clock.
    applied_at: i64,
    /// When the sidecar last spoke of it.
    said_at: i64,
    /// Since when the client runs with them.
    since: i64,
    last: Last,
}

impl Word {
    pub(super) fn new(applied_at: i64) -> Self {
        Self { applied_at, said_at: i64::MIN, since: NEVER, last: Last::Unheard }
    }

    pub(super) fn applied_at(&self) -> i64 {
        self.applied_at
    }

    /// The sidecar speaks. What is older than the parameters says nothing about them.
    pub(super) fn hear(&mut self, at: i64, said: Said) {
        if at < self.applied_at || at < self.said_at {
            return;
        }
        self.last = match said {
            // It does so too where it cannot read what it knew.
            Said::Nothing if matches!(self.last, Last::Others | Last::These) => return,
            Said::Nothing => Last::Nothing,
            Said::Others => Last::Others,
            Said::These(since) => {
                // A clock that was put back makes that no later than the line that says so.
                let since = since.map_or(self.applied_at.saturating_add(SETTLING), |since| since.min(at));
                self.since = self.since.min(since);
                Last::These
            }
        };
        self.said_at = at;
    }

    /// Whether what the client wrote at that time is about these parameters. None while it is uncertain: what the sidecar
    /// says next will tell.
    pub(super) fn is_about(&self, at: i64) -> Option<bool> {
        // A line that it wrote before the client changed over may come after it.
        let was_heard_after = at.saturating_add(SPEAKS_EVERY) <= self.said_at;
        match self.last {
            Last::These => Some(at >= self.since),
            _ if at.saturating_add(SETTLING) < self.applied_at => Some(false),
            // The client has moved on: the news of what it should run with now is late.
            Last::Others if self.stands(at) && self.since != NEVER => (at < self.since).then_some(false),
            Last::Others if self.stands(at) => was_heard_after.then_some(false),
            Last::Nothing if self.stands(at) => was_heard_after.then(|| self.is_in_effect(at)),
            _ => (at >= self.applied_at.saturating_add(MOUNTED)).then_some(true),
        }
    }

    /// The same where nothing more is to be waited for.
    pub(super) fn guess(&self, at: i64) -> bool {
        let says_others = self.last == Last::Others && self.stands(at);
        self.is_about(at).unwrap_or(!says_others && self.is_in_effect(at))
    }

    fn stands(&self, at: i64) -> bool {
        at.saturating_sub(self.said_at) <= STANDS
    }

    fn is_in_effect(&self, at: i64) -> bool {
        at >= self.applied_at.saturating_add(TAKES_EFFECT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parameters that were written at second 0, and what the sidecar said of them, by the second.
    fn word(said: &[(i64, Said)]) -> Word {
        let mut word = Word::new(0);
        said.iter().for_each(|(second, said)| word.hear(second * SECOND, *said));
        word
    }

    fn these(second: i64) -> Said {
        Said::These(Some(second * SECOND))
    }

    /// What is certain of lines of these seconds.
    fn certain<const N: usize>(word: &Word, seconds: [i64; N]) -> [Option<bool>; N] {
        seconds.map(|second| word.is_about(second * SECOND))
    }

    #[test]
    fn what_the_sidecar_says_is_exact_to_both_sides() {
        let word = word(&[(2, Said::Others), (8, these(7))]);
        assert_eq!(
            certain(&word, [-1, 0, 6, 7, 8, 1_000]),
            [Some(false), Some(false), Some(false), Some(true), Some(true), Some(true)]
        );
        assert_eq!(word.is_about(7 * SECOND - 1), Some(false));
    }

    #[test]
    fn a_line_is_uncertain_until_the_sidecar_speaks_and_only_while_its_parameters_are_young() {
        let lines = [-4, -3, 0, 19, 119, 120];
        assert_eq!(certain(&word(&[]), lines), [Some(false), None, None, None, None, Some(true)]);
        assert_eq!(lines.map(|second| word(&[]).guess(second * SECOND)), [false, false, false, false, true, true]);
        assert!(word(&[]).guess(20 * SECOND));
    }

    #[test]
    fn while_the_client_runs_others_the_sidecars_next_word_is_waited_for() {
        let others = word(&[(10, Said::Others)]);
        assert_eq!(certain(&others, [5, 6, 10, 70, 71, 130]), [Some(false), None, None, None, None, Some(true)]);
        assert_eq!([10, 70, 71].map(|second| others.guess(second * SECOND)), [false, false, true]);
    }

    #[test]
    fn a_client_that_has_moved_on_wrote_nothing_since_that_is_certainly_about_these() {
        let moved_on = word(&[(8, these(7)), (300, Said::Others)]);
        assert_eq!(certain(&moved_on, [6, 7, 299, 301]), [Some(false), None, None, None]);
        assert!(!moved_on.guess(299 * SECOND));
    }

    #[test]
    fn a_client_that_never_took_parameters_is_judged_by_their_age() {
        let nothing = word(&[(30, Said::Nothing)]);
        assert_eq!(certain(&nothing, [19, 20, 25, 26]), [Some(false), Some(true), Some(true), None]);
        // One that cannot read any more what it knew takes nothing back.
        assert_eq!(certain(&word(&[(8, these(7)), (9, Said::Nothing)]), [6, 7]), [Some(false), Some(true)]);
    }

    #[test]
    fn a_sidecar_that_does_not_say_since_when_leaves_three_seconds_in_doubt() {
        assert_eq!(certain(&word(&[(8, Said::These(None))]), [0, 2, 3]), [Some(false), Some(false), Some(true)]);
    }

    #[test]
    fn of_clocks_that_jump_the_earlier_time_counts() {
        // It was put back by a minute just after the client had changed over.
        let word = word(&[(10, these(70)), (15, these(70))]);
        assert_eq!(certain(&word, [9, 10, 12]), [Some(false), Some(true), Some(true)]);
    }

    #[test]
    fn what_comes_late_or_is_older_than_the_parameters_says_nothing() {
        let word = word(&[(-1, these(-5)), (8, these(7)), (5, Said::Others)]);
        assert_eq!(certain(&word, [6, 7]), [Some(false), Some(true)]);
    }
}
