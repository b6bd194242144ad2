//! From a character of a value to its place in the file, whichever way YAML wrote the value.
//!
//! Exact for plain and quoted values on one line and for block values; none for values folded over several lines.

use super::error::Place;

/// The place of `width` characters of the value that stands at `at`, from its character `offset` (from 0).
pub fn within(source: &str, at: Place, offset: usize, width: usize) -> Option<Place> {
    let line = source.lines().nth(at.line.checked_sub(1)?)?;
    // The place of a block value is that of its text, one line below its sign.
    let before = if at.line > 1 { source.lines().nth(at.line - 2).unwrap_or_default() } else { "" };
    let header = before.trim_end().trim_end_matches(['-', '+']);
    let begins_its_line = line.chars().take(at.column - 1).all(|c| c == ' ');
    if begins_its_line && (header.ends_with(": |") || header.ends_with(": >")) {
        return in_block(source, at.line - 1, offset, width);
    }
    let written: Vec<char> = line.chars().skip(at.column.checked_sub(1)?).collect();
    let start = match written.first()? {
        '\'' => quoted(&written, offset, |rest| if rest.starts_with(&['\'', '\'']) { 2 } else { 1 })?,
        '"' => quoted(&written, offset, escape)?,
        '|' | '>' => return in_block(source, at.line, offset, width),
        _ => offset,
    };
    let end = match written.first()? {
        '\'' => quoted(&written, offset + width, |rest| if rest.starts_with(&['\'', '\'']) { 2 } else { 1 }),
        '"' => quoted(&written, offset + width, escape),
        _ => Some(offset + width),
    };
    let width = end.map_or(1, |end| end.saturating_sub(start)).max(1);
    (start < written.len()).then_some(Place { line: at.line, column: at.column + start, width })
}

/// Where the value's character stands in its quoted form; `length` says how many characters the next one is written in.
fn quoted(written: &[char], offset: usize, length: impl Fn(&[char]) -> usize) -> Option<usize> {
    let mut index = 1;
    for _ in 0..offset {
        index += length(written.get(index..)?);
    }
    (index < written.len()).then_some(index)
}

fn escape(rest: &[char]) -> usize {
    match rest {
        ['\\', 'x', ..] => 4,
        ['\\', 'u', ..] => 6,
        ['\\', 'U', ..] => 10,
        ['\\', ..] => 2,
        _ => 1,
    }
}

/// In a block value the text begins on the next line, after an indentation that its first line sets.
fn in_block(source: &str, header: usize, offset: usize, width: usize) -> Option<Place> {
    let mut left = offset;
    let mut indentation = None;
    for (index, line) in source.lines().enumerate().skip(header) {
        let length = line.chars().count();
        let own = length - line.trim_start_matches(' ').chars().count();
        if length > own || indentation.is_some() {
            let indentation = *indentation.get_or_insert(own);
            let text = length.saturating_sub(indentation);
            if left < text {
                return Some(Place { line: index + 1, column: indentation + left + 1, width: width.min(text - left) });
            }
            left = left.checked_sub(text + 1)?;
        } else {
            left = left.checked_sub(1)?;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The marked text, for a value that begins at the first `§`.
    fn marked(source: &str, offset: usize, width: usize) -> Option<String> {
        let (before, _) = source.split_once('§').expect("should have a mark");
        let line = before.lines().count().max(1);
        let column = before.lines().last().unwrap_or_default().chars().count() + 1;
        let source = source.replacen('§', "", 1);
        let found = within(&source, Place { line, column, width: 0 }, offset, width)?;
        let line = source.lines().nth(found.line - 1)?;
        Some(line.chars().skip(found.column - 1).take(found.width).collect())
    }

    #[test]
    fn a_character_of_a_value_is_found_however_it_is_written() {
        for (source, offset, width, expected) in [
            ("a: §plain (x", 6, 1, Some("(")),
            ("a: §'it''s (x'", 3, 1, Some("s")),
            ("a: §'it''s (x'", 2, 1, Some("''")),
            (r#"a: §"a\\(\u00e9(x""#, 2, 1, Some("(")),
            (r#"a: §"a\\(\u00e9(x""#, 4, 2, Some("(x")),
            (r#"a: §"a\\(x""#, 1, 2, Some(r"\\(")),
            ("a: §|-\n    one\n    two(\nb: 1", 7, 1, Some("(")),
            ("a: §|-\n    one\n    two(\nb: 1", 0, 3, Some("one")),
            ("a: |-\n    §one\n    two(\nb: 1", 7, 1, Some("(")),
            ("a: >\n    §one\n\n    two(\nb: 1", 8, 1, Some("(")),
            ("a: §'x'", 9, 1, None),
            ("a: §'folded\n  more'", 12, 1, None),
        ] {
            assert_eq!(marked(source, offset, width).as_deref(), expected, "{source} {offset}");
        }
    }
}
