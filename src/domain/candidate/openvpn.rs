//! OpenVPN profiles: read by OpenVPN's own rules, kept by a list of directives, rendered anew.

mod checks;
mod directives;
mod profile;
mod tokens;

use secrecy::{ExposeSecret, SecretString};

use self::directives::{CREDENTIALS, Treatment, treatment};
use self::profile::Draft;
pub(super) use self::profile::Profile;
use super::fields::{Fields, PROFILE, is_plain, lines};
use super::{CandidateError, Endpoint, Note, Problem, host};
use crate::domain::plan::Protocol;
use crate::domain::types::Transport;

/// OpenVPN reads lines of at most 256 bytes, and takes the rest of a longer one for a line of its own.
const MAXIMUM_LINE_BYTES: usize = 250;
const DEFAULT_PORT: u16 = 1194;

pub(super) struct Parsed {
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) notes: Vec<Note>,
    pub(super) profile: Profile,
    /// The block `<cert>`: a PEM text, in which some keep the key too.
    pub(super) client_certificate: Option<SecretString>,
}

/// A `remote` line, with what it does not say left open.
#[derive(Clone, Debug)]
struct Remote {
    host: super::Host,
    port: Option<u16>,
    protocol: Option<Protocol>,
}

/// `port` and `proto`, of the profile or of one `<connection>`.
#[derive(Clone, Copy, Debug, Default)]
struct Defaults {
    port: Option<u16>,
    protocol: Option<Protocol>,
}

pub(super) fn parse(candidate: &str, fields: &Fields, transport: Transport) -> Result<Parsed, CandidateError> {
    let fail = |line, problem| CandidateError::new(candidate, PROFILE, line, problem);
    let mut reader = Reader::default();
    for (number, line) in lines(fields[PROFILE].expose_secret()) {
        reader.line(number, line).map_err(|problem| fail(Some(number), problem))?;
    }
    if let Some((tag, line)) = reader.open {
        return Err(fail(Some(line), Problem::UnclosedBlock(tag)));
    }
    let endpoints = endpoints(&reader.remotes, reader.defaults);
    if endpoints.is_empty() {
        return Err(fail(None, Problem::Missing("a remote")));
    }
    checks::transport(&endpoints, transport).map_err(|problem| fail(None, problem))?;
    if let Some(credentials) = checks::credentials(candidate, fields, &reader.draft)? {
        // In the profile, not in a file beside it: OpenVPN reads such a file again whenever it connects again by itself, and
        // would show the next candidate's password to the server of the one before.
        reader.draft.blocks.insert(CREDENTIALS, credentials);
    }
    checks::complete(&reader.draft).map_err(|(line, problem)| fail(line, problem))?;
    let client_certificate = reader.draft.blocks.get("cert").map(|pem| SecretString::from(pem.as_str()));
    Ok(Parsed { profile: Profile::new(reader.draft, &endpoints), endpoints, notes: reader.notes, client_certificate })
}

/// The directive of a line that could harm whoever uses the profile, and how. `open` is the inline block that the lines
/// before have left open.
pub(super) fn harm(open: &mut Option<&'static str>, line: &str) -> Option<(&'static str, &'static str)> {
    match *open {
        Some(tag) if is_closing(line, tag) => *open = None,
        None if opened(line).is_some() => *open = opened(line).and_then(directives::block),
        Some(tag) if tag != directives::CONNECTION => {}
        _ if is_comment(line) => {}
        _ => {
            let words = tokens::split(line).ok()?;
            let name = words.first()?;
            return directives::harm(name.strip_prefix("--").unwrap_or(name));
        }
    }
    None
}

fn endpoints(remotes: &[(Remote, Defaults)], profile: Defaults) -> Vec<Endpoint> {
    let of = |(remote, own): &(Remote, Defaults)| Endpoint {
        host: remote.host.clone(),
        port: remote.port.or(own.port).or(profile.port).unwrap_or(DEFAULT_PORT),
        protocol: remote.protocol.or(own.protocol).or(profile.protocol).unwrap_or_default(),
    };
    remotes.iter().map(of).collect()
}

#[derive(Default)]
struct Reader {
    draft: Draft,
    remotes: Vec<(Remote, Defaults)>,
    defaults: Defaults,
    notes: Vec<Note>,
    /// The inline block that is open, and its first line.
    open: Option<(&'static str, usize)>,
    /// Whether a `<connection>` is open, and what it says of itself.
    connection: Option<(usize, Defaults)>,
}

impl Reader {
    fn line(&mut self, number: usize, line: &str) -> Result<(), Problem> {
        let data = self.open.is_some_and(|(tag, _)| tag != directives::CONNECTION);
        if !data && is_comment(line) {
            return Ok(());
        }
        if line.len() > MAXIMUM_LINE_BYTES {
            return Err(Problem::LineTooLong(MAXIMUM_LINE_BYTES));
        }
        if !is_plain(line) {
            return Err(Problem::ControlCharacter);
        }
        if let Some((tag, _)) = self.open {
            if tag != directives::CONNECTION || is_closing(line, tag) {
                return self.in_block(tag, line);
            }
            return self.directive(number, line);
        }
        match opened(line) {
            Some(name) => {
                let tag = directives::block(name).ok_or(Problem::Unknown)?;
                self.open = Some((tag, number));
                if tag == directives::CONNECTION {
                    self.connection = Some((self.remotes.len(), Defaults::default()));
                }
                self.draft.open(tag)
            }
            None => self.directive(number, line),
        }
    }

    fn in_block(&mut self, tag: &'static str, line: &str) -> Result<(), Problem> {
        if !is_closing(line, tag) {
            self.draft.content(line);
            return Ok(());
        }
        self.open = None;
        // A connection's port and proto hold for all its remotes, wherever they stand in it.
        if let Some((first, own)) = self.connection.take() {
            self.remotes[first..].iter_mut().for_each(|(_, defaults)| *defaults = own);
        }
        self.draft.close(tag)
    }

    fn directive(&mut self, number: usize, line: &str) -> Result<(), Problem> {
        let words = tokens::split(line)?;
        let Some((name, values)) = words.split_first() else { return Ok(()) };
        let name = name.strip_prefix("--").unwrap_or(name);
        let (directive, treatment) = treatment(name).ok_or(Problem::Unknown)?;
        let defaults = self.connection.as_mut().map_or(&mut self.defaults, |(_, own)| own);
        match treatment {
            Treatment::Keep(least, most) => {
                if values.len() < least || values.len() > most {
                    return Err(Problem::Value(directive));
                }
                if self.connection.is_none() {
                    self.draft.keep(directive, values);
                }
            }
            Treatment::Drop(why) => self.notes.push(Note { field: PROFILE, line: number, what: directive, why }),
            Treatment::Forced => {}
            Treatment::Refuse(reason) => return Err(Problem::Refused { directive, reason }),
            Treatment::File => self.draft.refer(directive, values, number),
            Treatment::Device => device(directive, values)?,
            Treatment::Credentials => self.draft.wants_credentials = true,
            Treatment::Protocol => {
                let text = values.first().ok_or(Problem::Value(directive))?;
                defaults.protocol = Some(protocol(text)?);
            }
            Treatment::Port => defaults.port = Some(port(directive, values.first())?),
            Treatment::Remote => {
                let remote = remote(values)?;
                self.remotes.push((remote, Defaults::default()));
            }
        }
        Ok(())
    }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';'])
}

/// The block that a line opens: `<ca>` alone on its line.
fn opened(line: &str) -> Option<&str> {
    line.trim().strip_prefix('<')?.strip_suffix('>').filter(|name| !name.starts_with('/'))
}

/// As OpenVPN has it: the line starts with the closing tag, whatever follows.
fn is_closing(line: &str, tag: &str) -> bool {
    line.trim_start()
        .strip_prefix("</")
        .and_then(|rest| rest.strip_prefix(tag))
        .is_some_and(|rest| rest.starts_with('>'))
}

fn remote(values: &[String]) -> Result<Remote, Problem> {
    let (name, rest) = values.split_first().ok_or(Problem::Value("remote"))?;
    Ok(Remote {
        host: host(name)?,
        port: rest.first().map(|text| port("remote", Some(text))).transpose()?,
        protocol: rest.get(1).map(|text| protocol(text)).transpose()?,
    })
}

fn port(directive: &'static str, text: Option<&String>) -> Result<u16, Problem> {
    text.and_then(|text| text.parse().ok()).filter(|port| *port > 0).ok_or(Problem::Value(directive))
}

fn protocol(text: &str) -> Result<Protocol, Problem> {
    match text.to_ascii_lowercase().as_str() {
        "udp" | "udp4" => Ok(Protocol::Udp),
        "tcp" | "tcp4" | "tcp-client" | "tcp4-client" => Ok(Protocol::Tcp),
        "udp6" | "tcp6" | "tcp6-client" => Err(Problem::Ipv6Endpoint),
        _ => Err(Problem::Value("proto")),
    }
}

fn device(directive: &'static str, values: &[String]) -> Result<(), Problem> {
    match values.first() {
        Some(name) if name.starts_with("tun") => Ok(()),
        Some(name) if name.starts_with("tap") => Err(Problem::Refused {
            directive,
            reason: "a chain forwards IP packets, not Ethernet frames: use a profile with dev tun",
        }),
        _ => Err(Problem::Value(directive)),
    }
}
