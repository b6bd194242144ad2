//! A candidate's name: it becomes the value of a Kubernetes label.

/// What a name has to be, as the end of a sentence.
pub const NAME_RULE: &str = "use at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";

/// Whether a text can be the value of a Kubernetes label, as a candidate's name and version must.
pub fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let outer = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && outer(text.chars().next()) && outer(text.chars().last()) && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_label_names_a_candidate() {
        assert!(is_label("nl-ams_01.ovpn") && is_label("7"));
        assert!(!is_label("") && !is_label("-a") && !is_label("a/b") && !is_label(&"a".repeat(64)));
    }
}
