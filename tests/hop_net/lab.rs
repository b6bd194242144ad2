//! Namespaces, a bridge that is the internet, servers, a web server and an application; all of it ends with the test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::namespaces::{Capture, end, inside, sh};
use super::programs::{boringtun, which};

const PROGRAMS: [&str; 10] =
    ["openvpn", "nft", "ip", "tcpdump", "busybox", "openssl", "unshare", "setpriv", "nsenter", "wg"];

pub(crate) const WEB: &str = "203.0.113.80";

/// Runs `test` in namespaces of its own.
pub(crate) fn in_namespaces(name: &str, test: fn(&mut Lab)) {
    let missing = || {
        let program = PROGRAMS.iter().find(|program| which(program).is_none()).map(|program| (*program).to_owned());
        program.or_else(|| boringtun().is_none().then(|| "boringtun-cli (HOPKEEPER_TEST_BORINGTUN)".into()))
    };
    if inside(name, missing) {
        test(&mut Lab::new());
    }
}

/// What /sys shows of interfaces belongs to the namespace that mounted it; the other paths are a pod's own.
const PRIVATE: &str = "mount -t sysfs sysfs /sys && mount -t tmpfs -o mode=777 tmpfs /run/hopkeeper \\
    && mount -t tmpfs -o mode=777 tmpfs /run/wireguard && mount -t tmpfs tmpfs /etc/hopkeeper \\
    && mkdir /etc/hopkeeper/hop && exec sleep infinity";

/// A network and mount namespace, kept by a sleeping process.
pub(crate) struct Node {
    holder: Child,
    pub(crate) at: Place,
}

impl std::ops::Deref for Node {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.at
    }
}

/// Where commands run: the namespaces of this process.
#[derive(Clone, Copy)]
pub(crate) struct Place(u32);

impl Node {
    fn new() -> Self {
        let holder =
            Command::new("unshare").args(["--net", "--mount", "sh", "-c", PRIVATE]).spawn().expect("should unshare");
        let name = format!("/proc/{}/comm", holder.id());
        while fs::read_to_string(&name).is_ok_and(|name| name.trim() != "sleep") {
            sleep(Duration::from_millis(5));
        }
        let node = Self { at: Place(holder.id()), holder };
        node.sh("ip link set lo up");
        node
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        end(&mut self.holder);
    }
}

impl Place {
    pub(crate) fn pid(self) -> u32 {
        self.0
    }

    /// Its file system, as seen from the test.
    pub(crate) fn root(self) -> PathBuf {
        format!("/proc/{}/root", self.0).into()
    }

    /// Starts a shell command in the namespace; its output goes to `/run/log/NAME`.
    pub(crate) fn spawn(self, name: &str, script: &str) -> Child {
        let log = fs::File::options().append(true).create(true).open(format!("/run/log/{name}")).expect("should log");
        Command::new("nsenter")
            .args(["-t", &self.pid().to_string(), "-n", "-m", "bash", "-euc", &format!("exec {script}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("should clone"))
            .stderr(log)
            .spawn()
            .expect("should start")
    }

    pub(crate) fn sh(self, script: &str) -> String {
        sh(&format!("nsenter -t {} -n -m bash -euc {}", self.pid(), quote(script)))
    }
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The internet: a bridge in the test's own namespace, with everything on it.
pub(crate) struct Lab {
    pub(crate) hop: Node,
    pub(crate) app: Node,
    pub(crate) servers: [Node; 3],
    children: Vec<Child>,
    _web: Node,
}

pub(crate) const SERVERS: [&str; 3] = ["203.0.113.11", "203.0.113.12", "203.0.113.13"];

impl Lab {
    fn new() -> Self {
        // The paths of a pod, on file systems that nobody else sees.
        sh("mount --make-rprivate / && mount -t tmpfs tmpfs /run && mkdir -p /run/bin /run/log /run/etc /run/work /run/www/cgi-bin
            mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc,workdir=/run/work /etc
            mkdir -p -m 777 /run/hopkeeper /run/wireguard /run/clienttmp && chmod 777 /run/hopkeeper /run/wireguard /run/clienttmp
            mkdir -p /etc/hopkeeper /var/run/wireguard; head -c 3000000 /dev/zero >/run/www/large
            mount -t tmpfs tmpfs /dev/net && mknod /dev/net/tun c 10 200 && chmod 666 /dev/net/tun
            printf '#!/bin/sh\\necho; echo $REMOTE_ADDR\\n' >/run/www/cgi-bin/ip && chmod 755 /run/www/cgi-bin/ip
            ip link set lo up; ip link add br0 type bridge; ip link set br0 up");
        let boringtun = boringtun().expect("should have been found outside");
        fs::copy(boringtun, "/run/bin/boringtun-cli").expect("should copy boringtun");

        let (hop, app, web) = (Node::new(), Node::new(), Node::new());
        let servers = [Node::new(), Node::new(), Node::new()];
        join(&hop, "hop", "203.0.113.100");
        join(&web, "web", WEB);
        for (index, server) in servers.iter().enumerate() {
            join(server, &format!("srv{index}"), SERVERS[index]);
            // No other forwarding than between tunnel and internet, as with a provider.
            server.sh(
                "echo 1 >/proc/sys/net/ipv4/ip_forward; ip route add default via 203.0.113.1
                 nft 'table ip nat { chain post { type nat hook postrouting priority srcnat; oifname \"eth0\" masquerade; }; }'",
            );
        }
        // As the links' definitions leave it: `net init` switches it on where packets may pass.
        hop.sh("echo 0 >/proc/sys/net/ipv4/ip_forward; ip route add default via 203.0.113.1");
        sh(&format!("ip link add in0 netns {} type veth peer name eth0 netns {}", hop.pid(), app.pid()));
        hop.sh("ip addr add 10.200.7.1/24 dev in0 && ip link set in0 up");
        app.sh("ip addr add 10.200.7.16/24 dev eth0 && ip link set eth0 up && ip route add default via 10.200.7.1");
        let httpd = web.spawn("web", "busybox httpd -f -p 80 -h /run/www");
        Self { hop, app, servers, children: vec![httpd], _web: web }
    }

    /// Another pod on the cluster network.
    pub(crate) fn pod(&self, name: &str, address: &str) -> Node {
        let pod = Node::new();
        join(&pod, name, address);
        pod.sh("ip route add default via 203.0.113.1");
        pod
    }

    /// Fetches a large page and returns its size in bytes.
    pub(crate) fn fetch_large(&self) -> usize {
        let get = "exec 3<>/dev/tcp/$0/80; printf 'GET /large HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3 | wc -c";
        let output = Command::new("nsenter")
            .args(["-t", &self.app.pid().to_string(), "-n", "timeout", "20", "bash", "-c", get, WEB])
            .output()
            .expect("should run");
        String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(0)
    }

    pub(crate) fn keep(&mut self, child: Child) {
        self.children.push(child);
    }

    /// The address that the web server sees, when the application fetches a page.
    pub(crate) fn fetch(&self) -> Option<String> {
        let get = "exec 3<>/dev/tcp/$0/80; printf 'GET /cgi-bin/ip HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3";
        let output = Command::new("nsenter")
            .args(["-t", &self.app.pid().to_string(), "-n", "timeout", "1", "bash", "-c", get, WEB])
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let address = text.trim().trim_matches(['[', ']']).trim_start_matches("::ffff:");
        (output.status.success() && !address.is_empty()).then(|| address.to_owned())
    }

    /// Sends all kinds of packets from the application and from the hop's own users, while `during` runs, and shows
    /// those that left the hop by `eth0` to anything but its servers.
    pub(crate) fn leaks(&self, during: impl FnOnce()) -> Vec<String> {
        let mac = self.hop.sh("cat /sys/class/net/eth0/address");
        let own = SERVERS.map(|ip| format!("not (dst host {ip} and (port 1194 or port 51820))")).join(" and ");
        let filter = format!("ether src {mac} and (ip or ip6) and {own}");
        let capture = Capture::start("p-hop", &filter);
        let noise = |user: &str| {
            format!(
                "while :; do {user} bash -c 'echo x >/dev/udp/{WEB}/53; echo x >/dev/udp/{}/53; (echo >/dev/tcp/{WEB}/80) & sleep 0.1; kill $! || :' || :; \
                 busybox ping -c 1 -W 1 {WEB} || :; ip -6 route add default dev eth0 || :; echo x >/dev/udp/{WEB}/9 || :; sleep 0.05; done",
                SERVERS[0]
            )
        };
        let client = "setpriv --reuid 65534 --regid 65534 --clear-groups";
        let mut noises = [
            self.app.spawn("noise", &format!("bash -c {}", quote(&noise("")))),
            self.hop.spawn("noise", &format!("bash -c {}", quote(&noise("")))),
            self.hop.spawn("noise", &format!("bash -c {}", quote(&noise(client)))),
        ];
        sleep(Duration::from_millis(500));
        during();
        noises.iter_mut().for_each(end);
        capture.lines()
    }
}

/// Joins a namespace to the internet as `eth0`; `p-NAME` is the other end.
fn join(node: &Node, name: &str, address: &str) {
    sh(&format!(
        "ip link add p-{name} type veth peer name eth0 netns {}; ip link set p-{name} master br0 up",
        node.pid()
    ));
    node.sh(&format!("ip addr add {address}/24 dev eth0 && ip link set eth0 up"));
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.children.iter_mut().for_each(end);
    }
}

/// Writes the files of a Secret as the kubelet does: a new directory, then one rename.
pub(crate) fn write_secret(place: Place, files: &[(String, String)]) {
    let directory = &place.root().join("etc/hopkeeper/hop");
    let version = format!("..v{}", fs::read_dir(directory).expect("should exist").count());
    fs::create_dir(directory.join(&version)).expect("should create");
    for (name, text) in files {
        fs::write(directory.join(&version).join(name), text).expect("should write");
    }
    let _ = fs::remove_file(directory.join("..data_tmp"));
    std::os::unix::fs::symlink(&version, directory.join("..data_tmp")).expect("should link");
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).expect("should swap");
    for (name, _) in files {
        let link = directory.join(name);
        if fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(Path::new("..data").join(name), link).expect("should link");
        }
    }
}
