//! Whose turn it is: scenarios run side by side, each in a lane of the lab with VPN servers and candidates of its own. One
//! that breaks what all share (Kafka, the Vault, the API server) has the lab to itself.
//!
//! The locks are files, so they hold between processes too: the runner of `make test` takes the same one for the Kafka tests.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::lab::{self, LANES, Lane};

/// How the scenarios are started: the one that needs the lab for itself first, then the long ones, so that all end at about
/// the same time. A name that is missing here comes last.
const ORDER: [&str; 27] = [
    "outages", "helm", "evidence", "crash", "external", "tutorial", "leaks", "ladder", "reboot", "moves", "recreate",
    "rotation", "leaders", "terminal", "silence", "howto", "rules", "links", "outage", "budget", "canary", "segments",
    "deleted", "version", "refusal", "modes", "rights",
];

/// What a scenario needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Any lane.
    Lane,
    /// This one lane: what runs in it can't run beside another one that needs the same.
    ThisLane(Lane),
    /// Nothing else may run.
    Lab,
}

/// When the first scenario of this process asked for its turn.
static BEGAN: OnceLock<Timestamp> = OnceLock::new();

/// The scenarios that have passed in this process.
static PASSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// When the scenarios of this process began.
pub fn began() -> Timestamp {
    *BEGAN.get_or_init(Timestamp::now)
}

/// The scenarios but `except` that have not passed in this process.
pub fn not_passed(except: &str) -> Vec<&'static str> {
    let passed = PASSED.lock().expect("nobody should panic here");
    ORDER.into_iter().filter(|name| *name != except && !passed.iter().any(|p| p == name)).collect()
}

/// Held while a scenario runs.
pub struct Turn {
    pub lane: Lane,
    pub name: String,
    began: Instant,
    _locks: [File; 2],
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            PASSED.lock().expect("nobody should panic here").push(self.name.clone());
        }
        println!("{}: {:.0} s in lane {}", self.name, self.began.elapsed().as_secs_f64(), self.lane.number());
    }
}

/// The scenarios of this process that wait, by their places in [`ORDER`].
static WAITING: Mutex<Vec<Waiting>> = Mutex::new(Vec::new());

/// Before whom others that wait come, and what they need.
type Waiting = (usize, String, Need);

/// Waits for the turn of the scenario `name`.
pub async fn turn(name: &str, need: Need) -> Turn {
    began();
    let me = (ORDER.iter().position(|known| *known == name).unwrap_or(ORDER.len()), name.to_owned(), need);
    waiting(|all| all.push(me.clone()));
    let locks = loop {
        // The first look comes after every test that was started beside this one has said that it waits.
        tokio::time::sleep(Duration::from_millis(100)).await;
        // Who needs the whole lab is not overtaken, or it would wait for ever; nor is anybody whom every lane suits.
        let mine = waiting(|all| !all.iter().any(|other| *other < me && !matches!(other.2, Need::ThisLane(_))));
        if mine && let Some(locks) = locked(need) {
            break locks;
        }
    };
    waiting(|all| all.retain(|other| *other != me));
    let (lane, locks) = locks;
    Turn { lane, name: name.to_owned(), began: Instant::now(), _locks: locks }
}

fn waiting<T>(look: impl FnOnce(&mut Vec<Waiting>) -> T) -> T {
    look(&mut WAITING.lock().expect("nobody should panic here"))
}

/// The lab, shared or not, and a lane; they are free again when the files are closed.
fn locked(need: Need) -> Option<(Lane, [File; 2])> {
    let lab = file("shared");
    let taken = if need == Need::Lab { lab.try_lock() } else { lab.try_lock_shared() };
    taken.ok()?;
    let fits = |lane: &Lane| !matches!(need, Need::ThisLane(wanted) if wanted != *lane);
    // From the last one on: the first is the one that some can't do without.
    LANES
        .into_iter()
        .rev()
        .filter(fits)
        .find_map(|lane| {
            let lock = file(&format!("lane{}", lane.number()));
            lock.try_lock().ok()?;
            Some((lane, lock))
        })
        .map(|(lane, lock)| (lane, [lock, lab]))
}

fn file(name: &str) -> File {
    let path: PathBuf = lab::dir().join("run").join(format!("{name}.lock"));
    // Not truncated, never removed: it is the file itself that is locked.
    let opened = File::options().create(true).truncate(false).write(true).open(&path);
    opened.unwrap_or_else(|error| panic!("the lab is not up: {}: {error}; run `make lab-up`", path.display()))
}
