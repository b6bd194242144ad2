//! Windows against a model that keeps everything.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const SECOND: i64 = 1_000_000_000;

fn hit(second: i64, sequence: u64) -> Hit {
    let fingerprint = u32::try_from(sequence).expect("should fit");
    Hit { at: second * SECOND, sequence, shard: 0, fingerprint }
}

fn threshold(count: usize, seconds: u64) -> Threshold {
    Threshold { count, within: Duration::from_secs(seconds) }
}

/// Gives the sequence of the first line for each line that fires.
fn run(threshold: &Threshold, lines: &[(i64, u64)]) -> Vec<Option<u64>> {
    let mut window = Window::default();
    lines.iter().map(|(s, n)| window.count(threshold, hit(*s, *n)).map(|first| first.sequence)).collect()
}

/// Keeps every line since it last fired, and looks at all of them each time.
fn model(threshold: &Threshold, lines: &[(i64, u64)]) -> Vec<Option<u64>> {
    let within = i64::try_from(threshold.within.as_secs()).expect("should fit");
    let mut since: Vec<(i64, u64)> = Vec::new();
    let mut rests_until = i64::MIN;
    let mut verdicts = Vec::new();
    for &(time, sequence) in lines {
        verdicts.push(None);
        if time < rests_until || since.contains(&(time, sequence)) {
            continue;
        }
        since.push((time, sequence));
        let newest = since.iter().map(|(t, _)| *t).max().expect("should have one");
        since.retain(|(t, _)| newest - t <= within);
        if since.len() >= threshold.count {
            // The earliest; among equals the one that came first.
            let first = since.iter().min_by_key(|(t, _)| *t).expect("should have one");
            verdicts.pop();
            verdicts.push(Some(first.1));
            rests_until = newest + within.max(REST.as_secs());
            since.clear();
        }
    }
    verdicts
}

proptest! {
    #[test]
    fn a_window_fires_when_the_model_does(
        count in 1usize..5,
        seconds in 1u64..20,
        steps in prop::collection::vec((prop_oneof![9 => -3i64..15, 1 => 290i64..310], 0u64..40), 0..60),
    ) {
        let threshold = threshold(count, seconds);
        let mut now = 1_000_000;
        let lines: Vec<(i64, u64)> = steps.iter().map(|(step, n)| { now += step; (now, *n) }).collect();
        prop_assert_eq!(run(&threshold, &lines), model(&threshold, &lines));
    }

    #[test]
    fn a_reader_that_starts_at_the_oldest_needed_line_comes_to_the_same_verdicts(
        count in 1usize..5,
        seconds in 1u64..20,
        steps in prop::collection::vec(prop_oneof![9 => 0i64..15, 1 => 290i64..310], 1..60),
        crash in 0usize..60,
    ) {
        let threshold = threshold(count, seconds);
        let mut now = 1_000_000;
        let lines: Vec<(i64, u64)> = (0u64..).zip(&steps).map(|(n, step)| { now += step; (now, n) }).collect();
        let crash = crash.min(lines.len());
        let mut window = Window::default();
        for (s, n) in &lines[..crash] {
            window.count(&threshold, hit(*s, *n));
        }
        let newest = lines[..crash].last().map_or(0, |l| l.0);
        if newest * SECOND >= window.ends_at(&threshold) {
            window = Window::default();
        }
        let next = u64::try_from(crash).expect("should fit");
        let resume = window.needed().map(|l| l.sequence).min().unwrap_or(next).min(next);
        let resume = usize::try_from(resume).expect("should fit");
        let whole = run(&threshold, &lines);
        let resumed = run(&threshold, &lines[resume..]);
        prop_assert_eq!(&whole[crash..], &resumed[crash - resume..]);
    }
}

proptest! {
    #[test]
    fn a_window_is_the_same_after_a_replay_of_lines_that_came_out_of_order(
        count in 1usize..5,
        seconds in 1u64..20,
        steps in prop::collection::vec((prop_oneof![9 => -8i64..15, 1 => 290i64..310], 0u64..40), 1..60),
    ) {
        let threshold = threshold(count, seconds);
        let mut now = 1_000_000;
        let lines: Vec<Hit> = (0u64..)
            .zip(&steps)
            .map(|(sequence, (step, offset))| {
                now += step;
                Hit { sequence, ..hit(now, *offset) }
            })
            .collect();
        let mut window = Window::default();
        for hit in &lines {
            // A straggler from a rest that is over: only who saw that rest can know.
            let rest = window.hits.rest();
            prop_assume!(rest.fired || hit.at >= rest.until);
            window.count(&threshold, *hit);
            let resume = window.needed().map(|hit| hit.sequence).min().unwrap_or(hit.sequence + 1);
            let mut resumed = Window::default();
            for again in &lines[usize::try_from(resume).expect("should fit")..] {
                if again.sequence <= hit.sequence {
                    resumed.count(&threshold, *again);
                }
            }
            prop_assert!(window.needed().eq(resumed.needed()));
            prop_assert_eq!(window.hits.rest().fired, resumed.hits.rest().fired);
        }
    }

    #[test]
    fn a_line_is_missed_once_when_the_model_says_so(
        absent in 1i64..20,
        steps in prop::collection::vec((-4i64..9, any::<bool>()), 0..60),
    ) {
        let mut window = Window::default();
        let (mut now, mut last, mut told) = (1_000_000, None::<(i64, u64)>, false);
        for (sequence, (step, expected)) in (0u64..).zip(steps) {
            now += step;
            if expected {
                window.expect(hit(now, sequence));
                // The newest by its own time; another one arms anew.
                if last.is_none_or(|(at, _)| now > at) {
                    (last, told) = (Some((now, sequence)), false);
                }
            } else {
                let from = window.missed_from(absent * SECOND);
                let missed = window.miss(absent * SECOND, now * SECOND).map(|last| last.sequence);
                let model = last.filter(|(at, _)| !told && now - at >= absent).map(|(_, sequence)| sequence);
                told |= model.is_some();
                prop_assert_eq!(missed, model);
                prop_assert_eq!(missed.is_some(), now * SECOND >= from);
            }
        }
    }
}

#[test]
fn a_line_shipped_twice_counts_once_and_rest_follows_a_verdict() {
    let threshold = threshold(2, 60);
    assert_eq!(
        run(&threshold, &[(0, 1), (0, 1), (30, 2), (31, 3), (329, 4), (330, 5), (331, 6)]),
        [None, None, Some(1), None, None, None, Some(5),]
    );
}

#[test]
fn recovery_forgets_older_lines_only() {
    let threshold = threshold(2, 60);
    let mut window = Window::default();
    window.count(&threshold, hit(10, 1));
    window.count(&threshold, hit(1, 2));
    let mut lines = Window::default();
    lines.count(&threshold, hit(10, 1));
    assert!(lines.settle(5 * SECOND));
    assert!(!lines.settle(10 * SECOND));
    // It fired on lines from before the tunnel worked: the same fault again is a new one.
    assert!(!window.settle(5 * SECOND));
}
