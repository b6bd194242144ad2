//! Takes out of a profile or configuration what could harm the machine that it is used on, before a pool stores it.
//!
//! A hop would not follow these lines anyway. But a pool's text is also what a person copies from it to try it elsewhere.

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::fields::{CONFIG, PROFILE, lines};
use super::{Note, openvpn, wireguard};
use crate::domain::types::ClientKind;

/// A text without what could do harm.
pub struct Cleaned {
    /// The text. Its lines keep their numbers: a comment stands where something was taken out.
    pub text: SecretString,
    /// What was taken out.
    pub removed: Vec<Note>,
}

/// Takes out what runs commands, loads code, or writes to files. What cannot be read stays: [`parse`](super::parse) refuses it.
pub fn clean(client: ClientKind, text: &SecretString) -> Cleaned {
    let (mut out, mut removed) = (Zeroizing::new(String::with_capacity(text.expose_secret().len())), Vec::new());
    let mut open_block = None;
    for (number, line) in lines(text.expose_secret()) {
        if number > 1 {
            out.push('\n');
        }
        let (field, harm) = match client {
            ClientKind::OpenVPN => (PROFILE, openvpn::harm(&mut open_block, line)),
            ClientKind::WireGuard => (CONFIG, wireguard::harm(line)),
        };
        match harm {
            Some((what, why)) => {
                out.push_str("# taken out: ");
                out.push_str(what);
                removed.push(Note { field, line: number, what, why });
            }
            None => out.push_str(line),
        }
    }
    Cleaned { text: SecretString::from(out.as_str()), removed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(client: ClientKind, text: &str) -> (String, Vec<&'static str>) {
        let Cleaned { text, removed } = clean(client, &text.into());
        (text.expose_secret().to_owned(), removed.iter().map(|note| note.what).collect())
    }

    #[test]
    fn a_profile_loses_commands_and_plugins_and_nothing_else() {
        let profile = "\u{feff}client\r\n  --script-security 2\r\nup \"/bin/CANARY a\"\nplugin CANARY.so\nroute 10.0.0.0\n# up x\n\
            <connection>\nremote a.example\ndown CANARY\n</connection>\n<ca>\nup CANARY\n</ca>\n;plugin x\nlog-append /CANARY\n";
        let (text, removed) = cleaned(ClientKind::OpenVPN, profile);
        assert_eq!(removed, ["script-security", "up", "plugin", "down", "log-append"]);
        assert_eq!(
            text,
            "client\n# taken out: script-security\n# taken out: up\n# taken out: plugin\nroute 10.0.0.0\n# up x\n\
             <connection>\nremote a.example\n# taken out: down\n</connection>\n<ca>\nup CANARY\n</ca>\n;plugin x\n\
             # taken out: log-append\n"
        );
        assert_eq!(cleaned(ClientKind::OpenVPN, &text), (text.clone(), vec![]), "a second time changes nothing");
    }

    #[test]
    fn a_configuration_loses_its_hooks() {
        let config =
            "[Interface]\nAddress = 10.0.0.2/32\npostup=CANARY\nPreDown = CANARY # x\n[Peer]\nSaveConfig = true";
        let (text, removed) = cleaned(ClientKind::WireGuard, config);
        assert_eq!(removed, ["PostUp", "PreDown", "SaveConfig"]);
        assert_eq!(
            text,
            "[Interface]\nAddress = 10.0.0.2/32\n# taken out: PostUp\n# taken out: PreDown\n[Peer]\n# taken out: SaveConfig"
        );
    }

    #[test]
    fn what_cannot_be_read_is_left_for_the_parser_to_refuse() {
        for text in ["up \"unclosed", "<frobnicate>\nclient", "[Interface", "\\"] {
            for client in [ClientKind::OpenVPN, ClientKind::WireGuard] {
                assert_eq!(cleaned(client, text), (text.to_owned(), vec![]));
            }
        }
    }
}
