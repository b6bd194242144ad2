//! Expectations of several decisions: their order means nothing.

use hopkeeper::replay::expected;

use crate::support::find;

#[test]
fn expectations_may_stand_in_any_order() {
    let decided = find("entry-ovpn-auth-failed").replay().decisions;
    let wanted = ["{ action: hold }", "{ hop: middle, action: hold }", "{ hop: entry, action: rotate }"];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let list: Vec<String> = order.iter().map(|index| format!("  - {}\n", wanted[*index])).collect();
        let expected = expected::parse(&format!("decisions:\n{}", list.concat())).expect("should be read");
        assert_eq!(expected.differences(&decided), [], "{list:?}");
    }
}

#[test]
fn what_cannot_be_made_is_told_alone() {
    let decided = find("entry-ovpn-auth-failed").replay().decisions;
    let list = "decisions:\n  - { action: hold }\n  - { hop: middle }\n  - { hop: middle, action: hold }\n  - { hop: entry }\n";
    let differences = expected::parse(list).expect("should be read").differences(&decided);
    let lines: Vec<u64> = differences.iter().map(|difference| difference.line).collect();
    assert_eq!(lines, [4], "{differences:?}");
}
