//! Variables that a text assigns, and whether what was assigned is what a shell would find there.
//!
//! A text is read once, from its beginning to its end, while a shell may leave parts of it out, or run them in a process of
//! their own. So each value knows the scope it was set in; where that scope is not open any longer, the value is the best guess
//! and no more.

use std::cell::Cell;
use std::collections::HashMap;

use super::parameter;
use super::token::is_name;

/// Longest value that is followed, in bytes; longer ones count as not known.
const MAX_VALUE: usize = 1024;
/// Most that the values of one text may cost, in bytes given out and in comparisons of characters.
const MAX_WORK: usize = 1_000_000;
/// The scope of a value that nothing makes certain.
const NOWHERE: u32 = u32::MAX;

/// What is known of the variables at one point of a text.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    values: HashMap<String, Value>,
    /// `$0`, `$1`, ...; those that are not known are `None`.
    positions: Vec<Option<String>>,
    /// How many functions are being defined: what they are given is not known.
    definitions: usize,
    /// The scopes that are open, outermost first; they grow.
    open: Vec<u32>,
    last_scope: u32,
    /// How many open scopes belong to the shells around this one, whose variables it may not have.
    foreign: usize,
    /// Whether a value was given out that is only a guess.
    guessed: Cell<bool>,
    /// What values have cost so far.
    work: Cell<usize>,
}

#[derive(Debug, Clone)]
struct Value {
    elements: Option<Vec<String>>,
    scope: u32,
    exported: bool,
}

impl Variables {
    /// Sets a variable to the elements of its value; `None` where they are not known.
    pub(super) fn set(&mut self, name: &str, value: Option<Vec<String>>) {
        let elements = value.filter(|elements| length(elements.iter().map(String::as_str)) <= MAX_VALUE);
        let scope = self.open.last().copied().unwrap_or_default();
        let exported = self.values.get(name).is_some_and(|value| value.exported);
        let value = Value {
            elements,
            scope,
            exported,
        };
        self.values.insert(name.to_owned(), value);
    }

    /// Appends elements to a list (`NAME+=(...)`), or text to a value (`NAME+=...`); what was not known stays so.
    pub(super) fn append(&mut self, name: &str, value: Option<Vec<String>>, is_list: bool) {
        let known = match self.values.get(name) {
            Some(_) => self.elements(name),
            None => Some(Vec::new()),
        };
        let joined = known.zip(value).map(|(mut elements, mut more)| {
            if !is_list && let (Some(first), [text]) = (elements.first_mut(), more.as_slice()) {
                first.push_str(text);
            } else {
                elements.append(&mut more);
            }
            elements
        });
        self.set(name, joined);
    }

    /// Child processes get the variable.
    pub(super) fn export(&mut self, name: &str) {
        if let Some(value) = self.values.get_mut(name) {
            value.exported = true;
        }
    }

    /// The variable has its value, or another.
    pub(super) fn doubt(&mut self, name: &str) {
        if let Some(value) = self.values.get_mut(name) {
            value.scope = NOWHERE;
        }
    }

    /// As [`Self::doubt`], for a variable that grows: it may have grown from nothing.
    pub(super) fn doubt_appended(&mut self, name: &str) {
        if self.is_assigned(name) {
            self.doubt(name);
        } else if is_name(name) {
            self.set(name, None);
        }
    }

    /// Gives the text other positional parameters; returns those before. Those that are too long are not known.
    pub(super) fn replace_positions(&mut self, mut positions: Vec<Option<String>>) -> Vec<Option<String>> {
        forget_long(&mut positions);
        std::mem::replace(&mut self.positions, positions)
    }

    /// `set -- ...`
    pub(super) fn give(&mut self, given: Vec<Option<String>>) {
        self.positions.truncate(1);
        self.positions.resize(1, None);
        self.positions.extend(given);
        forget_long(&mut self.positions);
    }

    /// `shift`.
    pub(super) fn shift(&mut self, count: usize) {
        let end = count.saturating_add(1).min(self.positions.len());
        self.positions.drain(1.min(end)..end);
    }

    pub(super) fn begin_definition(&mut self) {
        self.definitions += 1;
    }

    pub(super) fn end_definition(&mut self) {
        self.definitions -= 1;
    }

    pub(super) fn is_defining(&self) -> bool {
        self.definitions > 0
    }

    /// While a function is called, it is not being defined; returns what [`Self::end_call`] wants.
    pub(super) fn begin_call(&mut self) -> usize {
        std::mem::take(&mut self.definitions)
    }

    pub(super) fn end_call(&mut self, definitions: usize) {
        self.definitions = definitions;
    }

    /// Every variable has its value, or another.
    pub(super) fn doubt_all(&mut self) {
        for value in self.values.values_mut() {
            value.scope = NOWHERE;
        }
    }

    /// Begins a part of the text that may be left out, or is run by a process of its own.
    pub(super) fn open_scope(&mut self) {
        self.last_scope += 1;
        self.open.push(self.last_scope);
    }

    pub(super) fn close_scope(&mut self) {
        self.open.pop();
    }

    /// Begins the text of another shell, which has what is exported; returns what [`Self::close_shell`] wants.
    pub(super) fn open_shell(&mut self) -> usize {
        let foreign = std::mem::replace(&mut self.foreign, self.open.len() + 1);
        self.open_scope();
        foreign
    }

    pub(super) fn close_shell(&mut self, foreign: usize) {
        self.close_scope();
        self.foreign = foreign;
    }

    /// Whether a value that is only a guess was given out since that was last taken.
    pub(super) fn is_guessed(&self) -> bool {
        self.guessed.get()
    }

    /// As [`Self::is_guessed`], and begins anew.
    pub(super) fn take_guessed(&self) -> bool {
        self.guessed.replace(false)
    }

    /// Whether values may cost so much more; what patterns cost grows with the third power of a value.
    pub(super) fn may_spend(&self, work: usize) -> bool {
        self.work.set(self.work.get().saturating_add(work));
        self.work.get() <= MAX_WORK
    }

    /// Whether the text has assigned the variable, to whatever value.
    pub(super) fn is_assigned(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// A variable's elements; `None` where they are not known, and where too much was given out before.
    pub(super) fn elements(&self, name: &str) -> Option<Vec<String>> {
        self.known(name).filter(|elements| {
            let cost = length(elements.iter().map(String::as_str));
            self.may_spend(cost)
        })
    }

    fn known(&self, name: &str) -> Option<Vec<String>> {
        if let Some(value) = self.values.get(name) {
            if !self.is_certain(value) {
                self.guessed.set(true);
            }
            return value.elements.clone();
        }
        match name {
            "IFS" => Some(vec![" \t\n".to_owned()]),
            _ if self.is_defining() => None,
            "#" => Some(vec![self.positions.len().saturating_sub(1).to_string()]),
            "@" | "*" => self.positions.iter().skip(1).cloned().collect(),
            _ => self.position(name.parse().ok()?),
        }
    }

    /// A positional parameter; one that is not given is empty: `r$9m` is `rm`.
    fn position(&self, place: usize) -> Option<Vec<String>> {
        let otherwise = (place > 0).then(String::new);
        let given = self.positions.get(place).cloned().unwrap_or(otherwise);
        given.map(|text| vec![text])
    }

    fn is_certain(&self, value: &Value) -> bool {
        let Ok(place) = self.open.binary_search(&value.scope) else {
            return value.scope == 0 && (self.foreign == 0 || value.exported);
        };
        place + 1 >= self.foreign || value.exported
    }

    pub(super) fn scalar(&self, name: &str) -> Option<String> {
        self.elements(name).map(|elements| elements.join(" "))
    }

    /// The characters at which values are split; `None` where they are not known.
    pub(super) fn separators(&self) -> Option<String> {
        if !self.is_assigned("IFS") {
            return Some(" \t\n".to_owned());
        }
        self.scalar("IFS")
    }

    /// The value of `${expression}`.
    pub(super) fn parameter(&self, expression: &str) -> Option<Vec<String>> {
        parameter::value(self, expression)
    }
}

/// What elements count: their bytes, and one for each, so that many empty ones are long as well.
fn length<'a>(elements: impl Iterator<Item = &'a str>) -> usize {
    elements.map(|element| element.len() + 1).sum()
}

/// Forgets what positional parameters hold where all of them together are too long; how many there are stays known.
fn forget_long(positions: &mut [Option<String>]) {
    if length(positions.iter().map(|given| given.as_deref().unwrap_or_default())) > MAX_VALUE {
        positions.fill(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(count: usize) -> Vec<Option<String>> {
        vec![Some("x".to_owned()); count]
    }

    #[test]
    fn what_is_too_long_is_not_known() {
        let mut variables = Variables::default();
        variables.give(given(MAX_VALUE));
        assert_eq!(variables.elements("@"), None);
        assert_eq!(variables.scalar("#").as_deref(), Some("1024"));
        variables.replace_positions(given(MAX_VALUE));
        assert_eq!(variables.elements("@"), None);
        variables.set("a", Some(vec![String::new(); MAX_VALUE + 1]));
        assert_eq!(variables.elements("a"), None);
    }

    #[test]
    fn values_are_given_out_until_they_cost_too_much() {
        let mut variables = Variables::default();
        variables.set("a", Some(vec!["x".repeat(MAX_VALUE - 1)]));
        let most = MAX_WORK / MAX_VALUE;
        assert!((0..most).all(|_| variables.elements("a").is_some()));
        assert_eq!(variables.elements("a"), None);
    }

    #[test]
    fn no_shift_is_too_far() {
        let mut variables = Variables::default();
        variables.give(given(2));
        variables.shift(usize::MAX);
        assert_eq!(variables.scalar("#").as_deref(), Some("0"));
    }
}
