//! A candidate's fields: named ones (Vault), or one text that is a profile or a JSON object of fields (a Secret's key).

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretString};

use super::{CandidateError, Problem, RawCandidate};
use crate::domain::types::ClientKind;

pub(super) const PROFILE: &str = "profile";
pub(super) const CONFIG: &str = "config";
pub(super) const USERNAME: &str = "username";
pub(super) const PASSWORD: &str = "password";
/// The field of a candidate that is stored as one text.
pub const VALUE: &str = "value";

pub(super) type Fields = BTreeMap<String, SecretString>;

/// Whose parameters a stored candidate holds, as far as its fields tell.
pub fn client_of(raw: &RawCandidate) -> ClientKind {
    let has = |field: &str| raw.fields.contains_key(field);
    match raw.fields.get(VALUE) {
        _ if has(PROFILE) => ClientKind::OpenVPN,
        _ if has(CONFIG) => ClientKind::WireGuard,
        Some(value) => match object(value) {
            Some(Ok(fields)) if fields.contains_key(CONFIG) => ClientKind::WireGuard,
            Some(_) => ClientKind::OpenVPN,
            None => client_of_text(value),
        },
        None => ClientKind::OpenVPN,
    }
}

/// Whose a profile or configuration is: only WireGuard's have sections.
pub fn client_of_text(text: &SecretString) -> ClientKind {
    let is_section = |line: &str| ["[interface]", "[peer]"].iter().any(|s| line.trim().eq_ignore_ascii_case(s));
    match lines(text.expose_secret()).any(|(_, line)| is_section(line)) {
        true => ClientKind::WireGuard,
        false => ClientKind::OpenVPN,
    }
}

/// The fields that a profile or configuration is stored in, with the user name and password that come with a profile.
pub fn fields_of_text(
    client: ClientKind,
    text: SecretString,
    credentials: Option<(SecretString, SecretString)>,
) -> BTreeMap<String, SecretString> {
    let main = match client {
        ClientKind::OpenVPN => PROFILE,
        ClientKind::WireGuard => CONFIG,
    };
    let mut fields = Fields::from([(main.to_owned(), text)]);
    if let Some((username, password)) = credentials {
        fields.extend([(USERNAME.to_owned(), username), (PASSWORD.to_owned(), password)]);
    }
    fields
}

/// The fields of a text that is a JSON object: `Err` when not all of them are strings.
fn object(value: &SecretString) -> Option<Result<Fields, ()>> {
    value.expose_secret().trim_start().starts_with('{').then(|| {
        let fields: BTreeMap<String, String> = serde_json::from_str(value.expose_secret()).map_err(|_| ())?;
        Ok(fields.into_iter().map(|(key, value)| (key, SecretString::from(value))).collect())
    })
}

pub(super) fn read(client: ClientKind, raw: &RawCandidate) -> Result<Fields, CandidateError> {
    let (main, what) = match client {
        ClientKind::OpenVPN => (PROFILE, ".ovpn profile"),
        ClientKind::WireGuard => (CONFIG, "wg-quick configuration"),
    };
    let mut fields = raw.fields.clone();
    if !fields.contains_key(main)
        && let Some(value) = fields.remove(VALUE)
    {
        match object(&value) {
            Some(Ok(object)) => fields.extend(object),
            Some(Err(())) => return Err(CandidateError::new(&raw.name, VALUE, None, Problem::NotStrings)),
            None => drop(fields.insert(main.into(), value)),
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
