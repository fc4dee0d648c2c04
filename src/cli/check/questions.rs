//! Rules whose questions are answered with yes so regularly that nobody reads them any more.

use jiff::civil::Date;

use crate::config::{Config, Problem};
use crate::risk::Rules;
use crate::store::{AskedRule, Reader, StoreError};

/// Questions from which on the answers say something of the rule.
const OFTEN: u32 = 50;

/// The share of refusals, in percent, below which the question is a habit.
const RARELY_PERCENT: u32 = 2;

/// What the record says of the rules in force, where there is one: a warning for each that asks in vain.
pub(super) fn warnings(config: &Config, rules: &Rules) -> Vec<Problem> {
    let reader = Reader::open(&config.store.path);
    let found = match reader.and_then(|reader| reader.rules_that_asked(Date::ZERO, Date::MAX, OFTEN)) {
        Ok(asked) => asked,
        Err(error) => return unread(config, &error).into_iter().collect(),
    };
    let in_vain = found.iter().filter(|asked| asks_in_vain(rules, asked));
    in_vain.map(|asked| warning(config, asked)).collect()
}

/// Where no daemon has run yet, there is nothing to say.
fn unread(config: &Config, error: &StoreError) -> Option<Problem> {
    let missing = matches!(error, StoreError::Open { source, .. } if matches!(**source, StoreError::Missing));
    (!missing).then(|| {
        let what = format!("cannot tell which rules ask in vain: {error}");
        config.problem("store.path", what, "check the record")
    })
}

/// Whether a rule, at the level that it still has, asked often and was hardly ever refused.
fn asks_in_vain(rules: &Rules, asked: &AskedRule) -> bool {
    let still = rules.level(&asked.rule) == Some(asked.level);
    let share = u64::from(asked.asked - asked.confirmed) * 100;
    still && asked.asked >= OFTEN && share < u64::from(asked.asked) * u64::from(RARELY_PERCENT)
}

fn warning(config: &Config, asked: &AskedRule) -> Problem {
    let AskedRule {
        rule,
        level,
        asked,
        confirmed,
        ..
    } = asked;
    let refused = asked - confirmed;
    let percent = f64::from(refused) * 100.0 / f64::from(*asked);
    let what = format!("rule `{rule}` ({level}) asked {asked} times and was refused {refused} times ({percent:.1} %)");
    let remedy = format!(
        "who always says yes stops reading: in the last file of risk.rules, write [[override]] with id = \"{rule}\" and {}",
        match level.lowered() {
            lower if lower < *level => format!("level = \"{lower}\" or off = true"),
            _ => "off = true".to_owned(),
        }
    );
    config.problem("risk.rules", what, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Level;

    const RULE: &str = "[[rule]]\nid = \"a.b\"\nfamily = \"a\"\nlevel = \"high\"\nsentence = \"S.\"\n\
        when = [{ program = [\"x\"] }]\nmatch = [\"x\"]\nno_match = [\"y\"]\n";

    #[test]
    fn a_rule_asks_in_vain_from_fifty_questions_and_below_two_percent_of_refusals() {
        let rules = Rules::load(&[("r", RULE)]).unwrap();
        let in_vain = |rule: &str, level, asked, refused| {
            asks_in_vain(
                &rules,
                &AskedRule {
                    rule: rule.to_owned(),
                    level,
                    asked,
                    confirmed: asked - refused,
                    refused,
                    unanswered: 0,
                },
            )
        };
        assert!(in_vain("a.b", Level::High, 50, 0));
        assert!(!in_vain("a.b", Level::High, 49, 0));
        assert!(!in_vain("a.b", Level::High, 50, 1), "two percent are not fewer");
        assert!(in_vain("a.b", Level::High, 51, 1));
        assert!(!in_vain("a.b", Level::Critical, 50, 0), "its level was changed since");
        assert!(!in_vain("a.c", Level::High, 50, 0), "there is no such rule any more");
    }
}
