//! WireGuard keys: 32 bytes in base64, and in the hexadecimal form that control sockets want.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// A key's bytes.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// Reads 44 characters of base64; `None` when they are no key.
pub(super) fn read(text: &str) -> Option<Key> {
    let digits = text.as_bytes().strip_suffix(b"=").filter(|digits| digits.len() == 43)?;
    let mut key = Zeroizing::new([0; 32]);
    let (mut bits, mut held, mut at) = (0u32, 0u32, 0);
    for &digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        held += 6;
        if held >= 8 {
            held -= 8;
            key[at] = u8::try_from(bits >> held & 0xff).ok()?;
            at += 1;
        }
    }
    // The last digit carries two bits that belong to no byte.
    (bits & ((1 << held) - 1) == 0).then_some(key)
}

/// The key in hexadecimal.
pub(super) fn hex(key: &Key) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(64));
    for byte in key.iter() {
        write!(out, "{byte:02x}").expect("should write to a string");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_written_as_hexadecimal() {
        let key = read("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").expect("should be a key");
        assert_eq!(*hex(&key), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in
            ["", "AAEC", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "!AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]
        {
            assert!(read(text).is_none());
        }
    }
}
