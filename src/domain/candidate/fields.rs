//! A candidate's fields: named ones (Vault), or one text that is a profile or a JSON object of fields (a Secret's key).

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{CandidateError, Problem, RawCandidate};
use crate::domain::types::ClientKind;

pub(super) const PROFILE: &str = "profile";
pub(super) const CONFIG: &str = "config";
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
const VALUE: &str = "value";

pub(super) type Fields = BTreeMap<String, SecretString>;

pub(super) fn read(client: ClientKind, raw: &RawCandidate) -> Result<Fields, CandidateError> {
    let (main, what) = match client {
        ClientKind::OpenVPN => (PROFILE, ".ovpn profile"),
        ClientKind::WireGuard => (CONFIG, "wg-quick configuration"),
    };
    let mut fields = raw.fields.clone();
    if !fields.contains_key(main)
        && let Some(value) = fields.remove(VALUE)
    {
        if value.expose_secret().trim_start().starts_with('{') {
            let object: BTreeMap<String, String> = serde_json::from_str(value.expose_secret())
                .map_err(|_| CandidateError::new(&raw.name, VALUE, None, Problem::NotStrings))?;
            fields.extend(object.into_iter().map(|(key, value)| (key, SecretString::from(value))));
        } else {
            fields.insert(main.into(), value);
        }
    }
    if fields.get(main).is_none_or(|text| text.expose_secret().trim().is_empty()) {
        return Err(CandidateError::new(&raw.name, main, None, Problem::MissingField(what)));
    }
    Ok(fields)
}

/// The text's lines, counted from 1, without a byte order mark and line ends of either kind.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).zip(1..).map(|(line, number)| (number, line))
}

/// Whether a line is free of what could make a client read it differently than we do.
pub(super) fn is_plain(line: &str) -> bool {
    !line.chars().any(|c| c.is_control() && c != '\t')
}
