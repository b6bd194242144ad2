//! A record's time as Beats write it, read without a look at all the forms that a time can have.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Any time that the library reads.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    of_beats(text).or_else(|| text.parse().ok())
}

/// `2026-11-22T16:25:43.824Z`.
fn of_beats(text: &str) -> Option<Timestamp> {
    let bytes: &[u8; 24] = text.as_bytes().try_into().ok()?;
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _, b'.', _, _, _, b'Z'] = bytes else {
        return None;
    };
    let number = |from: usize, to: usize| {
        bytes[from..to]
            .iter()
            .try_fold(0i16, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i16::from(byte - b'0')))
    };
    let two = |from: usize| number(from, from + 2).map(|number| number as i8);
    let milliseconds = i32::from(number(20, 23)?);
    let (date, time) = ((number(0, 4)?, two(5)?, two(8)?), (two(11)?, two(14)?, two(17)?));
    let read = DateTime::new(date.0, date.1, date.2, time.0, time.1, time.2, milliseconds * 1_000_000).ok()?;
    Offset::UTC.to_timestamp(read).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_is_read_as_the_library_reads_it(
            text in prop_oneof![
                "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{3}Z",
                "20[0-9]{2}-0[1-9]-[12][0-9]T[01][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}[Z+ ]",
                "2026-11-22[Tt ]16:25:43[.,][0-9]{1,9}(Z|z|[+-]0[0-9]:00)",
                "[0-9TZ:.+é-]{20,26}",
            ],
        ) {
            prop_assert_eq!(parse(&text), text.parse().ok(), "{}", text);
        }
    }

    #[test]
    fn what_beats_write_needs_no_look_at_other_forms() {
        let time = "2026-11-22T16:25:43.824Z";
        assert_eq!(of_beats(time), time.parse().ok());
        for other in ["2026-02-29T16:25:43.824Z", "2026-11-22T16:25:60.824Z", "2026-11-22T16:25:43.82éZ", ""] {
            assert_eq!(of_beats(other), None, "{other}");
        }
    }
}
