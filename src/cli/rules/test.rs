//! `hopkeeper rules test`: every rule on its own samples.

use std::path::Path;

use miette::miette;

use super::load;

pub(super) fn test(path: &Path) -> miette::Result<()> {
    let rules = load(path)?.rules;
    let wrong = rules.check_samples();
    for sample in &wrong {
        eprintln!("{sample}");
    }
    let samples: usize = rules.rules().iter().map(|r| r.samples.fires.len() + r.samples.silent.len()).sum();
    if !wrong.is_empty() {
        return Err(miette!("{} of {samples} samples came out wrong", wrong.len()));
    }
    let untried = rules.rules().iter().filter(|r| r.samples.fires.is_empty()).count();
    print!("{} rules, {samples} samples: all as their authors say", rules.rules().len());
    println!("{}", if untried > 0 { format!("; {untried} rules have none that fires") } else { String::new() });
    Ok(())
}
