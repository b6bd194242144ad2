//! Packets beside the tunnels: attempts to send some, and a capture that would show them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::task::JoinHandle;

use crate::chain::Chain;
use crate::lab::{self, Capture, LANES, Lane};

/// Sends without pause what a hop must not let out, from within the namespace of every hop of the lane, as root and as the
/// client's user: to the web server, and to VPN servers on other ports. From the moment that there is a tunnel device: until
/// then nothing runs in the pod but the first command of `net init`, which loads the kill switch. Ends when dropped.
pub struct Leaker {
    child: Child,
    stop: PathBuf,
}

impl Leaker {
    /// Begins.
    pub fn start(lane: Lane) -> Self {
        let of_lane = |kind: &str| lab::dir().join(format!("run/leaker{}.{kind}", lane.number()));
        let (stop, attempts) = (of_lane("stop"), of_lane("sh"));
        let _ = std::fs::remove_file(&stop);
        let lines = format!(
            "for t in 198.51.100.80/53 {}/5000 {}/443; do echo leak >/dev/udp/$t; done\n\
             timeout 0.2 bash -c 'echo >/dev/tcp/198.51.100.80/80'\n\
             echo leak >/dev/udp/fe80::1%eth0/53\n",
            lane.address(11),
            lane.address(21),
        );
        std::fs::write(&attempts, lines).expect("the script should be written");
        let script = format!(
            "A=$(cat {attempts}); while [ ! -e {stop} ] && [ -e /proc/{tests} ]; do for n in /run/netns/*; do \
             a=$(nsenter --net=$n /usr/sbin/ip -4 -o addr) && [[ $a = *' {links}'* ]] || continue; \
             nsenter --net=$n /usr/sbin/ip link show tun0 >/dev/null 2>&1 || continue; \
             for u in 0 65534; do nsenter --net=$n setpriv --reuid $u --clear-groups bash -c \"$A\"; done; done; sleep 0.05; done",
            links = lane.link_prefix(),
            tests = std::process::id(),
            stop = stop.display(),
            attempts = attempts.display(),
        );
        let child = Command::new(lab::root().join("tests/lab/lab.sh"))
            .args(["node", "bash", "-c", &script])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the attempts should start");
        Self { child, stop }
    }
}

impl Drop for Leaker {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.stop, "");
        let _ = self.child.wait();
    }
}

/// What passes beside the tunnels of all lanes, where pods meet the cluster network and where the node meets the internet.
pub struct Outside {
    captures: [Capture; 2],
}

/// Begins to look.
pub fn outside(name: &str) -> Outside {
    let cluster = Capture::start(name, "any", &format!("({}) or ({})", of(&[PODS]), IPV6));
    // Also what nobody has given the node's address: a packet from a link, which no pod should have forwarded.
    let internet = Capture::start(
        &format!("{name}-inet"),
        "inet0",
        &format!("ip and dst net 198.51.100.0/24 and not ({})", tunnels()),
    );
    Outside { captures: [cluster, internet] }
}

impl Outside {
    /// Ends: one line a packet.
    pub fn stop(self) -> Vec<String> {
        self.captures.into_iter().flat_map(Capture::stop).collect()
    }

    /// What was seen so far: one line a packet.
    pub fn so_far(&self) -> Vec<String> {
        self.captures.iter().flat_map(Capture::so_far).collect()
    }
}

const PODS: &str = "10.244.0.0/24";
const LINKS: &str = "198.18.0.0/15";
/// What interfaces say of themselves when they come up (multicast) is the kernel's, before anything of the pod runs.
const IPV6: &str = "ip6 and not dst net ff00::/8 and not host ::1";

/// The filter for such packets on a hop's own interface.
pub fn beside_the_tunnels() -> String {
    format!("({}) or ({IPV6})", of(&[PODS, LINKS]))
}

fn of(sources: &[&str]) -> String {
    let sources: Vec<_> = sources.iter().map(|net| format!("src net {net}")).collect();
    format!("ip and ({}) and not ({})", sources.join(" or "), tunnels())
}

/// An entry hop's own packets to a VPN server of its lane or of another; and that a client which has gone is not there.
fn tunnels() -> String {
    let hosts: Vec<_> =
        LANES.iter().flat_map(|l| [11, 21].map(|last| format!("dst host {}", l.address(last)))).collect();
    format!("({}) and (dst port 1194 or icmp[icmptype] == icmp-unreach)", hosts.join(" or "))
}

/// The addresses of a chain's pods, also of those to come, gathered until it is dropped: where other pods are on the network too.
pub struct Senders {
    seen: Arc<Mutex<BTreeSet<String>>>,
    /// How the addresses on its links begin.
    links: String,
    task: JoinHandle<()>,
}

impl Senders {
    /// Begins to gather them.
    pub fn of(chain: &Chain) -> Self {
        let (seen, pods) = (Arc::<Mutex<BTreeSet<String>>>::default(), chain.api::<Pod>());
        let gathered = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut events = pin!(watcher(pods, watcher::Config::default()));
            while let Some(event) = events.next().await {
                let Ok(Event::Apply(pod) | Event::InitApply(pod) | Event::Delete(pod)) = event else { continue };
                let address = pod.status.and_then(|status| status.pod_ip);
                gathered.lock().expect("nobody should panic here").extend(address);
            }
        });
        Self { seen, links: chain.lane.link_prefix(), task }
    }

    /// Those of tcpdump's lines that one of them sent, by whatever of its addresses, or that are IPv6, and how many senders there
    /// were.
    pub fn of_theirs(&self, packets: Vec<String>) -> (Vec<String>, usize) {
        let seen = self.seen.lock().expect("nobody should panic here");
        let theirs = |packet: &String| {
            let from = packet.split(" > ").next().unwrap_or_default();
            let is =
                |address: &String| from.contains(&format!(" {address}.")) || from.ends_with(&format!(" {address}"));
            packet.contains(" IP6 ") || from.contains(&format!(" {}", self.links)) || seen.iter().any(is)
        };
        (packets.into_iter().filter(theirs).collect(), seen.len())
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.task.abort();
    }
}
