//! Which part of which file has arrived in Kafka, kept in a file over restarts: written only after the broker has acknowledged,
//! so a crash repeats lines and loses none.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// The progress in one file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Everything before this byte has been acknowledged.
    pub(crate) offset: u64,
    /// The file's first bytes: another file with the same inode differs in the time it starts with.
    pub(crate) head: String,
    /// For the reader of the registry.
    pub(crate) path: String,
}

/// All progress.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// Stands for this shipper in its events.
    pub(crate) agent_id: String,
    files: BTreeMap<String, Entry>,
    #[serde(skip)]
    place: PathBuf,
    #[serde(skip)]
    changed: bool,
}

impl Registry {
    /// Reads the registry, or begins one.
    pub(crate) fn open(place: &Path) -> io::Result<Self> {
        let mut registry: Self = match fs::read(place) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Self::default(),
            Err(e) => return Err(e),
        };
        registry.place = place.to_owned();
        if registry.agent_id.is_empty() {
            registry.agent_id = random_uuid()?;
            registry.changed = true;
        }
        Ok(registry)
    }

    /// Where to go on in this file.
    pub(crate) fn offset(&self, key: &str, head: &str) -> u64 {
        self.files.get(key).filter(|e| head.starts_with(&e.head)).map_or(0, |e| e.offset)
    }

    /// The broker has everything before the offset.
    pub(crate) fn acknowledged(&mut self, key: &str, entry: Entry) {
        self.files.insert(key.to_owned(), entry);
        self.changed = true;
    }

    /// The file is gone and will not come back.
    pub(crate) fn forget(&mut self, key: &str) {
        self.changed |= self.files.remove(key).is_some();
    }

    /// Writes what changed, by renaming a complete file into place.
    pub(crate) fn save(&mut self) -> io::Result<()> {
        if self.changed {
            let new = self.place.with_extension("new");
            fs::write(&new, serde_json::to_vec(self)?)?;
            fs::rename(&new, &self.place)?;
            self.changed = false;
        }
        Ok(())
    }
}

/// An identity, from the kernel.
pub(crate) fn random_uuid() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_survives_a_restart_and_belongs_to_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("registry.json");
        let mut registry = Registry::open(&place).unwrap();
        let id = registry.agent_id.clone();
        registry.acknowledged("1-2", Entry { offset: 77, head: "2026-01-02".into(), path: "x".into() });
        registry.save().unwrap();
        let mut registry = Registry::open(&place).unwrap();
        assert_eq!(registry.agent_id, id);
        assert_eq!(registry.offset("1-2", "2026-01-02T03"), 77);
        assert_eq!(registry.offset("1-2", "2027-01-02T03"), 0, "the inode was used again");
        assert_eq!(registry.offset("1-3", "2026-01-02T03"), 0);
        registry.forget("1-2");
        registry.save().unwrap();
        assert_eq!(Registry::open(&place).unwrap().offset("1-2", "2026-01-02T03"), 0);
    }
}
