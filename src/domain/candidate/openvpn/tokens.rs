//! How OpenVPN splits a line into words, and how words are written so that it reads the same ones back.

use super::super::Problem;

/// Splits a line by OpenVPN's rules: quotes of both kinds, backslashes, comments from `#` or `;`.
pub(super) fn split(line: &str) -> Result<Vec<String>, Problem> {
    enum State {
        Between,
        Word,
        Quoted(char),
    }
    let (mut words, mut word, mut state) = (Vec::new(), String::new(), State::Between);
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        let escaped = c == '\\' && !matches!(state, State::Quoted('\''));
        let c = if escaped { chars.next().ok_or(Problem::Syntax)? } else { c };
        if escaped && !matches!(c, '\\' | '"' | ' ') {
            return Err(Problem::Syntax);
        }
        let space = !escaped && c.is_ascii_whitespace();
        match state {
            State::Between if space => {}
            State::Between if !escaped && (c == '#' || c == ';') => break,
            State::Between if !escaped && (c == '"' || c == '\'') => state = State::Quoted(c),
            State::Between => {
                word.push(c);
                state = State::Word;
            }
            State::Word if space => {
                words.push(std::mem::take(&mut word));
                state = State::Between;
            }
            State::Quoted(quote) if !escaped && c == quote => {
                words.push(std::mem::take(&mut word));
                state = State::Between;
            }
            State::Word | State::Quoted(_) => word.push(c),
        }
    }
    match state {
        State::Quoted(_) => Err(Problem::Syntax),
        State::Word => {
            words.push(word);
            Ok(words)
        }
        State::Between => Ok(words),
    }
}

/// Writes one word so that [`split`], and OpenVPN, read it back.
pub(super) fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/+,=@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into();
    }
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_openvpn_does() {
        let split = |line| split(line).ok();
        assert_eq!(
            split(r#"remote "a b"  c\ d 'e"f' # no"#),
            Some(vec!["remote".into(), "a b".into(), "c d".into(), "e\"f".into()])
        );
        assert_eq!(split("; nothing"), Some(vec![]));
        assert_eq!(split("a#b"), Some(vec!["a#b".into()]));
        assert_eq!(split(r#"auth "x"#), None);
        assert_eq!(split(r"auth \x"), None);
    }

    proptest::proptest! {
        #[test]
        fn a_quoted_word_is_read_back(words in proptest::collection::vec("[^\\p{Cc}]{0,20}", 1..5)) {
            let line = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(" ");
            proptest::prop_assert_eq!(split(&line).ok(), Some(words));
        }
    }
}
