//! The rules: data in TOML, compiled once, matched against parsed commands.
//!
//! A rule speaks of the parsed command (program, subcommand, flags, classes of operands, redirections, the shape of the
//! pipeline), so that spelling, order and quoting do not matter. [`schema`] has the language, `config/rules.toml` the
//! rules that are shipped.

mod condition;
mod error;
mod glob;
mod index;
mod mention;
mod raw;
mod schema;
mod view;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::command::{self, Script};
use crate::domain::{Dialect, Level};
use crate::risk::Reason;
use condition::Condition;
pub use error::RulesError;
use index::{Index, Place};
use schema::{OverrideEntry, RuleEntry, RuleFile};
use view::{Texts, View};

/// Rules ready to match. Cheap to share, never changed once loaded.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    index: Index,
}

/// One rule.
#[derive(Debug)]
struct Rule {
    /// The file and line that it stands in.
    place: (Arc<str>, usize),
    id: String,
    family: String,
    level: Level,
    sentence: String,
    /// Any of these makes it hit, ...
    when: Vec<Condition>,
    /// ... unless one of these holds for the same command.
    unless: Vec<Condition>,
    hits: Vec<String>,
    misses: Vec<String>,
}

/// An example of a rule that does not behave as its rule says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: rule `{rule}` {} its example `{example}`; correct the rule or the example", if *.expected { "does not match" } else { "matches" })]
pub struct ExampleFault {
    /// The file that the rule is in.
    pub file: String,
    /// The line of the rule, from 1.
    pub line: usize,
    /// The rule's id.
    pub rule: String,
    /// The example.
    pub example: String,
    /// Whether it should have matched.
    pub expected: bool,
}

impl Rules {
    /// Compiles rules from the texts of files, in order; a path is only used to speak of its text.
    ///
    /// # Errors
    /// The first fault found, with file, line and remedy.
    pub fn load(files: &[(&str, &str)]) -> Result<Self, RulesError> {
        let mut rules: Vec<Rule> = Vec::new();
        let mut exceptions = HashMap::new();
        for (path, text) in files {
            let file = RuleFile::parse(path, text)?;
            for (name, entry) in &file.exceptions {
                exceptions.insert(name.clone(), entry.compile(name, path, text)?);
            }
            for entry in file.rules {
                refuse_duplicate(&rules, &entry, path, text)?;
                rules.push(Rule::compile(entry, &exceptions, path, text)?);
            }
            for entry in file.overrides {
                apply_override(&mut rules, &entry, path, text)?;
            }
        }
        let index = Index::build(&rules);
        Ok(Self { rules, index })
    }

    /// The rules that hit, the gravest first, in the order of the files among equals.
    ///
    /// A script that was not understood is matched by its raw text as well, so that what the parser could not follow
    /// never makes it look more harmless than its words do. What a plain script only speaks of is left out.
    #[must_use]
    pub fn matches(&self, script: &Script) -> Vec<Reason> {
        let script = &*mention::without(script);
        let texts = Texts::new(script);
        let mut hits = BTreeSet::new();
        self.match_text(&texts, &mut hits);
        self.match_commands(&texts, &mut hits);
        if !script.understood() {
            self.match_commands(&Texts::new(&raw::guess(script)), &mut hits);
        }
        let mut reasons: Vec<_> = hits
            .into_iter()
            .filter_map(|hit| self.rules.get(hit))
            .map(Rule::reason)
            .collect();
        reasons.sort_by_key(|reason| std::cmp::Reverse(reason.level));
        reasons
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there is no rule at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The level of a rule; `None` where there is no such rule.
    #[must_use]
    pub fn level(&self, id: &str) -> Option<Level> {
        self.rules.iter().find(|rule| rule.id == id).map(|rule| rule.level)
    }

    /// Every rule's id and family, in order.
    pub fn families(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().map(|rule| (rule.id.as_str(), rule.family.as_str()))
    }

    /// Runs every rule's own examples; empty when all behave as their rules say.
    #[must_use]
    pub fn check_examples(&self) -> Vec<ExampleFault> {
        self.rules.iter().flat_map(|rule| self.check_rule(rule)).collect()
    }

    fn check_rule(&self, rule: &Rule) -> Vec<ExampleFault> {
        let expected = rule.hits.iter().map(|example| (example, true));
        let examples = expected.chain(rule.misses.iter().map(|example| (example, false)));
        let wrong = examples.filter(|(example, expected)| self.hits(rule, example) != *expected);
        wrong
            .map(|(example, expected)| ExampleFault {
                file: rule.place.0.to_string(),
                line: rule.place.1,
                rule: rule.id.clone(),
                example: example.clone(),
                expected,
            })
            .collect()
    }

    fn hits(&self, rule: &Rule, example: &str) -> bool {
        let reasons = self.matches(&command::parse(example, Dialect::Bash));
        reasons.iter().any(|reason| reason.rule == rule.id)
    }

    fn match_text(&self, texts: &Texts<'_>, hits: &mut BTreeSet<usize>) {
        for Place { rule, condition } in self.index.for_text() {
            if !hits.contains(&rule)
                && self
                    .rules
                    .get(rule)
                    .is_some_and(|rule| rule.hits_text(condition, texts))
            {
                hits.insert(rule);
            }
        }
    }

    fn match_commands(&self, texts: &Texts<'_>, hits: &mut BTreeSet<usize>) {
        let any = self.index.for_any_program(|place| self.may_hold(*place, texts));
        for (command, words) in texts.commands() {
            let named = |program: &str| self.index.for_program(program).next().is_some();
            let view = View::new(texts, command, words, named);
            if view.is_named() {
                let places = self.index.for_program(view.program().unwrap_or_default());
                self.match_command(&view, places, hits);
            }
            self.match_command(&view, any.for_command(&view), hits);
        }
    }

    fn may_hold(&self, place: Place, texts: &Texts<'_>) -> bool {
        let condition = self
            .rules
            .get(place.rule)
            .and_then(|rule| rule.when.get(place.condition));
        condition.is_some_and(|condition| condition.may_hold(texts))
    }

    fn match_command(&self, view: &View<'_>, places: impl Iterator<Item = Place>, hits: &mut BTreeSet<usize>) {
        for Place { rule, condition } in places {
            if !hits.contains(&rule)
                && self
                    .rules
                    .get(rule)
                    .is_some_and(|rule| rule.hits_command(condition, view))
            {
                hits.insert(rule);
            }
        }
    }
}

impl Rule {
    fn compile(
        entry: RuleEntry,
        exceptions: &HashMap<String, Condition>,
        path: &str,
        text: &str,
    ) -> Result<Self, RulesError> {
        let at = schema::line(text, entry.id.span().start);
        entry.validate(path, at)?;
        let compile = |conditions: &[schema::ConditionEntry]| {
            conditions
                .iter()
                .map(|condition| Condition::compile(condition, path, at))
                .collect::<Result<Vec<_>, _>>()
        };
        let when = compile(&entry.when)?;
        let mut unless = compile(&entry.except)?;
        for name in &entry.unless {
            let known = exceptions
                .get(name)
                .ok_or_else(|| RulesError::unknown_exception(path, at, name))?;
            unless.push(known.clone());
        }
        Ok(Self {
            place: (path.into(), at),
            id: entry.id.into_inner(),
            family: entry.family,
            level: entry.level,
            sentence: entry.sentence,
            when,
            unless,
            hits: entry.matches,
            misses: entry.no_match,
        })
    }

    fn reason(&self) -> Reason {
        Reason {
            rule: self.id.clone(),
            level: self.level,
            sentence: self.sentence.clone(),
        }
    }

    /// Whether the condition at this place of `when` makes it hit.
    fn hits_command(&self, condition: usize, view: &View<'_>) -> bool {
        self.when.get(condition).is_some_and(|condition| condition.holds(view))
            && !self.unless.iter().any(|condition| condition.holds(view))
    }

    fn hits_text(&self, condition: usize, texts: &Texts<'_>) -> bool {
        let mut exceptions = self.unless.iter().filter(|condition| !condition.speaks_of_commands());
        self.when
            .get(condition)
            .is_some_and(|condition| condition.holds_for_text(texts))
            && !exceptions.any(|condition| condition.holds_for_text(texts))
    }
}

fn refuse_duplicate(rules: &[Rule], entry: &RuleEntry, path: &str, text: &str) -> Result<(), RulesError> {
    if rules.iter().any(|known| known.id == *entry.id.get_ref()) {
        return Err(RulesError::duplicate(
            path,
            schema::line(text, entry.id.span().start),
            entry.id.get_ref(),
        ));
    }
    Ok(())
}

fn apply_override(rules: &mut Vec<Rule>, entry: &OverrideEntry, path: &str, text: &str) -> Result<(), RulesError> {
    let id = entry.id.get_ref();
    let at = schema::line(text, entry.id.span().start);
    let place = rules.iter().position(|rule| rule.id == *id);
    let place = place.ok_or_else(|| RulesError::unknown_rule(path, at, id))?;
    match (entry.off, entry.level) {
        (true, None) => drop(rules.remove(place)),
        (false, Some(level)) => rules.iter_mut().skip(place).take(1).for_each(|rule| rule.level = level),
        _ => return Err(RulesError::override_unclear(path, at, id)),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrapping;
