//! Which conditions are worth looking at, so that a command meets a handful of them and not all.
//!
//! Conditions without a program are all looked at: their patterns are searched one by one, since a literal that most of them
//! hold lets a search end at once, while one automaton for all grows too large for its cache and is built again and again.

use std::collections::HashMap;

use super::glob;
use super::view::View;
use super::{Condition, Rule};

/// One of the conditions that make a rule hit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The rule's place in the list.
    pub(super) rule: usize,
    /// The condition's place in the rule.
    pub(super) condition: usize,
}

/// Places of conditions, by what makes them worth looking at.
#[derive(Debug, Default)]
pub(super) struct Index {
    by_program: HashMap<String, Vec<Place>>,
    by_program_pattern: Vec<(String, Place)>,
    /// About commands of any program.
    any: Vec<Place>,
    /// About the text as a whole.
    text: Vec<Place>,
}

impl Index {
    pub(super) fn build(rules: &[Rule]) -> Self {
        let mut index = Self::default();
        for (rule, entry) in rules.iter().enumerate() {
            for (condition, entry) in entry.when.iter().enumerate() {
                index.add(Place { rule, condition }, entry);
            }
        }
        index
    }

    /// Whether some rule speaks of the program by name.
    pub(super) fn names(&self, program: &str) -> bool {
        self.by_program.contains_key(program) || self.by_pattern(program).next().is_some()
    }

    /// Conditions that the text as a whole may meet.
    pub(super) fn for_text(&self) -> impl Iterator<Item = Place> {
        self.text.iter().copied()
    }

    /// Conditions that a command may meet; one that has several reasons to be looked at comes several times.
    pub(super) fn for_command(&self, view: &View<'_>) -> impl Iterator<Item = Place> {
        let program = view.program().unwrap_or_default();
        let exact = self.by_program.get(program).into_iter().flatten().copied();
        exact.chain(self.by_pattern(program)).chain(self.any.iter().copied())
    }

    fn by_pattern(&self, program: &str) -> impl Iterator<Item = Place> {
        let patterns = self.by_program_pattern.iter();
        patterns
            .filter(move |(name, _)| glob::matches(name, program))
            .map(|(_, place)| *place)
    }

    fn add(&mut self, place: Place, condition: &Condition) {
        match condition.programs() {
            Some(programs) => programs.iter().for_each(|name| self.add_program(place, name)),
            None if condition.speaks_of_commands() => self.any.push(place),
            None => self.text.push(place),
        }
    }

    fn add_program(&mut self, place: Place, name: &str) {
        if name.contains('*') {
            self.by_program_pattern.push((name.to_owned(), place));
        } else {
            self.by_program.entry(name.to_owned()).or_default().push(place);
        }
    }
}
