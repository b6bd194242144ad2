//! A pod's UID in as few bytes as will do: Kubernetes writes sixteen bytes as 36 characters.

use std::borrow::Cow;

/// Where the hyphens are.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];
const LENGTH: usize = 36;

/// Equal when the texts are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Uid {
    /// Written as `7f3c1a52-9d1e-4c55-8a3e-000000000001`, in small letters.
    Bytes([u8; 16]),
    Text(Box<str>),
}

impl Uid {
    pub(super) fn new(text: &str) -> Self {
        bytes(text).map_or_else(|| Self::Text(text.into()), Self::Bytes)
    }

    pub(super) fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bytes(bytes) => {
                let mut text = String::with_capacity(LENGTH);
                for byte in bytes {
                    if HYPHENS.contains(&text.len()) {
                        text.push('-');
                    }
                    for digit in [byte >> 4, byte & 0xf] {
                        text.push(char::from_digit(digit.into(), 16).expect("should be a digit"));
                    }
                }
                Cow::Owned(text)
            }
        }
    }
}

fn bytes(text: &str) -> Option<[u8; 16]> {
    if text.len() != LENGTH {
        return None;
    }
    let mut bytes = [0; 16];
    let mut digits = 0;
    for (place, byte) in text.bytes().enumerate() {
        if HYPHENS.contains(&place) {
            (byte == b'-').then_some(())?;
            continue;
        }
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        bytes[digits / 2] |= if digits % 2 == 0 { digit << 4 } else { digit };
        digits += 1;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_uid_is_given_back_as_it_was_written(
            text in prop_oneof![any::<String>(), "[0-9a-fA-F-]{36}", "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-fg]{12}"],
        ) {
            let uid = Uid::new(&text);
            prop_assert_eq!(uid.text(), text.as_str());
        }
    }

    #[test]
    fn only_a_uid_as_kubernetes_writes_it_is_kept_as_bytes() {
        assert!(matches!(Uid::new("7f3c1a52-9d1e-4c55-8a3e-0123456789ab"), Uid::Bytes(_)));
        for text in ["", "uid-1", "7F3C1A52-9d1e-4c55-8a3e-0123456789ab", "7f3c1a529d1e-4c55-8a3e-0123456789ab-"] {
            assert!(matches!(Uid::new(text), Uid::Text(_)), "{text}");
        }
    }
}
