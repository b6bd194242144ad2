//! The timestamps, levels and names that stand before a program's own text.
//!
//! Only prefixes of a fixed shape are removed, never "anything up to a bracket": a VPN server chooses part of what its
//! client logs, and must not be able to move its own text to the start of the line, where rules are anchored.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

/// All prefixes of a line together: a line of nothing but timestamps is not read as one prefix.
const MAX_PREFIX_BYTES: usize = 1024;

/// The text that the program itself printed: a logical line without the timestamps, levels and names that the program's
/// logger, the container runtime, syslog or a supervisor put before it.
pub fn program_text(line: &str) -> &str {
    &line[program_span(line)]
}

/// Where that text stands: before it are its prefixes, after it blanks.
pub fn program_span(line: &str) -> Range<usize> {
    /// Each alternative is one prefix, of fixed shape; they come in any order and number.
    static PREFIXES: LazyLock<Regex> = LazyLock::new(|| {
        let prefix = [
            // Rust's env_logger; before the times, of which it would be the first half.
            r"\[[0-9-]{10}T[0-9:.]+Z +(?:TRACE|DEBUG|INFO|WARN|ERROR) +[0-9a-z_:]+\]",
            // RFC 3339 and its relatives: containerd, docker, OpenVPN 2.5+, boringtun, wireguard-go, s6.
            concat!(
                r"(?:[+-]\d{4} |- )?\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?:?",
                // rsyslog since Debian 12, and `journalctl -o short-iso`: with host and program.
                r"(?: [\w.-]+ (?:[\w.@-]+\[\d+\]|kernel):)?"
            ),
            // `journalctl -o short-full`.
            r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]{3,5} [\w.-]+ (?:[\w.@-]+\[\d+\]|kernel):",
            // Google's log viewer.
            r"(?:Default|Info|Notice|Warning|Error|Critical) \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]{3,5}",
            // ctime: OpenVPN 2.4 and before; Pritunl puts its server's name before it.
            r">?(?:\[[a-z]+-[a-z]+-\d+\] )?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d \d{4}",
            // Tunnelblick 3.0.
            r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d\d/\d\d/\d\d \d\d:\d\d [AP]M:",
            // syslog and journald, with host and program; journald writes months in the machine's language.
            concat!(
                r"(?:<\d{1,3}>)?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,6})?",
                r"(?:(?:[ \t]+[\w./-]+){1,4}(?:\([\w.-]+\))? ?\[ ?\d+\]:",
                r"|(?: [\w.-]+)? (?:(?:nm-)?openvpn|ovpn-[\w.-]+|kernel|boringtun|wireguard-go|wg-quick):)?"
            ),
            r"(?:\p{L}{2,6}\.?|\d{1,2}[月월]) +\d{1,2} \d\d:\d\d:\d\d [\w.-]+ (?:[\w.@-]+\[\d+\]|kernel):",
            // RFC 5424 (OPNsense).
            r"(?:<\d{1,3}>)?1 \d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:\d\d)? [\w.-]+ [\w.-]+ (?:\d+|-) [\w-]+ (?:-|\[meta[^\]]*\])",
            // OpenWrt's log: facility and level, the instance in brackets; pfSense's and OPNsense's tables.
            r"(?:daemon|user|local\d|auth)\.\w+",
            r"openvpn\([\w.-]+\)\[\d+\]:",
            r"openvpn[ \t]+\d+",
            r"(?:Notice|Error|Warning|Informational)[ \t]+openvpn_\w+",
            // OpenVPN Connect, OpenVPN for Android, Kodi, DD-WRT, `--machine-readable-output`.
            concat!(
                r"⏎?(?:\[\p{L}{3,5}\.? \d{1,2}, \d{4}, \d\d:\d\d:\d\d\]",
                r"|\d{1,2}/\d{1,2}/\d{4}, \d{1,2}:\d\d:\d\d [AP]M)"
            ),
            r"\d{1,2}:\d\d\s[AP]M",
            r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?: --)?",
            r"T:\d+ +[A-Z]+:?(?: <\w+>:)?",
            r"\d{8} \d\d:\d\d:\d\d [A-Z]",
            r"\d{10}\.\d{6} [0-9a-f]{1,8}",
            // TAI64N: multilog, svlogd, s6-log.
            r"@4[0-9a-f]{23}",
            // Android's log, as `logcat -v threadtime` and as its Studio writes it.
            r"(?:\d\d-\d\d )?\d\d:\d\d:\d\d\.\d{3} +\d+ +\d+ [VDIWEF] [\w./-]+ *:",
            r"\d+-\d+ +[\w.()/-]+ +[\w.]+ +[VDIWEF]",
            // `logcat -v time` and `-v brief`, with the package where an app writes it.
            r"(?:\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} +)?(?:\d+-\d+/[\w.]+ +)?[VDIWEF]/[\w./-]+ *(?:\( *\d+\))?:",
            // rsyslog, of a line that came again and again.
            r"message repeated \d+ times: \[",
            // openvpn3-linux: who speaks, and how loudly (`LogPrefix` in its log-helpers.hpp).
            r"\{tag:\d+\}",
            concat!(
                r"(?:Client|Session Manager|Backend(?: Starter| Session Process)?|Network Configuration|Config Manager",
                r"|Logger|Master Process|External Service) (?:DEBUG|VERB[12]|INFO|WARNING|ERROR|CRITICAL|FATAL",
                r"|-- ERROR --|!! CRITICAL !!|\*\*!! FATAL !!\*\*):"
            ),
            r"\[Core\]",
            // Programs around OpenVPN and WireGuard, quotes in a thread.
            // A client's output in another program's log: the stream's name, Windscribe's two clocks.
            r"(?:openvpn|wireguard-go|boringtun|\[openvpn-process\]) [Ss]td(?:out|err):",
            r"\[\d{6} \d\d:\d\d:\d\d:\d{3} +\d+\.\d{3}\]",
            // Mullvad's app: time, module and level without a space between them, its wireguard-go with a level of its own;
            // since 2026 the module after the level, with a colon.
            r"\[[0-9-]{10} [0-9:]{8}\.[0-9]{3}\]\[[0-9a-z_:-]+\]\[(?:TRACE|VERBOSE|DEBUG|INFO|WARN|ERROR)\]",
            r"(?:mullvad|talpid)_[a-z_]+(?:::[a-z_]+)*:",
            r"Openvpn log >>",
            r"LOG:",
            r"OpenVPN >",
            r"vopono(?:_core)?(?:::network)?::(?:openvpn|wireguard) +>",
            r"netifd: [\w.-]+ \(\d+\):",
            r"(?:[a-z_]{1,30}\.go:\d{1,5} )?(?:endpoint|outbound)/wireguard\[[^\]]*\]:",
            // NetBird's place in its sources, mihomo's and Xray's names.
            r"(?:[a-z_]+/)*[a-z_]+\.go:[0-9]+:",
            r"\[WG\]\([0-9A-Za-z_.@-]+\)",
            r"(?:DEBUG|INFO|WARNING|ERROR) - XRAY:",
            r">",
            // logfmt, up to its `msg="`.
            r#"time="?[\dT:.+Z-]+"?"#,
            r"level=\w+",
            // WireGuard's own apps.
            r"\[(?:TUN|NET|APP|MGR)\](?: \[[\w.-]{1,32}\])?",
            concat!(
                r"(?:[\w.-]+ )?(?:nm-|ovpn-[\w.@-]*)?(?:openvpn|boringtun|wireguard-go|wireguard|wg-quick|NetworkManager)",
                r"(?:@[\w.@-]+)?\[\d+\]:"
            ),
            r"ovpn-[\w.@-]+\[\d+\]:",
            r"(?:nm-openvpn|openvpn|nordvpnd|boringtun|wireguard-go):",
            r"kernel:",
            r"\[ *\d+\.\d{6}\]",
            r"us=\d+",
            // containerd's stream and tag, the service's name of compose and swarm, the container's name of stern and k9s,
            // `kubectl logs --prefix`.
            r"(?:stdout|stderr)(?: [FP])?",
            r"\|",
            r"[\w.@-]+ +\|",
            r"openvpn|wireguard|gluetun",
            r"\[pod/[\w.-]+/[\w.-]+\]",
            // levels, with the name of the supervised program.
            // Where a colour's escape was lost on the way, its number is left.
            concat!(
                r"\[?(?:\[\d{1,2}m)?(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|trace|debug|info|notice|warn|warning|error)",
                r"(?:\[0m)?\]?(?:\s+\[?(?:openvpn|wireguard)\]?:?)?"
            ),
            r"\[(?:Trace|Debug|Info|Notice|Warning|Error|Informational)\]",
            // logrus on a terminal: seconds since its start, or the time.
            r"(?:FATAL|ERROR|WARN|INFO|DEBUG|TRACE)\[\d{4,8}\]",
            r"(?:FATA|ERRO|WARN|INFO|DEBU|TRAC)\[[0-9T:.+Z-]+\]",
            r"(?:ERRO|DEBG|CRIT)",
            r"\[(?:openvpn|wireguard|vpn|netclient)\]:?",
            // wireguard-go's logger: `DEBUG: (wg0) `; programs that carry it put names of their own there, or none, and
            // Go's logger the time after it.
            concat!(
                r"(?:DEBUG|ERROR|INFO): (?:\([\w.@-]{1,15}\)",
                r"|(?:[\w-]{1,20}\([\w.@-]{1,15}\) ?|\[[\w-]{1,20}\] ?)?\d{4}/\d\d/\d\d \d\d:\d\d:\d\d)"
            ),
        ]
        .join("|");
        // What no space needs to follow: viewers of a container's log, a quote in a thread.
        let attached = concat!(
            r"(?:today|yesterday|last [A-Z][a-z]{2,5}day) at \d{1,2}:\d\d(?::\d\d)?(?: [AP]M)?",
            r#"|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,(?:stdout|stderr),"?"#,
            r"|\d{1,2}/\d{1,2}/\d{4} \d\d:\d\d:\d\d",
            r#"|[`"“]|\*\*"#
        );
        Regex::new(&format!(r#"^\s*(?:(?:{prefix})(?:\s+|$)|(?:{attached})\s*)*(?:msg="|P:|>LOG:\d+,[A-Z]*,)?"#))
            .expect("should be a valid pattern")
    });
    // Prefixes are short: a huge line is not scanned beyond its start.
    let start = PREFIXES.find(start(line)).map_or(0, |m| m.end());
    start..start + line[start..].trim_end().len()
}

/// The part of a line in which prefixes stand, up to a space: what is cut off must not look like the end of a prefix.
fn start(line: &str) -> &str {
    if line.len() <= MAX_PREFIX_BYTES {
        return line;
    }
    line[..line.floor_char_boundary(MAX_PREFIX_BYTES)].trim_end_matches(|c: char| !c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<String> {
        crate::domain::line::logical_lines(input).iter().map(|line| program_text(line).to_owned()).collect()
    }

    #[test]
    fn prefixes_of_loggers_runtimes_and_supervisors_are_removed() {
        let text = "AUTH: Received control message: AUTH_FAILED";
        for prefix in [
            "",
            "2026-11-22 16:25:43 ",
            "2026-11-22 16:25:43 us=123456 ",
            "Sun Nov 22 16:25:43 2026 ",
            "Sun Nov  2 16:25:43 2026 us=12 ",
            "2026-11-22T16:25:43.123456789Z stdout F 2026-11-22 16:25:43 ",
            "2026-11-22T16:25:43.123456789+00:00 stderr F ",
            "Nov 22 16:25:43 gateway openvpn[4321]: ",
            "<29>Nov  2 16:25:43 gateway ovpn-client[4321]: ",
            "Nov 22 16:25:43 openvpn[12]: ",
            "vpn-1  | 2026-11-22 16:25:43 ",
            "2026-11-22T16:25:43Z INFO [openvpn] ",
            "2026/11/22 16:25:43 INFO openvpn: ",
            "[2026-11-22 16:25:43] ",
            "openvpn[77]: ",
            "Nov 22 16:25:43 ",
            "Nov 22 16:25:43 gateway openvpn: ",
            "time=2026-11-22T16:25:43.210+02:00 level=DEBUG msg=\"",
            "transmission-openvpn_1  | Sun Nov 22 16:25:43 2026 ",
            "Thu Oct  8 19:48:19 2020 daemon.err openvpn(wan3)[12415]: ",
            "[ancient-meadow-7892] Wed Jun 15 11:47:19 2016 ",
            "23:22 ",
            "9:50 PM ",
            "12:50\u{202f}PM ",
            "17:14:28.969 -- ",
            "P:",
            "20200101 12:00:00 N ",
            "1429867200.123456 d0 ",
            ">LOG:1429867200,N,",
            "Oct 12 10:00:00\topenvpn\t12345\t",
            "2023-05-01T10:00:00\tError\topenvpn_client1\t ",
            "<29>1 2023-05-01T10:00:00+02:00 OPNsense.localdomain openvpn_client1 12345 - [meta sequenceId=\"1\"] ",
            "⏎[Jan 3, 2023, 12:09:42] ",
            "[nov 22, 2026, 16:25:43] ",
            "9/18/2020, 2:46:42 PM ",
            "[160724 07:45:44:586     40.215] [openvpn]\t \">LOG:1721115944,I,",
            "2019-01-16T03:24:20.387590746 [Trace] [openvpn-process] Stdout: Wed Jan 16 03:24:20 2019 ",
            "2026/02/16 19:45:03 openvpn stdout: ",
            "[2026-11-22 16:25:43.505][talpid_openvpn::process][DEBUG] ",
            "Sun Jun 25 14:37:03 2023  {tag:8958017124777476360} ",
            "> Wed Apr 22 10:00:00 2020 ",
            "2018-01-20 23:24:48 stdout  Sat Jan 20 23:24:48 2018 ",
            "2020-09-26 00:01:17 | stdout | Sat Sep 26 00:01:17 2020 ",
            "10:50:29.947 T:1543881632  NOTICE: Wed Sep 27 10:50:26 2017 ",
            "2020-03-18T22:13:00.183Z\tINFO\topenvpn: Wed Mar 18 22:13:00 2020 ",
            "Aug 25 10:00:32 BOX notic tunnel1 [ 1547]: ",
            "2026-11-22T16:25:43.123456+01:00 gateway openvpn[4321]: ",
            "2026-11-22T16:25:43+0100 gateway openvpn@client[4321]: ",
            "Sun 2026-11-22 16:25:43 CET gateway openvpn[4321]: ",
            "Nov 22 16:25:43.123456 gateway openvpn[4321]: ",
            "nov. 22 16:25:43 gateway nm-openvpn[4321]: ",
            "дек 22 16:25:43 gateway openvpn[4321]: ",
            "11월 22 16:25:43 gateway nm-openvpn[4321]: ",
            "Error 2026-11-22 16:25:43.489 CET Sun Nov 22 16:25:43 2026 ",
            "today at 4:25:43 PM2026-11-22 16:25:43 ",
            "last Thursday at 11:37 PM Thu Aug  6 23:37:30 2020 ",
            "Nov 22 16:25:43 gateway nm-openvpn[4321]: message repeated 44 times: [ ",
            "11-22 16:25:43.772 I/GoLog   ( 2611): [Debug] ",
            "W/OpenVPN: 1579868060.815908 1 ",
            "ERROR[0012] ",
            ">Sun Nov 22 16:25:43 2026 ",
            "“",
            "**2026-11-22 16:25:43 ",
            "` ",
            "2026-11-22 16:25:43,stdout,\"2026-11-22T16:25:43.890+0100\tINFO\topenvpn: ",
            "[pod/berlin-entry-0/vpn] 2026-11-22 16:25:43 ",
            "22/11/2026 16:25:43",
            "- 2026-11-22 16:25:43 ",
            "vpn_gluetun.1.v0k3x2m1q5x2j4n7p8r9s0t1u@node-1    | 2026-11-22 16:25:43 ",
            "@400000006921e5f71b2c3d4e 2026-11-22 16:25:43 ",
            "Nov 22 16:25:43 gateway docker/0a1b2c3d4e5f[4321]: ",
            "16:25:43 nordvpnd: ",
            "    nm-openvpn: ",
            "2026/11/22 6:25:43 ",
            "2026-11-22 16:25:43.772 32468-6967  de.example....n(OpenVPN) de.example.openvpn        I  ",
            "11-22 16:25:43.772 32468  6967 I OpenVPN : ",
            "2026-11-22T16:25:43Z [34mINFO[0m [openvpn] ",
            " 2026-11-22T16:25:43.803Z DEBUG vopono_core::network::openvpn           > ",
            "`Sun Nov 22 16:25:43 2026 ",
            "Sun Nov 22 16:25:43 2026  {tag:895} Client !! CRITICAL !!: {tag:895} ",
            "2026-11-22 16:25:43 Client DEBUG: [Core] ",
            "2026-11-22 16:25:43 Session Manager -- ERROR --: ",
            "[2026-11-22 16:25:43.505][wireguard-go][VERBOSE] ",
            "[2026-11-22 16:25:43.505]  INFO talpid_openvpn::process: ",
            "[2026-11-22T16:25:43Z ERROR defguard_wireguard_rs::wgapi_userspace] ",
            "2026-11-22T16:25:43+09:00 ERRO client/internal/engine.go:347: ",
            "DEBU[2026-11-22T16:25:43.484905797+07:00] [WG](VPN) ",
            "2026/11/22 16:25:43 ERROR - XRAY: ",
            "2026/11/22 16:25:43 [netclient] ",
            "Sun 11/22/26 04:25 PM: ",
            "gateway openvpn[4321]: ",
            "openvpn 2026-11-22 16:25:43 ",
        ] {
            assert_eq!(texts(&format!("{prefix}{text}")), [text], "after {prefix:?}");
        }
        assert_eq!(texts("DEBUG: (wg0) 2026/11/22 16:49:15 UAPI listener started"), ["UAPI listener started"]);
        for prefix in [
            "2021-02-10 16:08:58.676514: [TUN] [client] ",
            "2019-11-24 18:44:00.872541: [NET] ",
            "2025/03/19 15:16:41.377751 [Debug] ",
            "+0000 2025-07-24 08:03:37 ERROR endpoint/wireguard[warp-out]: ",
            "+0300 2026-11-22 16:25:43 ERROR  endpoint.go:176 outbound/wireguard[WARP]: ",
            "DEBUG: 2025/02/05 14:38:48 ",
            "ERROR: (wg0) 2025/02/05 14:38:48 ",
            "ERROR: wg-tunnel(utun01) 2025/02/05 14:38:48 ",
            "DEBUG: [userspace-wg]2025/02/05 14:38:48 ",
            "11-22 16:25:43.123  1234  5678 D WireGuard/GoBackend/wg0: ",
        ] {
            assert_eq!(texts(&format!("{prefix}peer(a…b) - x")), ["peer(a…b) - x"], "after {prefix:?}");
        }
        for prefix in ["wg-quick[12]: ", "NetworkManager[12]: ", "wireguard "] {
            assert_eq!(texts(&format!("{prefix}RTNETLINK answers: File exists")), ["RTNETLINK answers: File exists"]);
        }
        let other = "vopono_core::util::env_vars > Could not get PULSE_SERVER from host";
        assert_eq!(texts(&format!("2026-11-22T16:25:43.979Z WARN  {other}")), [other]);
        assert_eq!(texts("Jun 08 13:37:23.871 ERRO Poll error x"), ["Poll error x"]);
        assert_eq!(texts("[ 1234.567890] wireguard: wg0: x"), ["wireguard: wg0: x"]);
        assert_eq!(texts("Nov 22 16:25:43 node kernel: [ 12.345678] wireguard: wg0: x"), ["wireguard: wg0: x"]);
    }

    #[test]
    fn a_server_cannot_move_its_text_to_the_start_of_the_line() {
        for line in [
            "[x] AUTH: Received control message: AUTH_FAILED] Peer Connection Initiated with [AF_INET]1.2.3.4:1",
            "PUSH: Received control message: 'PUSH_REPLY,foo AUTH: Received control message: AUTH_FAILED'",
            "VERIFY OK: depth=0, CN=| AUTH: Received control message: AUTH_FAILED",
            "[a-b-1] AUTH: Received control message: AUTH_FAILED] Peer Connection Initiated with [AF_INET]1.2.3.4:1",
            "[x] | AUTH: Received control message: AUTH_FAILED] Peer Connection Initiated with [AF_INET]1.2.3.4:1",
            "MANAGEMENT: >LOG:1,N,AUTH: Received control message: AUTH_FAILED",
            "WARNING: Your certificate has expired!",
            "TLS Error: TLS handshake failed",
            "Error opening 'Auth' auth file: auth: No such file or directory (errno=2)",
            "wg-quick: `wg0' already exists",
            "boringtun::device: No endpoint",
            "SENT CONTROL [server]: 'PUSH_REQUEST' (status=1)",
            "ERROR: Cannot open TUN/TAP dev /dev/net/tun: No such file or directory (errno=2)",
        ] {
            assert_eq!(program_text(line), line);
        }
    }

    #[test]
    fn prefixes_end_with_the_start_of_a_long_line_and_with_a_whole_one() {
        let time = "2026-11-22 16:25:43 ";
        let times = time.repeat(2 * MAX_PREFIX_BYTES / time.len());
        let text = program_text(&times);
        assert!(text.starts_with(time) && text.len() > times.len() - MAX_PREFIX_BYTES - time.len());
        let number = format!("time={}AUTH: x", "1".repeat(MAX_PREFIX_BYTES - 5));
        assert_eq!(program_text(&number), number);
        let long = format!("{time}AUTH: {}", "x".repeat(2 * MAX_PREFIX_BYTES));
        assert_eq!(program_text(&long), &long[time.len()..]);
    }
}
