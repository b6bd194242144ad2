//! `hopkeeper pool add`: cleans, checks as the operator does, and only then writes.

use std::io::Write;

use jiff::Timestamp;
use miette::miette;

use super::input::{Credentials, Profile};
use super::{HopArgs, count, summary, written};
use crate::cli::output::note;
use crate::domain::candidate::{Note, Problem, RawCandidate, clean, client_of_text, fields_of_text, parse};
use crate::domain::types::{ClientKind, Implementation, Transport};
use crate::parameters::location::Location;
use crate::parameters::store::{Outcome, Store};
use crate::telemetry::error_chain;

/// A candidate that the operator could use.
pub(super) struct Ready {
    candidate: RawCandidate,
    removed: Vec<Note>,
    servers: Vec<String>,
}

/// Cleans and checks them all; prints why some cannot be used.
pub(super) fn prepare(profiles: Vec<Profile>, hop: HopArgs, now: Timestamp) -> miette::Result<Vec<Ready>> {
    let clients: Vec<_> = profiles.iter().map(|profile| client_of_text(&profile.text)).collect();
    let client = hop.client().or(clients.first().copied()).unwrap_or(ClientKind::OpenVPN);
    if let Some(other) = clients.iter().position(|other| *other != client) {
        return Err(miette!(
            "{} is for {}, but the hop's client is {client}: a pool belongs to one hop, which has one client",
            profiles[other].origin,
            clients[other]
        ));
    }
    let (number, mut ready) = (profiles.len(), Vec::new());
    for profile in profiles {
        let origin = profile.origin.clone();
        match one(profile, client, hop, now) {
            Ok(one) => ready.push(one),
            Err(problem) => note(&format!("{origin}: {problem}")),
        }
    }
    match number - ready.len() {
        0 => Ok(ready),
        refused => Err(miette!("{refused} of {} cannot be used; nothing was written", count(number))),
    }
}

fn one(profile: Profile, client: ClientKind, hop: HopArgs, now: Timestamp) -> Result<Ready, String> {
    let cleaned = clean(client, &profile.text);
    let candidate = |account| RawCandidate {
        name: profile.name.clone(),
        version: String::new(),
        fields: fields_of_text(client, cleaned.text.clone(), account),
    };
    let candidate = match profile.credentials {
        Credentials::Own(account) => candidate(Some(account)),
        Credentials::Shared(account) if asks_for_account(&candidate(None)) => candidate(Some(account)),
        Credentials::Shared(_) | Credentials::None => candidate(None),
    };
    let parameters = summary::parsed(&candidate, client, hop, now)?;
    let servers = summary::of(&candidate, &parameters).servers;
    Ok(Ready { candidate, removed: cleaned.removed, servers })
}

/// Whether it is an OpenVPN profile that lacks nothing but a user name and a password.
fn asks_for_account(candidate: &RawCandidate) -> bool {
    let refused = parse(Implementation::OpenVpn, Transport::Any, candidate).err();
    refused.is_some_and(|error| error.problem == Problem::MissingCredentials)
}

/// What a dry run says.
pub(super) fn would_write(ready: &[Ready], location: &Location, mut out: impl Write) -> std::io::Result<()> {
    ready.iter().try_for_each(|one| tell_clean(one, &mut out))?;
    for Ready { candidate, servers, .. } in ready {
        writeln!(out, "{}: can be used: {}", candidate.name, servers.join(" "))?;
    }
    writeln!(out, "{} could go into {location}; nothing was written", count(ready.len()))
}

/// Writes them, and says what became of each.
pub(super) async fn write(ready: Vec<Ready>, store: &Store, mut out: impl Write) -> miette::Result<()> {
    written(ready.iter().try_for_each(|one| tell_clean(one, &mut out)))?;
    let candidates: Vec<_> = ready.iter().map(|one| one.candidate.clone()).collect();
    let outcomes = store.write(&candidates).await.map_err(|error| miette!("{}", error_chain(&error)))?;
    let tell = |(Ready { candidate, servers, .. }, outcome): (&Ready, &Outcome)| match outcome {
        Outcome::Written(version) => {
            writeln!(out, "{}: written as version {version}: {}", candidate.name, servers.join(" "))
        }
        Outcome::Unchanged => writeln!(out, "{}: unchanged", candidate.name),
    };
    written(ready.iter().zip(&outcomes).try_for_each(tell))
}

fn tell_clean(Ready { candidate, removed, .. }: &Ready, out: &mut impl Write) -> std::io::Result<()> {
    removed.iter().try_for_each(|Note { line, what, why, .. }| {
        writeln!(out, "clean {}, line {line}: {what} is taken out: {why}", candidate.name)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Protocols;
    use super::*;

    const HOP: HopArgs = HopArgs { client: None, transport: Protocols::Any };
    const CA: &str = "<ca>\n-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n</ca>\n";
    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn profile(name: &str, text: &str, credentials: Credentials) -> Profile {
        Profile { name: name.into(), origin: format!("{name}.ovpn"), text: text.into(), credentials }
    }

    fn account() -> (secrecy::SecretString, secrecy::SecretString) {
        ("user".into(), "CANARY".into())
    }

    fn openvpn(lines: &str) -> String {
        format!("client\nremote 203.0.113.7\n{lines}\n{CA}")
    }

    fn wireguard() -> String {
        format!(
            "[Interface]\nPrivateKey={KEY}\nAddress=10.0.0.2/32\nPostUp=CANARY\n[Peer]\nPublicKey={KEY}\n\
             AllowedIPs=0.0.0.0/0\nEndpoint=203.0.113.1:51820\n"
        )
    }

    fn noon() -> Timestamp {
        "2026-11-29T12:00:00Z".parse().unwrap()
    }

    fn told(ready: &[Ready]) -> String {
        let mut out = Vec::new();
        would_write(ready, &"vault:secret/vpn/entry".parse().unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_taken_out_is_named_and_the_rest_is_ready() {
        let text = openvpn("script-security 2\nup /CANARY\nplugin /CANARY.so\nauth-user-pass");
        let ready = prepare(vec![profile("a", &text, Credentials::Own(account()))], HOP, noon()).unwrap();
        assert_eq!(
            told(&ready),
            "clean a, line 3: script-security is taken out: commands are never run\n\
             clean a, line 4: up is taken out: commands are never run\n\
             clean a, line 5: plugin is taken out: code is never loaded into the client\n\
             a: can be used: 203.0.113.7:1194/udp\n\
             1 candidate could go into vault:secret/vpn/entry; nothing was written\n"
        );
        let ready = prepare(vec![profile("b", &wireguard(), Credentials::Shared(account()))], HOP, noon()).unwrap();
        assert_eq!(ready[0].candidate.fields.keys().collect::<Vec<_>>(), ["config"]);
        assert!(told(&ready).contains("PostUp") && !told(&ready).contains("CANARY"));
    }

    #[test]
    fn the_account_for_all_goes_only_to_profiles_that_ask_for_one() {
        let by_certificate = openvpn("<cert>\nx\n</cert>\n<key>\nx\n</key>");
        let own = openvpn("auth-user-pass\n<auth-user-pass>\nme\nCANARY\n</auth-user-pass>");
        for (text, fields) in [
            (openvpn("auth-user-pass"), &["password", "profile", "username"][..]),
            (by_certificate, &["profile"]),
            (own, &["profile"]),
        ] {
            let ready = prepare(vec![profile("a", &text, Credentials::Shared(account()))], HOP, noon()).unwrap();
            assert_eq!(ready[0].candidate.fields.keys().collect::<Vec<_>>(), fields, "{text}");
        }
    }

    #[test]
    fn one_that_cannot_be_used_keeps_all_from_being_written() {
        let good = || profile("a", &openvpn("auth-user-pass"), Credentials::Own(account()));
        let expired = openvpn(&format!(
            "<cert>\n{}</cert>\n<key>\nx\n</key>",
            include_str!("../../domain/candidate/testdata/client.crt")
        ));
        let later = "2060-01-01T00:00:00Z".parse().unwrap();
        let udp = HopArgs { client: None, transport: Protocols::Tcp };
        for (profiles, hop, now, expected) in [
            (
                vec![good(), profile("b", "remote CANARY", Credentials::None)],
                HOP,
                noon(),
                "1 of 2 candidates cannot be used",
            ),
            (vec![profile("b", &expired, Credentials::None)], HOP, later, "1 of 1 candidate cannot be used"),
            (vec![good()], udp, noon(), "1 of 1 candidate cannot be used"),
            (vec![good(), profile("b", &wireguard(), Credentials::None)], HOP, noon(), "b.ovpn is for WireGuard"),
        ] {
            let said = prepare(profiles, hop, now).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
