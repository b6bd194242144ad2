//! Numbers of things in rules, in fewer bytes: rule files are bounded, and so is what is made of them.

/// The number of a thing of which rule files hold a bounded number.
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).expect("should fit: rule files are bounded")
}
