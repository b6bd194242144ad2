//! Links between the documents lead somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::markdown::headings;

/// All documents of the repository.
fn documents(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("the directory should be readable") {
        let path = entry.expect("it should be readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && name != ".git" {
            documents(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Where a document's links lead that are no addresses elsewhere: file, and heading in it.
fn links(text: &str) -> Vec<(String, Option<String>)> {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("it should be a pattern");
    let code = Regex::new(r"(?s)```.*?\n```|`[^`\n]*`").expect("it should be a pattern");
    let text = code.replace_all(text, "");
    let targets = link.captures_iter(&text).map(|found| found[1].to_owned());
    targets
        .filter(|target| !target.contains("://"))
        .map(|target| match target.split_once('#') {
            Some((file, heading)) => (file.to_owned(), Some(heading.to_owned())),
            None => (target, None),
        })
        .collect()
}

/// The anchors that a heading gets: as GitHub makes them of its words.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, title) in headings(text) {
        let kept = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let name: String = title.to_lowercase().chars().filter(|c| kept(*c)).collect();
        let name = name.replace(' ', "-");
        let again = (1..).map(|number| format!("{name}-{number}"));
        let free = [name.clone()].into_iter().chain(again).find(|name| !anchors.contains(name));
        anchors.insert(free.expect("there is always another number"));
    }
    anchors
}

#[test]
fn every_link_between_documents_leads_to_a_file_and_a_heading_that_are_there() {
    let mut all = Vec::new();
    documents(Path::new(env!("CARGO_MANIFEST_DIR")), &mut all);
    let (mut broken, mut followed) = (Vec::new(), 0);
    for document in &all {
        let text = fs::read_to_string(document).expect("it should be text");
        for (file, heading) in links(&text) {
            let to = if file.is_empty() { document.clone() } else { document.with_file_name("").join(&file) };
            let there = match &heading {
                None => to.exists(),
                Some(heading) => fs::read_to_string(&to).is_ok_and(|text| anchors(&text).contains(heading)),
            };
            if !there {
                broken.push(format!("{}: {file}#{}", document.display(), heading.unwrap_or_default()));
            }
            followed += 1;
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
    assert!(followed >= 100, "only {followed} links were found");
}

#[test]
fn the_index_leads_to_every_document() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let index = fs::read_to_string(directory.join("README.md")).expect("it should be readable");
    let linked: BTreeSet<_> = links(&index).into_iter().map(|(file, _)| directory.join(file)).collect();
    let mut all = Vec::new();
    documents(&directory, &mut all);
    all.retain(|document| !linked.contains(document) && *document != directory.join("README.md"));
    assert!(all.is_empty(), "docs/README.md does not lead to {all:?}");
}
