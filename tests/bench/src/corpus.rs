//! Rules and logs for the benchmark, made from a seed: message formats as VPN clients, sshd, systemd and the kernel
//! print them, and lines of many other formats built from the same words.
//!
//! Nothing here knows how any of the engines works. Formats are drawn at random, and parameters in them are classes,
//! alternatives, optional words and gaps, as people write them.

/// SplitMix64: the same numbers everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("should fit: the bound did")
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64 * 1.0 < probability
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const PROGRAMS: [&str; 24] = [
    "openvpn",
    "sshd",
    "kernel",
    "systemd",
    "wireguard",
    "boringtun",
    "dhclient",
    "NetworkManager",
    "charon",
    "dnsmasq",
    "kubelet",
    "containerd",
    "nginx",
    "postfix",
    "chronyd",
    "rsyslogd",
    "CRON",
    "sudo",
    "postgres",
    "haproxy",
    "etcd",
    "named",
    "auditd",
    "iptables",
];
const SUBJECTS: [&str; 64] = [
    "TLS handshake",
    "control channel",
    "data channel",
    "peer certificate",
    "session key",
    "auth token",
    "tun device",
    "default route",
    "handshake initiation",
    "handshake response",
    "keepalive packet",
    "receive buffer",
    "send queue",
    "socket",
    "connection",
    "link",
    "interface",
    "firewall rule",
    "DNS server",
    "name lookup",
    "address lease",
    "gateway",
    "user session",
    "login attempt",
    "public key",
    "password",
    "configuration file",
    "option",
    "plugin",
    "management client",
    "remote endpoint",
    "local port",
    "packet",
    "fragment",
    "replay window",
    "cipher",
    "digest",
    "compression stub",
    "MTU",
    "timer",
    "retry counter",
    "thread",
    "worker",
    "process",
    "child",
    "signal handler",
    "memory region",
    "page table",
    "disk",
    "partition",
    "file system",
    "inode",
    "journal",
    "mount point",
    "unit",
    "service",
    "dependency",
    "cgroup",
    "container",
    "image",
    "volume",
    "snapshot",
    "index",
    "transaction",
];
const EVENTS: [&str; 48] = [
    "failed",
    "timed out",
    "was rejected",
    "has expired",
    "is not yet valid",
    "was closed by peer",
    "was reset",
    "is unreachable",
    "could not be opened",
    "could not be parsed",
    "exceeded its limit",
    "was dropped",
    "is missing",
    "is down",
    "is up",
    "was restarted",
    "was removed",
    "was added",
    "did not respond",
    "returned an error",
    "is out of range",
    "was truncated",
    "is deprecated",
    "was ignored",
    "is corrupted",
    "was refused",
    "is already in use",
    "is not supported",
    "lost carrier",
    "changed state",
    "was renewed",
    "was revoked",
    "is stalled",
    "recovered",
    "was denied",
    "is exhausted",
    "was delayed",
    "was retransmitted",
    "completed",
    "started",
    "stopped",
    "is busy",
    "overflowed",
    "was aborted",
    "is too large",
    "is too short",
    "does not match",
    "was duplicated",
];
const CAUSES: [&str; 40] = [
    "Connection refused",
    "No route to host",
    "Network is unreachable",
    "Operation not permitted",
    "Permission denied",
    "No such file or directory",
    "Address already in use",
    "Resource temporarily unavailable",
    "Invalid argument",
    "No buffer space available",
    "Broken pipe",
    "Connection reset by peer",
    "Connection timed out",
    "Bad file descriptor",
    "certificate verify failed",
    "unknown ca",
    "bad decrypt",
    "wrong version number",
    "no shared cipher",
    "digest mismatch",
    "HMAC authentication failed",
    "key negotiation failed",
    "ping restart",
    "inactivity timeout",
    "soft restart",
    "hard reset",
    "auth failure",
    "server poll timeout",
    "out of memory",
    "quota exceeded",
    "checksum error",
    "short read",
    "protocol error",
    "unexpected end of file",
    "stale handle",
    "lock contention",
    "rate limited",
    "policy denied",
    "not authorized",
    "unknown peer",
];
const FIELDS: [&str; 24] = [
    "peer", "src", "dst", "port", "user", "uid", "pid", "dev", "mtu", "seq", "ttl", "len", "errno", "code", "state",
    "retries", "elapsed", "bytes", "session", "attempt", "queue", "cpu", "vlan", "table",
];
const LEVELS: [&str; 8] = ["", "", "", "", "WARNING: ", "ERROR: ", "fatal: ", "notice: "];

/// A part of a message format: the text of an instance, and the pattern for it.
enum Part {
    Text(String),
    Number,
    Address,
    Hex,
    Word,
    Quoted,
    /// Anything: `.*` in the pattern.
    Gap,
    OneOf(Vec<String>),
}

/// A message format.
pub struct Format {
    parts: Vec<Part>,
    anchored: bool,
    ignores_case: bool,
}

impl Format {
    /// Built from the words above.
    pub fn new(random: &mut Random) -> Self {
        let mut parts = Vec::new();
        let text = |parts: &mut Vec<Part>, text: String| parts.push(Part::Text(text));
        text(&mut parts, random.pick(&LEVELS).to_owned());
        if random.chance(0.3) {
            text(&mut parts, format!("{}: ", random.pick(&PROGRAMS)));
        }
        if random.chance(0.15) {
            parts.push(Part::Address);
            text(&mut parts, " ".to_owned());
        }
        text(&mut parts, format!("{} ", random.pick(&SUBJECTS)));
        if random.chance(0.25) {
            parts.push(if random.chance(0.5) { Part::Quoted } else { Part::Word });
            text(&mut parts, " ".to_owned());
        }
        if random.chance(0.1) {
            let other = [random.pick(&EVENTS), random.pick(&EVENTS), random.pick(&EVENTS)];
            parts.push(Part::OneOf(other.map(str::to_owned).to_vec()));
        } else {
            text(&mut parts, random.pick(&EVENTS).to_owned());
        }
        match random.below(5) {
            0 => text(&mut parts, format!(": {}", random.pick(&CAUSES))),
            1 => {
                parts.push(Part::Gap);
                text(&mut parts, random.pick(&CAUSES).to_owned());
            }
            2 => {
                text(&mut parts, format!(" ({}=", random.pick(&FIELDS)));
                parts.push(Part::Number);
                text(&mut parts, ")".to_owned());
            }
            3 => {
                text(&mut parts, format!(" [{} ", random.pick(&FIELDS)));
                parts.push(Part::Hex);
                text(&mut parts, "]".to_owned());
            }
            _ => {
                text(&mut parts, format!(" after {} ", random.pick(&FIELDS)));
                parts.push(Part::Number);
            }
        }
        Self { parts, anchored: false, ignores_case: random.chance(0.1) }
    }

    /// One that requires no text of three letters: codes, numbers and signs.
    pub fn without_literal(random: &mut Random) -> Self {
        let signs = ["-", "/", ":", "=", "#", "+", "~", "|", "@", "%"];
        let mut parts = Vec::new();
        for number in 0..3 + random.below(3) {
            if number > 0 {
                let sign = [random.pick(&signs), random.pick(&signs)].concat();
                parts.push(Part::Text(sign[..1 + random.below(2)].to_owned()));
            }
            parts.push(match random.below(3) {
                0 => Part::Number,
                1 => Part::Hex,
                _ => Part::Word,
            });
        }
        Self { parts, anchored: random.chance(0.3), ignores_case: false }
    }

    /// The rule's pattern.
    pub fn pattern(&self) -> String {
        let mut pattern = String::new();
        if self.ignores_case {
            pattern.push_str("(?i)");
        }
        if self.anchored {
            pattern.push('^');
        }
        for part in &self.parts {
            match part {
                Part::Text(text) => pattern.push_str(&escape(text)),
                Part::Number => pattern.push_str(r"[0-9]+"),
                Part::Address => pattern.push_str(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}:[0-9]+"),
                Part::Hex => pattern.push_str("[0-9a-f]{8}"),
                Part::Word => pattern.push_str("[a-z]+[0-9]"),
                Part::Quoted => pattern.push_str("'[a-z0-9.]+'"),
                Part::Gap => pattern.push_str(".*"),
                Part::OneOf(texts) => {
                    let texts: Vec<String> = texts.iter().map(|text| escape(text)).collect();
                    pattern.push_str(&format!("(?:{})", texts.join("|")));
                }
            }
        }
        pattern
    }

    /// A message of this format.
    pub fn message(&self, random: &mut Random) -> String {
        let mut message = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => message.push_str(text),
                Part::Number => message.push_str(&random.below(100_000).to_string()),
                Part::Address => message.push_str(&address(random)),
                Part::Hex => message.push_str(&format!("{:08x}", random.next() as u32)),
                Part::Word => message.push_str(&format!("{}{}", letters(random), random.below(10))),
                Part::Quoted => message.push_str(&format!("'{}.{}'", letters(random), random.below(100))),
                Part::Gap => message.push_str(&format!(" on {}: ", letters(random))),
                Part::OneOf(texts) => message.push_str(&texts[random.below(texts.len())]),
            }
        }
        if self.ignores_case && random.chance(0.5) { message.to_ascii_uppercase() } else { message }
    }
}

fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| (!c.is_ascii_alphanumeric() && !" :=',#@%~/".contains(c)).then_some('\\').into_iter().chain([c]))
        .collect()
}

fn address(random: &mut Random) -> String {
    format!(
        "{}.{}.{}.{}:{}",
        1 + random.below(223),
        random.below(256),
        random.below(256),
        random.below(256),
        random.below(65536)
    )
}

fn letters(random: &mut Random) -> String {
    let length = 3 + random.below(6);
    (0..length).map(|_| char::from(b'a' + u8::try_from(random.below(26)).expect("should be a letter"))).collect()
}

/// How much lines differ from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entropy {
    /// Twenty formats, over and over.
    Low,
    /// Two thousand formats, of the words that the rules are made of.
    Middle,
    /// The same, half of each line random letters, numbers and base-64.
    High,
}

impl Entropy {
    pub const ALL: [Self; 3] = [Self::Low, Self::Middle, Self::High];
}

/// What to make.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub seed: u64,
    pub entropy: Entropy,
    pub rules: usize,
    /// How many of a hundred rules require no literal.
    pub without_literal: usize,
    /// How many lines a rule matches.
    pub hits: f64,
    pub lines: usize,
}

/// Rules and a log.
pub struct Corpus {
    pub patterns: Vec<String>,
    pub log: String,
}

impl Corpus {
    pub fn new(wanted: &Wanted) -> Self {
        let mut random = Random::new(wanted.seed);
        let formats: Vec<Format> = (0..wanted.rules)
            .map(|number| {
                let without = number % 100 < wanted.without_literal;
                if without { Format::without_literal(&mut random) } else { Format::new(&mut random) }
            })
            .collect();
        let kinds = if wanted.entropy == Entropy::Low { 20 } else { 2000 };
        let others: Vec<Format> = (0..kinds).map(|_| Format::new(&mut random)).collect();
        let mut log = String::with_capacity(wanted.lines * 145);
        for number in 0..wanted.lines {
            let hit = random.chance(wanted.hits);
            let format = if hit { &formats[random.below(formats.len())] } else { &others[random.below(others.len())] };
            line(&mut log, &mut random, format, number, wanted.entropy == Entropy::High && !hit);
        }
        Self { patterns: formats.iter().map(Format::pattern).collect(), log }
    }
}

/// A line of about 140 bytes.
fn line(log: &mut String, random: &mut Random, format: &Format, number: usize, noisy: bool) {
    let start = log.len();
    if !format.anchored {
        let second = number / 50;
        log.push_str(&format!(
            "2026-11-22T{:02}:{:02}:{:02}.{:06}Z node-{} {}[{}]: ",
            second / 3600 % 24,
            second / 60 % 60,
            second % 60,
            random.below(1_000_000),
            random.below(40),
            random.pick(&PROGRAMS),
            random.below(30_000),
        ));
    }
    if !noisy || random.chance(0.5) {
        log.push_str(&format.message(random));
    }
    let length = 115 + random.below(50);
    while log.len() - start < length {
        let name = random.pick(&FIELDS);
        let value = match random.below(if noisy { 4 } else { 3 }) {
            0 => random.below(100_000).to_string(),
            1 => letters(random),
            2 => format!("{:08x}", random.next() as u32),
            _ => (0..24)
                .map(|_| b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[random.below(64)] as char)
                .collect(),
        };
        log.push_str(&format!(" {name}={value}"));
    }
    log.push('\n');
}
