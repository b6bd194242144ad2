//! Two rule sets on the same lines: which decisions the new one adds, drops or makes otherwise.

use super::report::aligned;
use super::{Decided, Replayed};

/// What became of a decision of the old rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only the new rules make it.
    Added,
    /// Only the old rules make it.
    Dropped,
}

/// The decisions that only one of two replays has, in order of time; the same decision at another time is one of each.
#[must_use]
pub fn compare<'a>(old: &'a Replayed, new: &'a Replayed) -> Vec<(Change, &'a Decided)> {
    let mut left: Vec<&Decided> = old.decisions.iter().collect();
    let mut changes: Vec<(Change, &Decided)> = Vec::new();
    for decided in &new.decisions {
        match left.iter().position(|known| printed(known) == printed(decided)) {
            Some(found) => {
                left.remove(found);
            }
            None => changes.push((Change::Added, decided)),
        }
    }
    changes.extend(left.into_iter().map(|decided| (Change::Dropped, decided)));
    changes.sort_by_key(|(change, decided)| (decided.time, *change == Change::Added));
    changes
}

/// All that a decision is to a reader: not its title, which says the same in other words.
fn printed(decided: &Decided) -> impl PartialEq + '_ {
    let Decided { time, hop, verdict, rule, evidence, cause, action, title: _, since: _ } = decided;
    (time, hop, verdict, rule, evidence, cause, action)
}

/// The differences for people.
#[must_use]
pub fn text(changes: &[(Change, &Decided)]) -> String {
    if changes.is_empty() {
        return "the two rule sets decide the same\n".to_owned();
    }
    let header = ["", "time", "hop", "action", "cause", "rule"].map(str::to_owned);
    let row = |(change, decided): &(Change, &Decided)| {
        [
            if *change == Change::Added { "+" } else { "-" }.to_owned(),
            decided.time.to_string(),
            decided.hop.clone(),
            decided.action.to_string(),
            decided.cause.clone().unwrap_or_else(|| "-".into()),
            decided.rule.clone(),
        ]
    };
    aligned(std::iter::once(header).chain(changes.iter().map(row)))
}

impl Change {
    /// How the change is named in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Dropped => "dropped",
        }
    }
}
