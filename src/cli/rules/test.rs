//! `hopkeeper rules test`: every rule on its own samples.

use std::path::Path;

use miette::miette;

use super::load;
use crate::domain::ruleset::pack::Base;

pub(super) fn test(path: &Path, base: Base) -> miette::Result<()> {
    let loaded = load(path, base)?;
    let wrong = loaded.rules.check_samples_of(|rule| loaded.is_users(rule));
    for sample in &wrong {
        eprintln!("{sample}");
    }
    let samples: usize = loaded.users().map(|r| r.samples.fires.len() + r.samples.silent.len()).sum();
    if !wrong.is_empty() {
        return Err(miette!("{} of {samples} samples came out wrong", wrong.len()));
    }
    let untried = loaded.users().filter(|r| r.samples.fires.is_empty()).count();
    print!("{} rules, {samples} samples: all as their authors say", loaded.users().count());
    println!("{}", if untried > 0 { format!("; {untried} rules have none that fires") } else { String::new() });
    Ok(())
}
