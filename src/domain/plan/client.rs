//! The client's command line: the same for every candidate of a hop, so that a rotation need not touch the pod.

use super::hop::client_uid;
use super::{CONFIG_FILE, MANAGEMENT_SOCKET, SECRET_DIR, SHARED_DIR, TUNNEL_INTERFACE};
use crate::domain::types::Implementation;

/// What a hop's `vpn` container runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientProcess {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// The user and group.
    pub uid: u32,
    /// Whether the container needs the capability NET_ADMIN.
    pub net_admin: bool,
}

/// What a hop's `vpn` container runs; none with the kernel's WireGuard, which `net` configures by itself.
pub fn client_process(implementation: Implementation) -> Option<ClientProcess> {
    let (command, env, net_admin) = match implementation {
        Implementation::OpenVpn => (openvpn(), vec![], false),
        // boringtun makes its control socket under the container's umask, 022, so that nobody but its own user could
        // connect; `net` is another user without DAC_OVERRIDE. A default ACL does not help: the kernel applies the
        // umask to sockets before it. OpenVPN opens its own socket to all.
        Implementation::BoringTun => (
            vec![
                "/bin/sh".into(),
                "-c".into(),
                format!(
                    "umask 0; exec boringtun-cli --foreground --disable-drop-privileges --verbosity info {TUNNEL_INTERFACE}"
                ),
            ],
            vec![("NO_COLOR".into(), "1".into())],
            false,
        ),
        Implementation::WireGuardGo => (
            vec!["wireguard-go".into(), "--foreground".into(), TUNNEL_INTERFACE.into()],
            vec![("LOG_LEVEL".into(), "verbose".into())],
            true,
        ),
        Implementation::Kernel => return None,
    };
    Some(ClientProcess { command, env, uid: client_uid(implementation), net_admin })
}

/// Options after `--config` overrule the profile's.
fn openvpn() -> Vec<String> {
    let config = format!("{SECRET_DIR}/{CONFIG_FILE}");
    let socket = format!("{SHARED_DIR}/{MANAGEMENT_SOCKET}");
    let options = [
        "openvpn",
        &format!("--config {config}"),
        &format!("--dev {TUNNEL_INTERFACE} --dev-type tun --disable-dco --persist-tun --nobind"),
        // `net` holds the connection until the kill switch is open for its server, and paces the attempts.
        &format!("--management {socket} unix --management-hold --management-up-down"),
        // The client has no right to set addresses or routes; `net` does it.
        "--ifconfig-noexec --route-noexec --script-security 1",
        // `net` paces the attempts; this is only how long OpenVPN itself pauses after a SIGHUP (1 s, default up to 300).
        "--connect-retry 1 1 --connect-timeout 10 --resolv-retry 0",
        // Keeps the process alive when it is refused. Nobody is asked: the password comes from a file. `nointeract`
        // would do the same and lengthen the pause after a SIGHUP to 10 s.
        "--auth-retry interact",
        // Makes OpenVPN read the password file at each attempt, so also after a SIGHUP.
        "--auth-nocache",
        "--verb 3",
    ];
    options.iter().flat_map(|line| line.split(' ')).map(Into::into).collect()
}
