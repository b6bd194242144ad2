//! The hop's Secret as the kubelet mounts it, and when it changes.
//!
//! Polled, not watched: the kubelet swaps a symlink, after which an inotify watch looks at the old directory, and
//! three `stat` calls each tenth of a second cost nothing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::HopError;
use crate::domain::plan::{CONFIG_FILE, HopPlan};

/// The link by which the kubelet swaps all files at once.
const SWAPPED: &str = "..data";

/// What was mounted at one time.
pub(super) struct Parameters {
    pub(super) plan: HopPlan,
    pub(super) config: SecretString,
    fingerprint: [u8; 32],
    /// When the files last changed.
    pub(super) changed_at: SystemTime,
}

impl Parameters {
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

pub(super) struct Mount {
    plan: PathBuf,
    seen: Vec<Option<(u64, i64, i64)>>,
}

impl Mount {
    pub(super) fn new(plan: &Path) -> Self {
        Self { plan: plan.into(), seen: Vec::new() }
    }

    /// What is mounted now.
    pub(super) fn read(&mut self) -> Result<Parameters, HopError> {
        loop {
            let before = self.signature();
            let parameters = self.read_once();
            if self.signature() == before {
                self.seen = before;
                return parameters;
            }
        }
    }

    /// Whether something has changed since the last [`read`](Self::read).
    pub(super) fn is_changed(&self) -> bool {
        self.signature() != self.seen
    }

    fn directory(&self) -> &Path {
        self.plan.parent().unwrap_or(Path::new("/"))
    }

    fn read_once(&self) -> Result<Parameters, HopError> {
        let directory = self.directory();
        let plan = read(&self.plan)?;
        let config = read(&directory.join(CONFIG_FILE))?;
        let mut hash = Sha256::new();
        for text in [&plan, &config] {
            hash.update(text.expose_secret().len().to_le_bytes());
            hash.update(text.expose_secret());
        }
        Ok(Parameters {
            plan: serde_json::from_str(plan.expose_secret())
                .map_err(|source| HopError::Plan { path: self.plan.clone(), source })?,
            config,
            fingerprint: hash.finalize().into(),
            changed_at: self.changed_at(),
        })
    }

    fn paths(&self) -> [PathBuf; 3] {
        let directory = self.directory();
        [directory.join(SWAPPED), self.plan.clone(), directory.join(CONFIG_FILE)]
    }

    fn signature(&self) -> Vec<Option<(u64, i64, i64)>> {
        let of = |metadata: fs::Metadata| (metadata.ino(), metadata.ctime(), metadata.ctime_nsec());
        let [swapped, files @ ..] = self.paths();
        let files = files.map(|path| fs::metadata(path).ok().map(of));
        std::iter::once(fs::symlink_metadata(swapped).ok().map(of)).chain(files).collect()
    }

    fn changed_at(&self) -> SystemTime {
        let newest = self.signature().into_iter().flatten().map(|(_, seconds, nanoseconds)| {
            Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0))
        });
        SystemTime::UNIX_EPOCH + newest.max().unwrap_or_default()
    }
}

fn read(path: &Path) -> Result<SecretString, HopError> {
    fs::read_to_string(path)
        .map(SecretString::from)
        .map_err(|source| HopError::Read { path: path.to_path_buf(), source })
}
