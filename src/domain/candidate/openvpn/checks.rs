//! What must hold for a profile as a whole.

use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::super::fields::{Fields, PASSWORD, PROFILE, USERNAME};
use super::super::{CandidateError, Endpoint, Problem};
use super::directives::CREDENTIALS;
use super::profile::Draft;
use crate::domain::plan::Protocol;
use crate::domain::types::Transport;

/// OpenVPN's own limit for a user name or password.
const MAXIMUM_CREDENTIAL_BYTES: usize = 127;

pub(super) fn transport(endpoints: &[Endpoint], allowed: Transport) -> Result<(), Problem> {
    let (unwanted, found, allowed) = match allowed {
        Transport::Any => return Ok(()),
        Transport::UDP => (Protocol::Tcp, "TCP", "UDP"),
        Transport::TCP => (Protocol::Udp, "UDP", "TCP"),
    };
    if endpoints.iter().any(|endpoint| endpoint.protocol == unwanted) {
        return Err(Problem::Transport { found, allowed });
    }
    Ok(())
}

/// User name and password, a line each: from the fields, or from the profile's own block.
pub(super) fn credentials(
    candidate: &str,
    fields: &Fields,
    draft: &Draft,
) -> Result<Option<Zeroizing<String>>, CandidateError> {
    let fail = |field, problem| CandidateError::new(candidate, field, None, problem);
    let field =
        |name: &'static str| match fields.get(name).map(|text| text.expose_secret().trim_end_matches(['\r', '\n'])) {
            Some(text) if is_credential(text) => Ok(Some(text)),
            Some(_) => Err(fail(name, Problem::NotOneLine)),
            None => Ok(None),
        };
    if let (Some(username), Some(password)) = (field(USERNAME)?, field(PASSWORD)?) {
        return Ok(Some(two_lines(username, password)));
    }
    if let Some(block) = draft.blocks.get(CREDENTIALS) {
        let mut lines = block.lines().filter(|line| !line.is_empty());
        return match (lines.next(), lines.next(), lines.next()) {
            (Some(username), Some(password), None) if is_credential(username) && is_credential(password) => {
                Ok(Some(two_lines(username, password)))
            }
            _ => Err(fail(PROFILE, Problem::Value(CREDENTIALS))),
        };
    }
    if draft.wants_credentials || fields.contains_key(USERNAME) || fields.contains_key(PASSWORD) {
        let missing = if fields.contains_key(USERNAME) { PASSWORD } else { USERNAME };
        return Err(fail(missing, Problem::MissingCredentials));
    }
    Ok(None)
}

fn is_credential(text: &str) -> bool {
    // OpenVPN looks for a block's end behind leading blanks.
    let ends_block = text.trim_start().starts_with("</");
    !text.is_empty() && text.len() <= MAXIMUM_CREDENTIAL_BYTES && !text.chars().any(char::is_control) && !ends_block
}

fn two_lines(username: &str, password: &str) -> Zeroizing<String> {
    Zeroizing::new(format!("{username}\n{password}\n"))
}

pub(super) fn complete(draft: &Draft) -> Result<(), (Option<usize>, Problem)> {
    let has = |block| draft.blocks.contains_key(block);
    if let Some((directive, line)) = draft.files.iter().find(|(directive, _)| !has(*directive)) {
        return Err((Some(*line), Problem::ExternalFile(directive)));
    }
    for directive in ["cipher", "data-ciphers", "ncp-ciphers", "data-ciphers-fallback", "auth"] {
        let turns_off = |value: &str| value.split(':').any(|name| name.eq_ignore_ascii_case("none"));
        if draft.value(directive).is_some_and(turns_off) {
            let reason = "none turns encryption or its authentication off: take a profile that does not";
            return Err((None, Problem::Refused { directive, reason }));
        }
    }
    let missing = |what| Err((None, Problem::Missing(what)));
    if !has("ca") && !has("pkcs12") && !has("peer-fingerprint") && draft.value("peer-fingerprint").is_none() {
        return missing("the block <ca>");
    }
    match (has("cert"), has("key")) {
        (true, false) => return missing("the block <key>"),
        (false, true) => return missing("the block <cert>"),
        (false, false) if !has(CREDENTIALS) && !has("pkcs12") => {
            return missing("a user name and password, or the blocks <cert> and <key>,");
        }
        _ => {}
    }
    if draft.blocks.get("key").is_some_and(|key| key.contains("ENCRYPTED")) {
        return Err((None, Problem::EncryptedKey));
    }
    Ok(())
}
