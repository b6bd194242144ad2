//! Where the status page is served.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};

/// Settings of the status page.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Status page")]
pub struct StatusPageArgs {
    /// Where the status page and its JSON API are served, or `off`. Without --status-auth whoever reaches the address sees
    /// chains and incidents with their log lines.
    #[arg(
        id = "status_listen",
        long = "status-listen",
        env = "HOPKEEPER_STATUS_LISTEN",
        default_value = "127.0.0.1:8089",
        value_name = "ADDRESS",
        value_parser = listen
    )]
    pub listen: Listen,
    /// Who may look. With `kubernetes`, whoever shows a token of a user who may get the path /hopkeeper/status.
    #[arg(id = "status_auth", long = "status-auth", env = "HOPKEEPER_STATUS_AUTH", value_enum, default_value_t)]
    pub auth: Auth,
}

/// Who may look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Auth {
    /// Whoever reaches it.
    #[default]
    None,
    /// Whom Kubernetes lets (TokenReview, SubjectAccessReview).
    Kubernetes,
}

/// An address to listen on, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere.
    Off,
    /// There.
    At(SocketAddr),
}

fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen::Off);
    }
    text.parse().map(Listen::At).map_err(|error| format!("{error}; for example 127.0.0.1:8089, or off"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_an_address_with_a_port_or_off() {
        assert_eq!(listen("off"), Ok(Listen::Off));
        assert_eq!(listen("[::1]:80"), Ok(Listen::At("[::1]:80".parse().unwrap())));
        for wrong in ["", "8089", "localhost:8089", "127.0.0.1", "OFF"] {
            assert!(listen(wrong).unwrap_err().ends_with("for example 127.0.0.1:8089, or off"), "{wrong}");
        }
    }
}
