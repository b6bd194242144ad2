//! What is kept of a profile, and the `client.conf` that is written from it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::super::{Endpoint, Problem};
use super::directives::CONNECTION;
use super::tokens::quote;
use crate::domain::plan::{EndpointAddress, Protocol};

/// What has been read of a profile so far.
#[derive(Default)]
pub(super) struct Draft {
    /// Directives as lines, in their order.
    pub(super) kept: Vec<(&'static str, String)>,
    /// Inline blocks.
    pub(super) blocks: BTreeMap<&'static str, Zeroizing<String>>,
    /// Files that directives name, and the line.
    pub(super) files: Vec<(&'static str, usize)>,
    /// Whether there is an `auth-user-pass`.
    pub(super) wants_credentials: bool,
    current: Zeroizing<String>,
}

impl Draft {
    pub(super) fn keep(&mut self, directive: &'static str, values: &[String]) {
        let mut line = directive.to_owned();
        for value in values {
            line.push(' ');
            line.push_str(&quote(value));
        }
        self.kept.push((directive, line));
    }

    /// `tls-auth [inline] 1` is the old form of a block and `key-direction 1`.
    pub(super) fn refer(&mut self, directive: &'static str, values: &[String], line: usize) {
        if directive == "tls-auth"
            && let Some(direction) = values.get(1).filter(|text| ["0", "1"].contains(&text.as_str()))
        {
            self.keep("key-direction", std::slice::from_ref(direction));
        }
        if values.first().is_none_or(|name| name != "[inline]") {
            self.files.push((directive, line));
        }
    }

    pub(super) fn open(&mut self, tag: &'static str) -> Result<(), Problem> {
        if self.blocks.contains_key(tag) { Err(Problem::Value(tag)) } else { Ok(()) }
    }

    pub(super) fn content(&mut self, line: &str) {
        self.current.push_str(line);
        self.current.push('\n');
    }

    pub(super) fn close(&mut self, tag: &'static str) -> Result<(), Problem> {
        let content = std::mem::take(&mut self.current);
        if tag == CONNECTION {
            return Ok(());
        }
        if content.trim().is_empty() {
            return Err(Problem::Value(tag));
        }
        self.blocks.insert(tag, content);
        Ok(())
    }

    pub(super) fn value(&self, directive: &str) -> Option<&str> {
        self.kept.iter().rev().find(|(name, _)| *name == directive).map(|(name, line)| line[name.len()..].trim())
    }
}

/// A profile without its servers.
#[derive(Clone)]
pub(in super::super) struct Profile {
    text: SecretString,
}

impl Profile {
    pub(super) fn new(mut draft: Draft, endpoints: &[Endpoint]) -> Self {
        drop_what_ends_openvpn(&mut draft, endpoints);
        let mut out = Zeroizing::new(String::with_capacity(16 * 1024));
        out.push_str("client\n");
        for (_, line) in &draft.kept {
            out.push_str(line);
            out.push('\n');
        }
        for line in compatibility(&draft) {
            out.push_str(&line);
            out.push('\n');
        }
        for (tag, content) in &draft.blocks {
            writeln!(out, "<{tag}>\n{}</{tag}>", content.as_str()).expect("should write to a string");
        }
        Self { text: SecretString::from(out.as_str()) }
    }

    /// `client.conf`, with the servers' addresses.
    pub(in super::super) fn render(&self, endpoints: &[EndpointAddress]) -> SecretString {
        let mut out = Zeroizing::new(self.text.expose_secret().to_owned());
        for EndpointAddress { ip, port, protocol } in endpoints {
            let protocol = match protocol {
                Protocol::Udp => "udp4",
                Protocol::Tcp => "tcp4-client",
            };
            writeln!(out, "remote {ip} {port} {protocol}").expect("should write to a string");
        }
        SecretString::from(out.as_str())
    }
}

/// Usual in providers' profiles, and OpenVPN 2.6 does not start with it or does not notice a dead server.
fn drop_what_ends_openvpn(draft: &mut Draft, endpoints: &[Endpoint]) {
    let by_tcp = endpoints.iter().any(|endpoint| endpoint.protocol == Protocol::Tcp);
    let keepalive = draft.value("keepalive").is_some();
    draft.kept.retain(|(name, line)| match *name {
        "explicit-exit-notify" | "fragment" => !by_tcp,
        "ping" => !keepalive,
        "ping-restart" => !keepalive && line != "ping-restart 0",
        // OpenSSL 3 no longer has them; servers negotiate a better one.
        "cipher" | "data-ciphers-fallback" => {
            let cipher = line[name.len()..].trim().to_ascii_uppercase();
            !["BF-", "CAST5-", "DES-CBC", "RC2-", "RC5-", "SEED-", "IDEA-"].iter().any(|old| cipher.starts_with(old))
        }
        _ => true,
    });
}

/// What old profiles need from OpenVPN 2.6.
fn compatibility(draft: &Draft) -> Vec<String> {
    let mut lines = Vec::new();
    // The framing must match the server's. Receiving compressed packets is safe, sending them leaks (VORACLE).
    if draft.value("comp-lzo").is_some() || draft.value("compress").is_some() {
        lines.push("allow-compression asym".into());
    }
    // Servers before 2.4 use the profile's cipher without negotiating.
    if let Some(cipher) = draft.value("cipher").filter(|cipher| cipher.to_ascii_uppercase().starts_with("AES-"))
        && draft.value("data-ciphers-fallback").is_none()
    {
        lines.push(format!("data-ciphers-fallback {cipher}"));
    }
    lines
}
