//! Which rules are worth looking at, so that a command meets a handful of them and not all.
//!
//! Rules without a program are all looked at: their patterns are searched one by one, since a literal that most of them
//! hold lets a search end at once, while one automaton for all grows too large for its cache and is built again and again.

use std::collections::HashMap;

use super::glob;
use super::view::View;
use super::{Condition, Rule};

/// Places of rules in the list, by what makes them worth looking at.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_program: HashMap<String, Vec<usize>>,
    by_program_pattern: Vec<(String, usize)>,
    /// Rules about commands of any program.
    any: Vec<usize>,
    /// Rules about the text as a whole.
    text: Vec<usize>,
}

impl Index {
    pub(super) fn build(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (place, rule) in rules.iter().enumerate() {
            rule.when.iter().for_each(|condition| index.add(place, condition));
        }
        index
    }

    /// Whether some rule speaks of the program by name.
    pub(super) fn names(&self, program: &str) -> bool {
        self.by_program.contains_key(program) || self.by_pattern(program).next().is_some()
    }

    /// Rules that the text as a whole may hit.
    pub(super) fn for_text(&self) -> impl Iterator<Item = usize> {
        self.text.iter().copied()
    }

    /// Rules that a command may hit; one that has several reasons to be looked at comes several times.
    pub(super) fn for_command(&self, view: &View<'_>) -> impl Iterator<Item = usize> {
        let program = view.program().unwrap_or_default();
        let exact = self.by_program.get(program).into_iter().flatten().copied();
        exact.chain(self.by_pattern(program)).chain(self.any.iter().copied())
    }

    fn by_pattern(&self, program: &str) -> impl Iterator<Item = usize> {
        let patterns = self.by_program_pattern.iter();
        patterns
            .filter(move |(name, _)| glob::matches(name, program))
            .map(|(_, rule)| *rule)
    }

    fn add(&mut self, rule: usize, condition: &Condition) {
        match condition.programs() {
            Some(programs) => programs.iter().for_each(|name| self.add_program(rule, name)),
            None if condition.speaks_of_commands() => self.any.push(rule),
            None => self.text.push(rule),
        }
    }

    fn add_program(&mut self, rule: usize, name: &str) {
        if name.contains('*') {
            self.by_program_pattern.push((name.to_owned(), rule));
        } else {
            self.by_program.entry(name.to_owned()).or_default().push(rule);
        }
    }
}
