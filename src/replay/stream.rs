//! Records of a shipper (Filebeat's JSON, one a line, as in a file or a topic): the lines of one chain's pods.

use jiff::Timestamp;

use super::{Chain, Record};
use crate::domain::envelope;
use crate::domain::event::{LogEvent, Position};
use crate::domain::rule::Client;

/// The lines of a stream, and what was passed over.
#[derive(Debug, Default)]
pub struct Stream {
    /// The chain's lines.
    pub records: Vec<Record>,
    /// Records of other pods and containers.
    pub others: usize,
    /// Records that are no log lines.
    pub unreadable: usize,
}

impl Stream {
    /// Takes one record as the shipper sent it.
    pub fn take(&mut self, chain: &mut Chain, payload: &[u8], position: Position, received: Option<Timestamp>) {
        match envelope::decode(payload, position, received) {
            Err(_) => self.unreadable += 1,
            Ok(event) => match hop_of(chain, &event) {
                None => self.others += 1,
                Some(hop) => {
                    let is_health = event.container == "health";
                    chain.hops[hop].has_log |= !is_health;
                    self.records.push(Record {
                        time: event.time,
                        hop,
                        is_health,
                        implementation: chain.hops[hop].implementation,
                        pod_uid: event.pod_uid.or(Some(event.pod)).filter(|uid| !uid.is_empty()),
                        file_offset: event.file_offset,
                        text: event.text,
                    });
                }
            },
        }
    }
}

/// Whose line it is, by the pod's name: `<chain>-<hop>-<suffix>`, as the operator names them. There is no cluster to ask.
/// What a Deployment appends is known; before it must be the hop's name whole, for `berlin-exit-entry-…` is the chain
/// `berlin-exit`'s and not `berlin`'s. Pods that something else made may have any suffix.
fn hop_of(chain: &Chain, event: &LogEvent) -> Option<usize> {
    if !Client::reads_container(&event.container) || (!event.namespace.is_empty() && chain.namespace != event.namespace)
    {
        return None;
    }
    let rest = event.pod.strip_prefix(&chain.name)?.strip_prefix('-')?;
    if let Some(name) = of_deployment(rest) {
        return chain.hops.iter().position(|hop| hop.name == name);
    }
    let is = |name: &str| rest == name || rest.strip_prefix(name).is_some_and(|suffix| suffix.starts_with('-'));
    let found = chain.hops.iter().enumerate().filter(|(_, hop)| is(&hop.name));
    // Of the hops "a" and "a-b", the pod "x-a-b-0" is the second's.
    found.max_by_key(|(_, hop)| hop.name.len()).map(|(index, _)| index)
}

/// The Deployment's name of one of its pods' names, `<name>-<hash of the template>-<5 letters>`; none for other pods.
/// Kubernetes makes both of these letters, which spell no word; the hash is a number of 32 bits.
fn of_deployment(pod: &str) -> Option<&str> {
    let is = |part: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&part.len()) && part.bytes().all(|b| b"bcdfghjklmnpqrstvwxz2456789".contains(&b))
    };
    let (rest, suffix) = pod.rsplit_once('-')?;
    let (name, hash) = rest.rsplit_once('-')?;
    (is(hash, 6..=10) && is(suffix, 5..=5)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Shard;
    use crate::domain::testing::policy;
    use crate::domain::types::Implementation;
    use crate::replay::Hop;

    /// Which hop of a chain a pod is taken for.
    fn hop(chain: &str, hops: &[&str], pod: &str) -> Option<String> {
        let hop = |name: &&str| Hop { name: (*name).into(), implementation: Implementation::OpenVpn, has_log: false };
        let mut chain = Chain {
            namespace: "default".into(),
            name: chain.into(),
            policy: policy(),
            paused: false,
            hops: hops.iter().map(hop).collect(),
        };
        let record = serde_json::json!({
            "@timestamp": "2026-11-22T16:25:54Z", "message": "x",
            "kubernetes": {"namespace": "default", "container": {"name": "vpn"}, "pod": {"name": pod, "uid": "u"}},
        });
        let mut stream = Stream::default();
        stream.take(&mut chain, record.to_string().as_bytes(), Position::new(Shard::new("test"), 0), None);
        stream.records.first().map(|record| chain.hops[record.hop].name.clone())
    }

    #[test]
    fn another_chains_pod_is_not_taken_for_ones_own() {
        assert_eq!(hop("berlin", &["exit"], "berlin-exit-entry-7d9c6b5f4d-x2k4p"), None);
        assert_eq!(hop("berlin-exit", &["entry"], "berlin-exit-entry-7d9c6b5f4d-x2k4p").as_deref(), Some("entry"));
        assert_eq!(hop("berlin", &["exit"], "berlin-exits-7d9c6b5f4d-x2k4p"), None);
        assert_eq!(hop("berlin", &["a", "a-b"], "berlin-a-c-7d9c6b5f4d-x2k4p"), None);
    }

    #[test]
    fn a_pod_is_its_hops_whatever_made_it() {
        let pods = [
            "berlin-a-b",
            "berlin-a-b-7d9c6b5f4d-x2k4p",
            "berlin-a-b-f94bdd49d-vr8mz",
            "berlin-a-b-0",
            "berlin-a-b-5d9c7-x2x",
        ];
        for pod in pods {
            assert_eq!(hop("berlin", &["a", "a-b"], pod).as_deref(), Some("a-b"), "{pod}");
        }
        assert_eq!(hop("berlin", &["a", "a-b"], "berlin-a-7d9c6b5f4d-x2k4p").as_deref(), Some("a"));
    }
}
