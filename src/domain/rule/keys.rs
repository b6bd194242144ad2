//! The keys of a rule file, in one table each: what the reader knows, the JSON Schema offers and the guide explains.

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What it means, in one sentence or two.
    pub about: &'static str,
}

/// At the top of a file.
pub const FILE: &[Key] = &[
    Key { name: "version", about: "Of the file's form; 1." },
    Key { name: "client", about: "Whose lines the file's rules read; a rule may name another." },
    Key { name: "rules", about: "The rules. The first one that matches decides a line." },
];

/// In a rule.
pub const RULE: &[Key] = &[
    Key {
        name: "id",
        about: "Lower-case letters, digits, dashes; used once in all files. The id of a shipped rule replaces or changes that rule.",
    },
    Key { name: "title", about: "What the line means, for the person who reads the incident." },
    Key {
        name: "client",
        about: "Whose lines: openvpn, wireguard-go, boringtun, wireguard (the kernel's, wg, wg-quick), health (the health sidecar) or any (every client but not the sidecar).",
    },
    Key { name: "pattern", about: "A regular expression on the program's own text. Begin it with ^." },
    Key { name: "unless", about: "The rule does not decide lines that match this as well." },
    Key {
        name: "where",
        about: "Conditions that must all hold, on named groups of the pattern or, with client health, on fields of the line: `seconds: '>= 15'`. The signs are ==, !=, <, <=, >, >=; without one the value must be equal.",
    },
    Key {
        name: "evidence",
        about: "own: the hop's own server answered, or the fault is inside the pod. path: this hop, or any outer one; acted on only when every outer hop is proven up.",
    },
    Key {
        name: "verdict",
        about: "rotate: other parameters are needed. restart: the same may work. alert: neither helps. ignore: known and harmless. recovered: the tunnel works; earlier lines are history.",
    },
    Key {
        name: "severity",
        about: "info, warning or critical, for people and their alerts. Without it: critical for alert, warning for rotate and restart, info else.",
    },
    Key {
        name: "threshold",
        about: "So many lines, at most so far apart by the lines' own times. Without it one line is enough.",
    },
    Key { name: "samples", about: "Lines for `hopkeeper rules test`." },
    Key { name: "tags", about: "Words of your own to find rules by; lower-case letters, digits, dashes." },
    Key {
        name: "enabled",
        about: "false leaves the rule out; with nothing else but the id of a shipped rule it switches that one off.",
    },
    Key { name: "docs", about: "A link to more." },
];

/// In `threshold`.
pub const THRESHOLD: &[Key] = &[
    Key { name: "count", about: "Matching lines needed, 1 to 1000." },
    Key { name: "within", about: "The longest time from the first to the last of them, 1s to 1h: 90s, 5m." },
];

/// In `samples`.
pub const SAMPLES: &[Key] = &[
    Key { name: "fires", about: "Lines that the rule must decide." },
    Key { name: "silent", about: "Lines that the rule must not decide." },
];

/// The names of a table.
pub fn names(keys: &[Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}
