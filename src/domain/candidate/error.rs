//! What can be wrong with a candidate. Nothing here can hold a candidate's content: names come from our own tables.

use std::fmt;

use thiserror::Error;

/// A candidate that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct CandidateError {
    /// The candidate's key in its pool.
    pub candidate: String,
    /// The field.
    pub field: &'static str,
    /// The line, counted from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub problem: Problem,
}

impl CandidateError {
    pub(super) fn new(candidate: &str, field: &'static str, line: Option<usize>, problem: Problem) -> Self {
        Self { candidate: candidate.into(), field, line, problem }
    }
}

impl fmt::Display for CandidateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "candidate \"{}\", field {}", self.candidate, self.field)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// What is wrong, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A required field is absent.
    #[error("missing: store the {0} under this field")]
    MissingField(&'static str),
    /// The text of a JSON candidate is not an object of strings.
    #[error("a JSON candidate must be one object whose values are all strings")]
    NotStrings,
    /// A user name or password with a line break or the like, an empty one, or one that would end its block.
    #[error("must be one line of 1 to 127 bytes without control characters, and not begin with </")]
    NotOneLine,
    /// Only one of user name and password.
    #[error("the profile asks for a user name and a password: store the fields username and password")]
    MissingCredentials,
    /// A control character.
    #[error("holds a control character: store the text as the provider gave it")]
    ControlCharacter,
    /// A line that the client would cut in two.
    #[error("longer than {0} bytes, which the client would cut in two: break the line")]
    LineTooLong(usize),
    /// A quote that is not closed.
    #[error("cannot be read: check its quotes and backslashes")]
    Syntax,
    /// An inline block that is not closed.
    #[error("the block <{0}> is not closed: add </{0}>")]
    UnclosedBlock(&'static str),
    /// A directive or key that is on no list.
    #[error("not a directive that hopkeeper knows: remove the line, or report it if the provider needs it")]
    Unknown,
    /// A directive that a hop must not or cannot follow.
    #[error("{directive} is refused: {reason}")]
    Refused {
        /// The directive, from our own table.
        directive: &'static str,
        /// Why, and what to do.
        reason: &'static str,
    },
    /// A directive with too few, too many or unusable values.
    #[error("{0} has a value that cannot be used")]
    Value(&'static str),
    /// A reference to a file that nobody has.
    #[error("{0} refers to a file: put its content inline, between <{0}> and </{0}>")]
    ExternalFile(&'static str),
    /// A required part is absent.
    #[error("{0} is missing: add it to the candidate")]
    Missing(&'static str),
    /// A private key that needs a passphrase.
    #[error("the private key is encrypted: store it decrypted, as nobody is there to type its passphrase")]
    EncryptedKey,
    /// An IPv6 server.
    #[error("the server's address is IPv6: hops reach servers by IPv4 only, use a name or an IPv4 address")]
    Ipv6Endpoint,
    /// A server's name or address that is none.
    #[error("the server's name or address cannot be used: write a DNS name or a unicast IPv4 address")]
    EndpointAddress,
    /// The hop's `transport` excludes the candidate.
    #[error("uses {found}, but the hop allows only {allowed}: change the hop's transport or take another candidate")]
    Transport {
        /// What the candidate uses.
        found: &'static str,
        /// What the hop allows.
        allowed: &'static str,
    },
    /// More than one peer.
    #[error("more than one [Peer]: a hop sends everything to one server, keep one")]
    SeveralPeers,
    /// The peer does not carry all traffic.
    #[error("AllowedIPs must hold 0.0.0.0/0: a hop sends everything into its tunnel")]
    NotEverything,
    /// A WireGuard key that is none.
    #[error("{0} is not a WireGuard key: 44 characters of base64")]
    Key(&'static str),
    /// No server's name could be resolved.
    #[error("none of its servers has an IPv4 address: check the names and the operator's DNS")]
    Unresolved,
}

/// Something that was left out of a candidate, harmlessly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The field.
    pub field: &'static str,
    /// The line, counted from 1.
    pub line: usize,
    /// What was left out, from our own table.
    pub what: &'static str,
    /// Why.
    pub why: &'static str,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field {}, line {}: {} is left out: {}", self.field, self.line, self.what, self.why)
    }
}
