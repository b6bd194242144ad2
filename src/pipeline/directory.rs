//! Which pods are hops, as the operator itself watches them: the only pods that lines can be evidence about.
//!
//! Filled by the controller's watches; read by the pipeline. Cheap to clone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::event::{HopIdentity, LogEvent};
use crate::domain::types::HopId;

/// Pods by UID, and by name for shippers that know no UID.
#[derive(Clone, Debug)]
pub struct HopDirectory {
    pods: Arc<RwLock<Pods>>,
    synced: Arc<watch::Sender<bool>>,
    /// Grows with each change.
    version: Arc<watch::Sender<u64>>,
}

#[derive(Debug, Default)]
struct Pods {
    by_uid: HashMap<String, Arc<HopIdentity>>,
    uid_by_name: HashMap<(String, String), String>,
    /// Since when those run that do: they should be heard.
    running_since: HashMap<String, Timestamp>,
}

impl Default for HopDirectory {
    fn default() -> Self {
        Self {
            pods: Arc::default(),
            synced: Arc::new(watch::Sender::new(false)),
            version: Arc::new(watch::Sender::new(0)),
        }
    }
}

impl HopDirectory {
    /// An empty directory, not yet in sync.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pod, or says what it runs now.
    pub fn insert(&self, hop: HopIdentity) {
        let mut pods = self.pods.write().unwrap_or_else(PoisonError::into_inner);
        pods.uid_by_name.insert((hop.id.namespace.clone(), hop.pod_name.clone()), hop.pod_uid.clone());
        pods.by_uid.insert(hop.pod_uid.clone(), Arc::new(hop));
        drop(pods);
        self.version.send_modify(|version| *version += 1);
    }

    /// Says since when a pod that is known runs, so that lines of it should come; none when it does not.
    pub fn set_running(&self, pod_uid: &str, since: Option<Timestamp>) {
        let mut pods = self.pods.write().unwrap_or_else(PoisonError::into_inner);
        match since.filter(|_| pods.by_uid.contains_key(pod_uid)) {
            Some(since) => pods.running_since.insert(pod_uid.to_owned(), since),
            None => pods.running_since.remove(pod_uid),
        };
    }

    /// The UIDs of the pods that run since before a time.
    pub fn running_since(&self, before: Timestamp) -> BTreeSet<String> {
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        pods.running_since.iter().filter(|(_, since)| **since <= before).map(|(uid, _)| uid.clone()).collect()
    }

    /// Removes a pod that is gone.
    pub fn remove(&self, pod_uid: &str) {
        let mut pods = self.pods.write().unwrap_or_else(PoisonError::into_inner);
        pods.running_since.remove(pod_uid);
        if let Some(hop) = pods.by_uid.remove(pod_uid) {
            let name = (hop.id.namespace.clone(), hop.pod_name.clone());
            // A successor may have the name already.
            if pods.uid_by_name.get(&name).is_some_and(|uid| uid == pod_uid) {
                pods.uid_by_name.remove(&name);
            }
        }
        drop(pods);
        self.version.send_modify(|version| *version += 1);
    }

    /// Whether a pod is known.
    pub fn knows(&self, pod_uid: &str) -> bool {
        self.pods.read().unwrap_or_else(PoisonError::into_inner).by_uid.contains_key(pod_uid)
    }

    /// Says when something was added or removed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Every hop that has a pod.
    pub fn hops(&self) -> HashSet<HopId> {
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        pods.by_uid.values().map(|hop| hop.id.clone()).collect()
    }

    /// The hop of a pod.
    pub fn get(&self, pod_uid: &str) -> Option<Arc<HopIdentity>> {
        self.pods.read().unwrap_or_else(PoisonError::into_inner).by_uid.get(pod_uid).cloned()
    }

    /// The hop that wrote an event: by UID, or by namespace and name where the shipper gave no UID.
    pub fn find(&self, event: &LogEvent) -> Option<Arc<HopIdentity>> {
        if let Some(uid) = &event.pod_uid {
            return self.get(uid);
        }
        let pods = self.pods.read().unwrap_or_else(PoisonError::into_inner);
        let uid = pods.uid_by_name.get(&(event.namespace.clone(), event.pod.clone()))?;
        pods.by_uid.get(uid).cloned()
    }

    /// How many pods are known.
    pub fn len(&self) -> usize {
        self.pods.read().unwrap_or_else(PoisonError::into_inner).by_uid.len()
    }

    /// True when no pod is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Says that every pod that exists is in: the watch has listed them.
    pub fn set_synced(&self) {
        self.synced.send_replace(true);
    }

    /// Waits for [`Self::set_synced`].
    pub async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        synced.wait_for(|synced| *synced).await.expect("should not be closed: self holds the sender");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::engine::tests::{event, hop};

    #[test]
    fn a_pod_is_found_by_uid_or_by_name_but_never_by_name_against_its_uid() {
        let directory = HopDirectory::new();
        directory.insert(hop());
        let mut line = event(1, "x");
        assert!(directory.find(&line).is_some());
        line.pod_uid = None;
        assert!(directory.find(&line).is_some());
        line.pod_uid = Some("another".into());
        assert!(directory.find(&line).is_none());
    }

    #[test]
    fn a_successor_keeps_its_name_when_the_predecessor_goes() {
        let directory = HopDirectory::new();
        directory.insert(hop());
        directory.insert(HopIdentity { pod_uid: "uid-2".into(), ..hop() });
        directory.remove("uid-1");
        let mut line = event(1, "x");
        line.pod_uid = None;
        assert_eq!(directory.find(&line).map(|h| h.pod_uid.clone()).as_deref(), Some("uid-2"));
        directory.remove("uid-2");
        assert!(directory.is_empty() && directory.find(&line).is_none());
    }

    #[test]
    fn a_pod_runs_from_its_start_until_it_stops_or_goes() {
        let directory = HopDirectory::new();
        directory.insert(hop());
        let at = |second| Timestamp::from_second(second).expect("should be a time");
        let running = |before| directory.running_since(at(before)).into_iter().collect::<Vec<_>>();
        directory.set_running("uid-1", Some(at(10)));
        directory.set_running("of no hop", Some(at(10)));
        assert_eq!((running(9), running(10)), (vec![], vec!["uid-1".to_owned()]));
        directory.set_running("uid-1", None);
        assert!(running(10).is_empty());
        directory.set_running("uid-1", Some(at(10)));
        directory.remove("uid-1");
        assert!(running(10).is_empty());
    }
}
