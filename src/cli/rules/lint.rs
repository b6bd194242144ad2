//! `hopkeeper rules lint`: mistakes in rule files, and what is allowed but unwise.

use std::path::Path;

use super::load;
use crate::domain::rule::{Client, Rule};
use crate::domain::ruleset::literal;

pub(super) fn lint(path: &Path) -> miette::Result<()> {
    let loaded = load(path)?;
    for rule in loaded.rules.rules() {
        for warning in warnings(rule) {
            let origin = &rule.origin;
            println!("{}:{}:{}: warning: {warning}", origin.file, origin.line, origin.column);
        }
    }
    println!("{} rules in {} files: no errors", loaded.rules.rules().len(), loaded.files);
    Ok(())
}

fn warnings(rule: &Rule) -> Vec<String> {
    let mut warnings = Vec::new();
    if rule.samples.fires.is_empty() || rule.samples.silent.is_empty() {
        warnings.push(format!("rule \"{}\" has no firing and silent sample; `rules test` can't try it", rule.id));
    }
    if let Some(pattern) = &rule.pattern {
        if literal::required(pattern.as_str()).is_none() {
            warnings.push(format!(
                "rule \"{}\" requires no text of 3 letters or more, so every line must meet it",
                rule.id
            ));
        }
        if rule.client != Client::Health && !pattern.as_str().trim_start_matches("(?i)").starts_with('^') {
            warnings.push(format!(
                "rule \"{}\" is not anchored with ^: a VPN server may be able to print such text inside another message",
                rule.id
            ));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ruleset::RuleSet;

    #[test]
    fn the_shipped_rules_have_no_warnings() {
        for rule in RuleSet::shipped().rules() {
            assert_eq!(warnings(rule), Vec::<String>::new());
        }
    }
}
