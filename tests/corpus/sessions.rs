//! Whole sessions of public threads, where what matters is what came before and after: what they decide, through windows.
//!
//! `expected.yaml` names the thread and was written before a rule was tried on its log.

use crate::rules_test::rules_test;

#[test]
fn each_session_decides_what_its_thread_is_about() {
    rules_test("tests/corpus/sessions");
}
