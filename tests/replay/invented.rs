//! Scenarios that nobody recorded, put together from the programs' lines; what each must come to was written first.

use crate::rules_test::rules_test;

#[test]
fn every_invented_scenario_comes_to_what_was_expected() {
    let told = rules_test("tests/fixtures/invented");
    assert!(told.contains("14 logs"), "{told}");
}
