//! Which conditions are worth looking at, so that a command meets a handful of them and not all.
//!
//! Conditions without a program are looked at where the command has what they ask for. Their patterns are searched one by one,
//! since a literal that most of them hold lets a search end at once, while one automaton for all grows too large for its cache
//! and is built again and again.

use std::collections::HashMap;

use super::glob::Glob;
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
    /// By the first byte of the pattern, which is the first of all that it matches, or a star.
    by_program_pattern: HashMap<u8, Vec<(Glob, Vec<Place>)>>,
    any: OfAnyProgram,
    /// About the text as a whole.
    text: Vec<Place>,
}

/// Places of conditions about commands of any program, by what a command must have to meet them.
#[derive(Debug, Default)]
pub(super) struct OfAnyProgram {
    redirected: Vec<Place>,
    assigned: Vec<Place>,
    other: Vec<Place>,
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

    /// Conditions that the text as a whole may meet.
    pub(super) fn for_text(&self) -> impl Iterator<Item = Place> {
        self.text.iter().copied()
    }

    /// Conditions that speak of the program by name; one that does so in several ways comes several times.
    pub(super) fn for_program(&self, program: &str) -> impl Iterator<Item = Place> {
        let exact = self.by_program.get(program).into_iter().flatten();
        let first = program.bytes().next().into_iter().chain([b'*']);
        let patterns = first.filter_map(|first| self.by_program_pattern.get(&first)).flatten();
        let by_pattern = patterns.filter(move |(name, _)| name.matches(program));
        exact.chain(by_pattern.flat_map(|(_, places)| places)).copied()
    }

    /// Those conditions about commands of any program that some command may meet.
    pub(super) fn for_any_program(&self, may_hold: impl Fn(&Place) -> bool) -> OfAnyProgram {
        let live = |places: &[Place]| places.iter().copied().filter(&may_hold).collect();
        OfAnyProgram {
            redirected: live(&self.any.redirected),
            assigned: live(&self.any.assigned),
            other: live(&self.any.other),
        }
    }

    fn add(&mut self, place: Place, condition: &Condition) {
        match condition.programs() {
            Some(programs) => programs.iter().for_each(|name| self.add_program(place, name)),
            None if condition.speaks_of_commands() => self.any.add(place, condition),
            None => self.text.push(place),
        }
    }

    fn add_program(&mut self, place: Place, name: &Glob) {
        if name.is_plain() {
            let places = self.by_program.entry(name.as_str().to_owned()).or_default();
            places.push(place);
            return;
        }
        let first = name.as_str().bytes().next().unwrap_or(b'*');
        let patterns = self.by_program_pattern.entry(first).or_default();
        match patterns.iter_mut().find(|(known, _)| known == name) {
            Some((_, places)) => places.push(place),
            None => patterns.push((name.clone(), vec![place])),
        }
    }
}

impl OfAnyProgram {
    fn add(&mut self, place: Place, condition: &Condition) {
        if condition.speaks_of_redirections() {
            self.redirected.push(place);
        } else if condition.speaks_of_assignments() {
            self.assigned.push(place);
        } else {
            self.other.push(place);
        }
    }

    /// Those that the command may meet.
    pub(super) fn for_command(&self, view: &View<'_>) -> impl Iterator<Item = Place> {
        let redirected = view.is_redirected().then_some(&self.redirected);
        let assigned = view.is_assigned().then_some(&self.assigned);
        let with = redirected.into_iter().chain(assigned).flatten();
        with.chain(&self.other).copied()
    }
}
