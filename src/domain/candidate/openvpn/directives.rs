//! Every directive that a client profile may hold, and what becomes of it. What is not here is refused.

/// What becomes of a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// Copied, with this many values at least and at most.
    Keep(usize, usize),
    /// Left out with a note: harmless, and the reason why.
    Drop(&'static str),
    /// Left out without a word: hopkeeper sets it for every hop.
    Forced,
    /// The candidate is refused: the reason and the remedy.
    Refuse(&'static str),
    /// Names a file, which must be inline.
    File,
    /// `dev`, `dev-type`.
    Device,
    /// `auth-user-pass`.
    Credentials,
    /// `proto`.
    Protocol,
    /// `port`, `rport`.
    Port,
    /// `remote`.
    Remote,
}

use Treatment::{Credentials, Device, Drop, File, Forced, Keep, Port, Protocol, Refuse, Remote};

/// A block that holds directives, not data.
pub(super) const CONNECTION: &str = "connection";
/// The block and the directive of user name and password.
pub(super) const CREDENTIALS: &str = "auth-user-pass";

const BLOCKS: [&str; 12] = [
    CONNECTION,
    CREDENTIALS,
    "ca",
    "cert",
    "crl-verify",
    "extra-certs",
    "key",
    "peer-fingerprint",
    "pkcs12",
    "tls-auth",
    "tls-crypt",
    "tls-crypt-v2",
];

/// The block of this name that a profile may hold.
pub(super) fn block(name: &str) -> Option<&'static str> {
    BLOCKS.into_iter().find(|block| *block == name)
}

/// The directive's own name and what becomes of it.
pub(super) fn treatment(name: &str) -> Option<(&'static str, Treatment)> {
    let of = |(names, treatment): &(&'static str, Treatment)| {
        names.split(' ').find(|known| *known == name).map(|known| (known, *treatment))
    };
    DIRECTIVES.iter().find_map(of)
}

/// What a directive that could harm the machine would do.
pub(super) fn harm(name: &str) -> Option<(&'static str, &'static str)> {
    HARMFUL.iter().find_map(|(names, why)| names.split(' ').find(|known| *known == name).map(|known| (known, *why)))
}

const SCRIPT: &str = "commands are never run";
const SYSTEM: &str = "the hop's pod decides it";
const ROUTES: &str = "hopkeeper sets addresses and routes";
const LOCAL: &str = "the client takes a free port on the hop's own address";
const WINDOWS: &str = "it matters on other systems only";
const ENDING: &str = "a hop's client must not end by itself";
const TUNING: &str = "it follows from the chain";
const SERVER: &str = "a hop is a client: take the client's profile";
const PROXY: &str = "a hop reaches its server directly, and outer hops are its proxies: take a profile without a proxy";
const VERIFIER: &str = "no program can check the server for a hop, and leaving the check out would be unsafe: use verify-x509-name or peer-fingerprint";
const HARDWARE: &str = "a hop has no such device or module: take a profile with inline keys";

/// Directives that a profile must not keep in a pool: what they would do where it is used.
const HARMFUL: &[(&str, &str)] = &[
    ("up down route-up route-pre-down ipchange script-security up-delay up-restart down-pre iproute", SCRIPT),
    ("plugin", "code is never loaded into the client"),
    ("management management-client management-up-down", "only hopkeeper talks to the client"),
    ("log log-append status writepid tls-export-cert tmp-dir cd chroot", "the client never writes to files"),
];

const DIRECTIVES: &[(&str, Treatment)] = &[
    ("client pull tls-client", Forced),
    ("remote", Remote),
    ("proto", Protocol),
    ("port rport", Port),
    ("dev dev-type", Device),
    (CREDENTIALS, Credentials),
    ("ca cert key extra-certs tls-auth tls-crypt tls-crypt-v2 pkcs12 crl-verify", File),
    ("remote-random float fast-io persist-key", Keep(0, 0)),
    ("auth cipher data-ciphers ncp-ciphers data-ciphers-fallback", Keep(1, 1)),
    ("tls-cipher tls-ciphersuites tls-groups tls-cert-profile tls-version-max", Keep(1, 1)),
    ("tls-version-min verify-x509-name verify-hash replay-window reneg-sec", Keep(1, 2)),
    ("peer-fingerprint key-direction ns-cert-type remote-cert-tls remote-cert-eku topology", Keep(1, 1)),
    ("remote-cert-ku", Keep(0, 14)),
    ("reneg-bytes reneg-pkts hand-window tran-window tls-timeout", Keep(1, 1)),
    ("ping ping-restart sndbuf rcvbuf fragment", Keep(1, 1)),
    ("keepalive pull-filter", Keep(2, 2)),
    ("socket-flags", Keep(1, 4)),
    ("explicit-exit-notify comp-lzo compress", Keep(0, 1)),
    ("persist-tun nobind resolv-retry connect-retry connect-timeout server-poll-timeout verb", Forced),
    ("auth-nocache auth-retry allow-compression disable-dco ifconfig-noexec route-noexec", Forced),
    ("up down route-up route-pre-down ipchange script-security up-delay up-restart down-pre iproute", Drop(SCRIPT)),
    ("tls-export-cert", Drop(SCRIPT)),
    ("user group chroot cd daemon nice mlock writepid log log-append syslog status status-version", Drop(SYSTEM)),
    ("mute suppress-timestamps machine-readable-output errors-to-stderr echo remap-usr1 tmp-dir", Drop(SYSTEM)),
    ("management management-hold management-client management-query-passwords management-signal", Drop(SYSTEM)),
    ("management-forget-disconnect management-up-down management-log-cache management-query-remote", Drop(SYSTEM)),
    ("management-external-key management-external-cert management-client-user", Drop(SYSTEM)),
    ("management-client-group management-query-proxy setenv setenv-safe ignore-unknown-option", Drop(SYSTEM)),
    ("askpass push-peer-info txqueuelen mark passtos multihome bind-dev auth-token keysize", Drop(SYSTEM)),
    ("no-replay no-iv ncp-disable prng comp-noadapt disable-occ mute-replay-warnings", Drop(SYSTEM)),
    ("allow-pull-fqdn client-nat x509-username-field x509-track max-packet-size", Drop(SYSTEM)),
    ("route route-ipv6 route-gateway route-metric route-delay route-nopull route-method max-routes", Drop(ROUTES)),
    ("redirect-gateway redirect-private ifconfig ifconfig-ipv6 ifconfig-nowarn tun-ipv6", Drop(ROUTES)),
    ("allow-recursive-routing block-ipv6 dhcp-option dns remote-random-hostname lladdr", Drop(ROUTES)),
    ("local lport bind persist-local-ip persist-remote-ip", Drop(LOCAL)),
    ("block-outside-dns register-dns ip-win32 win-sys tap-sleep show-net-up windows-driver", Drop(WINDOWS)),
    ("dhcp-renew dhcp-release dhcp-pre-release dhcp-internal pause-exit service dev-node", Drop(WINDOWS)),
    ("ping-exit inactive session-timeout single-session tls-exit connect-retry-max ping-timer-rem", Drop(ENDING)),
    ("tun-mtu tun-mtu-extra tun-mtu-max link-mtu mssfix mtu-disc mtu-test mtu-dynamic", Drop(TUNING)),
    ("mode server server-bridge server-ipv6 tls-server dh push client-to-client", Refuse(SERVER)),
    ("client-config-dir ifconfig-pool auth-user-pass-verify client-connect client-disconnect", Refuse(SERVER)),
    ("http-proxy http-proxy-option http-proxy-user-pass http-proxy-retry http-proxy-timeout", Refuse(PROXY)),
    ("socks-proxy socks-proxy-retry proto-force", Refuse(PROXY)),
    ("tls-verify tls-crypt-v2-verify plugin capath", Refuse(VERIFIER)),
    ("pkcs11-id pkcs11-providers pkcs11-id-management cryptoapicert engine providers", Refuse(HARDWARE)),
    ("secret", Refuse("a static key gives no forward secrecy and newer OpenVPN drops it: take a TLS profile")),
    ("config", Refuse("it reads another file: put that file's lines into the profile")),
    ("static-challenge", Refuse("nobody is there to answer it: take an account without a second factor")),
    ("tls-remote", Refuse("OpenVPN dropped it: use verify-x509-name")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_hop_follows_a_directive_that_does_harm() {
        for name in HARMFUL.iter().flat_map(|(names, _)| names.split(' ')) {
            let (_, treatment) = treatment(name).unwrap_or_else(|| panic!("{name} should be known"));
            assert!(matches!(treatment, Drop(_) | Refuse(_)), "{name}: {treatment:?}");
        }
    }
}
