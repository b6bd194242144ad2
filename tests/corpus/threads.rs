//! Lines of public threads of all clients, searched for when the rules had been written: each is told exactly.
//!
//! Each file's head says how the rules did when they first met it.

use hopkeeper::domain::ruleset::RuleSet;

use crate::labelled_lines::{Line, confusion, lines, told};

const FILES: [(&str, &str); 12] = [
    ("threads-first.txt", include_str!("threads-first.txt")),
    ("threads-second.txt", include_str!("threads-second.txt")),
    ("threads-third.txt", include_str!("threads-third.txt")),
    ("threads-fourth.txt", include_str!("threads-fourth.txt")),
    ("threads-fifth.txt", include_str!("threads-fifth.txt")),
    ("threads-sixth.txt", include_str!("threads-sixth.txt")),
    ("threads-seventh.txt", include_str!("threads-seventh.txt")),
    ("threads-eighth.txt", include_str!("threads-eighth.txt")),
    ("threads-ninth.txt", include_str!("threads-ninth.txt")),
    ("threads-tenth.txt", include_str!("threads-tenth.txt")),
    ("threads-eleventh.txt", include_str!("threads-eleventh.txt")),
    ("threads-twelfth.txt", include_str!("threads-twelfth.txt")),
];

/// Fails unless each line is told what its labels allow, or is a known error and told just that.
#[test]
fn each_line_is_told_as_its_labels_say() {
    let rules = RuleSet::shipped();
    let mut wrong = Vec::new();
    for (file, text) in FILES {
        let lines = lines(&[text]);
        println!("{file}\n{}", confusion(&rules, lines.iter()));
        for line in &lines {
            let (letter, rule) = told(&rules, line);
            if !line.is_expected(letter) {
                let (thread, allowed) = (line.thread, line.allowed);
                wrong.push(format!("{file}: {thread}: {rule} says {letter}, allowed is {allowed}: {}", line.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_known_error_is_a_repair_of_what_needs_none() {
    for (file, text) in FILES {
        let repaired =
            |line: &&Line| ['R', 'S'].into_iter().any(|told| line.is_expected(told) && !line.allowed.contains(told));
        let wrong: Vec<&str> = lines(&[text]).iter().filter(repaired).map(|line| line.text).collect();
        assert!(wrong.is_empty(), "{file}: {wrong:?}");
    }
}

#[test]
fn half_of_the_lines_are_benign_and_no_thread_is_in_two_files() {
    let mut threads = std::collections::BTreeMap::new();
    for (file, text) in FILES {
        let lines = lines(&[text]);
        let benign = lines.iter().filter(|line| line.is_benign()).count();
        assert!(benign * 2 >= lines.len(), "{file}: {benign} of {} are benign", lines.len());
        for line in &lines {
            assert_eq!(*threads.entry(line.thread).or_insert(file), file, "{}", line.thread);
        }
    }
}
