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
fn hop_of(chain: &Chain, event: &LogEvent) -> Option<usize> {
    if !Client::reads_container(&event.container) || (!event.namespace.is_empty() && chain.namespace != event.namespace)
    {
        return None;
    }
    let rest = event.pod.strip_prefix(&chain.name)?.strip_prefix('-')?;
    let is = |name: &str| rest == name || rest.strip_prefix(name).is_some_and(|suffix| suffix.starts_with('-'));
    let found = chain.hops.iter().enumerate().filter(|(_, hop)| is(&hop.name));
    // Of the hops "a" and "a-b", the pod "x-a-b-0" is the second's.
    found.max_by_key(|(_, hop)| hop.name.len()).map(|(index, _)| index)
}
