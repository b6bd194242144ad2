//! The rule packs that come with the program, compiled into it.

use super::RuleSet;
use crate::domain::rule::Rule;
use crate::domain::rule::error::RuleError;
use crate::domain::rule::file::{self, Strictness};

/// The shipped files by name.
pub const SHIPPED: [(&str, &str); 7] = [
    ("openvpn.yaml", include_str!("../../../rules/openvpn.yaml")),
    ("openvpn3.yaml", include_str!("../../../rules/openvpn3.yaml")),
    ("openvpn_config.yaml", include_str!("../../../rules/openvpn_config.yaml")),
    ("openvpn_machine.yaml", include_str!("../../../rules/openvpn_machine.yaml")),
    ("openvpn_path.yaml", include_str!("../../../rules/openvpn_path.yaml")),
    ("wireguard.yaml", include_str!("../../../rules/wireguard.yaml")),
    ("health.yaml", include_str!("../../../rules/health.yaml")),
];

/// The rules of files in order.
///
/// # Errors
/// Everything wrong in any of them.
pub fn load<'a>(
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
    strictness: Strictness,
) -> Result<RuleSet, Vec<RuleError>> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut errors = Vec::new();
    for (name, source) in files {
        match file::parse(name, source, strictness) {
            Ok(found) => rules.extend(found),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { RuleSet::new(rules) } else { Err(errors) }
}

impl RuleSet {
    /// The shipped rules.
    pub fn shipped() -> Self {
        load(SHIPPED, Strictness::Shipped).expect("should load: a test loads the shipped packs")
    }
}
