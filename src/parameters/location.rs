//! A pool as a person names it on a command line: `vault:MOUNT/PATH` or `secret:NAMESPACE/NAME`.

use std::fmt;
use std::str::FromStr;

/// Where a pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A path in a KV version 2 mount of Vault.
    Vault {
        /// The mount.
        mount: String,
        /// The path under which every key is one candidate.
        path: String,
    },
    /// A Secret.
    Secret {
        /// Its namespace: the chain's.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            "a pool is vault:MOUNT/PATH, for example vault:secret/vpn/entry, or secret:NAMESPACE/NAME, for example \
             secret:vpn/exit-pool; a mount that has a slash in its name ends with two: vault:team/kv//vpn/entry"
                .to_owned()
        };
        let (kind, place) = text.split_once(':').ok_or_else(wrong)?;
        let parts = |separator| place.split_once(separator);
        let (first, rest) = parts("//").filter(|_| kind == "vault").or_else(|| parts("/")).ok_or_else(wrong)?;
        let (first, rest) = (first.to_owned(), rest.trim_matches('/').to_owned());
        match kind {
            _ if first.is_empty() || rest.is_empty() => Err(wrong()),
            "vault" => Ok(Self::Vault { mount: first, path: rest }),
            "secret" if !rest.contains('/') => Ok(Self::Secret { namespace: first, name: rest }),
            _ => Err(wrong()),
        }
    }
}

/// As it is typed.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault { mount, path } if mount.contains('/') => write!(f, "vault:{mount}//{path}"),
            Self::Vault { mount, path } => write!(f, "vault:{mount}/{path}"),
            Self::Secret { namespace, name } => write!(f, "secret:{namespace}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_read_as_it_is_shown() {
        let vault = |mount: &str, path: &str| Location::Vault { mount: mount.into(), path: path.into() };
        for (text, location) in [
            ("vault:secret/vpn/entry", vault("secret", "vpn/entry")),
            ("vault:kv/entry", vault("kv", "entry")),
            ("vault:team/kv//vpn/entry", vault("team/kv", "vpn/entry")),
            ("secret:vpn/exit-pool", Location::Secret { namespace: "vpn".into(), name: "exit-pool".into() }),
        ] {
            assert_eq!(text.parse(), Ok(location.clone()));
            assert_eq!(location.to_string(), text);
        }
        assert_eq!("vault:secret/vpn/entry/".parse(), Ok(vault("secret", "vpn/entry")));
    }

    #[test]
    fn what_is_no_pool_is_refused_with_an_example() {
        for text in [
            "",
            "vpn/entry",
            "vault:",
            "vault:secret",
            "vault:secret/",
            "vault:/vpn",
            "secret:vpn",
            "secret:a/b/c",
            "kv:a/b",
        ] {
            let refused = text.parse::<Location>().expect_err(text);
            assert!(
                refused.contains("vault:secret/vpn/entry") && refused.contains("secret:vpn/exit-pool"),
                "{refused}"
            );
        }
    }
}
