//! "Did you mean …?": the known word nearest to a mistyped one.

/// The known word that a typing mistake could have made of `word`, if one is near enough.
pub fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.chars().count() {
        0 => return None,
        1..=3 => 1,
        4..=7 => 2,
        _ => 3,
    };
    let wanted = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or else the whole list.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    match near(word, known.iter().copied()) {
        Some(meant) => format!("; did you mean \"{meant}\"?"),
        None => format!("; known are {}", known.join(", ")),
    }
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_is_recognised_and_another_word_is_not() {
        let known = ["pattern", "unless", "title", "threshold", "own", "path"];
        for (word, meant) in [
            ("patern", Some("pattern")),
            ("pattren", Some("pattern")),
            ("Pattern", Some("pattern")),
            ("treshold", Some("threshold")),
            ("onw", Some("own")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(near(word, known), meant, "{word}");
        }
        assert_eq!(suggestion("titel", &known), "; did you mean \"title\"?");
        assert_eq!(suggestion("x", &["own", "path"]), "; known are own, path");
    }
}
