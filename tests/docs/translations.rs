//! A translation has what its original has: the same commands and files, the same chapters, the same links.

use std::fs;
use std::path::Path;

use regex::Regex;

use crate::markdown::{blocks, headings};

/// Originals and translations.
const PAIRS: [(&str, &str); 2] = [("README.md", "README.ru.md"), ("docs/tutorial.md", "docs/tutorial.ru.md")];

fn read(document: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).expect("it should be readable")
}

/// What is cited in running text, as it must stand in every language: code, and files that are linked to.
fn cited(text: &str) -> Vec<String> {
    let block = Regex::new(r"(?s)```.*?\n```").expect("it should be a pattern");
    let cited = Regex::new(r"`[^`\n]+`|\]\([^)#\s]+").expect("it should be a pattern");
    let text = block.replace_all(text, "");
    let mut cited: Vec<_> = cited.find_iter(&text).map(|found| found.as_str().replace(".ru.md", ".md")).collect();
    cited.sort();
    cited
}

#[test]
fn a_translation_has_the_blocks_of_its_original_byte_for_byte() {
    for (original, translation) in PAIRS {
        let (original_text, text) = (read(original), read(translation));
        let (expected, found) = (blocks(&original_text), blocks(&text));
        for (expected, found) in expected.iter().zip(&found) {
            let of = |block: &crate::markdown::Block<'_>| {
                (block.language.to_owned(), block.note.map(str::to_owned), block.text.clone())
            };
            assert_eq!(of(found), of(expected), "{translation}:{}, {original}:{}", found.line, expected.line);
        }
        assert_eq!(found.len(), expected.len(), "blocks of {translation} and of {original}");
    }
}

#[test]
fn a_translation_has_the_chapters_of_its_original() {
    for (original, translation) in PAIRS {
        let (original_text, text) = (read(original), read(translation));
        let levels = |text| headings(text).into_iter().map(|(level, _)| level).collect::<Vec<_>>();
        assert_eq!(levels(&text), levels(&original_text), "{translation} and {original}");
        for (other, document) in [(original, &text), (translation, &original_text)] {
            let name = Path::new(other).file_name().expect("it should have a name").to_string_lossy();
            assert!(document.contains(&format!("]({name})")), "{translation} and {original} should lead to each other");
        }
    }
}

#[test]
fn the_tutorials_cite_the_same_commands_and_documents() {
    assert_eq!(cited(&read("docs/tutorial.ru.md")), cited(&read("docs/tutorial.md")));
}
