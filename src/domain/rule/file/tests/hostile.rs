//! Rule files that try to use up memory or time: refused within moments, not worked off.

use super::*;

#[test]
fn a_repetition_of_a_gigabyte_is_refused_and_not_compiled() {
    for pattern in [
        "x{1000000000}",
        "(?:x{1000}){1000000}",
        "((a{1000}){1000}){1000}",
        "(?i)((\\w{100}){100}){100}",
        "(?:(?:(?:(?:(?:a{50}){50}){50}){50}){50}){50}",
        "[\\p{L}\\p{N}]{100000}",
        "(?:a{0,1000}){0,1000}",
    ] {
        assert_refused(
            &with(&format!("    pattern: '{pattern}'\n")),
            "8:14: the pattern compiles to more than 1048576 bytes; use smaller repetitions",
        );
    }
}

#[test]
fn a_number_that_no_repetition_can_have_is_refused() {
    assert_refused(
        &with("    pattern: 'x{99999999999999999999}'\n"),
        "8:17: the pattern is no regular expression: decimal literal invalid",
    );
}

#[test]
fn a_repetition_of_nothing_costs_nothing() {
    let rules = parse("my.yaml", &with("    pattern: '(?:(?:){1000000000}){1000000000}'\n"), Strictness::User);
    assert!(rules.is_ok());
}

#[test]
fn a_pattern_that_nests_too_deeply_or_is_too_long_is_refused() {
    let deep = format!("{}a{}", "(".repeat(60), ")".repeat(60));
    assert_refused(&with(&format!("    pattern: '{deep}'\n")), "8:");
    assert_refused(
        &with(&format!("    pattern: '{}'\n", "a".repeat(5000))),
        "8:14: the pattern has more than 4096 characters; split the rule",
    );
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut bomb = "version: 1\nclient: openvpn\na0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let last = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![last; 9].join(", ")));
    }
    bomb.push_str("rules: *a11\n");
    let errors = errors(&bomb);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("alias"), "{errors:?}");
}

#[test]
fn yaml_that_nests_too_deeply_is_refused() {
    for source in [format!("rules: {}", "[".repeat(100_000)), format!("rules: {}{}", "[".repeat(60), "]".repeat(60))] {
        assert_eq!(errors(&source).len(), 1);
    }
    assert_eq!(errors(&"- ".repeat(50_000)).len(), 1);
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    let source = format!("version: 1\n#{}\nrules: []\n", "x".repeat(MAX_FILE_BYTES));
    assert_refused(&source, "1:1: the file is larger than 1 MiB; split it");
}

#[test]
fn what_is_no_yaml_is_one_error_with_its_place() {
    for source in ["version: [1\n", "a: b: c\n", "\tversion: 1\n", "version: 1\n---\nversion: 1\n", "rules: *nowhere\n"]
    {
        let errors = errors(source);
        assert!(errors.len() == 1 && errors[0].starts_with("my.yaml:"), "{source:?}: {errors:?}");
    }
}

#[test]
fn more_mistakes_than_a_person_would_read_are_cut() {
    let source = format!("version: 1\nclient: any\nrules:\n{}", "  - { id: a, nonsense: 1 }\n".repeat(5000));
    assert_eq!(errors(&source).len(), MAX_ERRORS);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_the_reader_panic(source in "(?s).{0,200}", keys in proptest::collection::vec("(id|pattern|where|threshold|samples|tags|rules|version|client|[a-z]{1,3}): ?[\\[\\]{}'\"|>&*!a-z0-9:., -]{0,12}\n *-? *", 0..12)) {
        let _ = read("a.yaml", &source, Strictness::User);
        let _ = read("b.yaml", &format!("version: 1\nrules:\n  - {}", keys.concat()), Strictness::User);
    }
}
