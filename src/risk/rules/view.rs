//! A simple command as conditions look at it: what several of them need is computed once.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::ops::Range;

use regex::bytes::Regex;

use super::glob::{Glob, Names};
use crate::command::{self, OperandClass, Origin, Script, SimpleCommand, Word};

/// Longest cluster of single-letter flags (`-rvfz`), dash aside; what is longer is a long name after one dash.
const MAX_CLUSTER: usize = 7;

/// By pipeline, the first and the last stage that runs one of some programs.
type Stages = HashMap<usize, (usize, usize)>;

/// A script with what is found in the whole of it: each thing is searched for once, however many commands ask.
pub(super) struct Texts<'a> {
    script: &'a Script,
    /// The words of all commands, a line each.
    words: String,
    /// Where those of each command stand.
    lines: Vec<Range<usize>>,
    found: RefCell<HashMap<*const Regex, bool>>,
    stages: RefCell<HashMap<*const Names, Stages>>,
}

impl<'a> Texts<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        let (words, lines) = joined(script);
        Self {
            script,
            words,
            lines,
            found: RefCell::default(),
            stages: RefCell::default(),
        }
    }

    pub(super) fn script(&self) -> &'a Script {
        self.script
    }

    /// Each command with its words: the program's base name and the arguments, joined by single blanks.
    pub(super) fn commands(&self) -> impl Iterator<Item = (&'a SimpleCommand, &str)> {
        let lines = self.lines.iter().map(|line| self.words(line));
        self.script.commands.iter().zip(lines)
    }

    fn words(&self, line: &Range<usize>) -> &str {
        self.words.get(line.clone()).unwrap_or_default()
    }

    /// The words of all commands, a line each.
    pub(super) fn all_words(&self) -> &str {
        &self.words
    }

    /// Whether the text matches. The rules own the pattern and outlive this, so that its place in memory tells it.
    pub(super) fn has(&self, pattern: &Regex) -> bool {
        let search = || pattern.is_match(self.script.text.as_bytes());
        *self
            .found
            .borrow_mut()
            .entry(std::ptr::from_ref(pattern))
            .or_insert_with(search)
    }

    /// The first and the last stage of a pipeline that runs one of these programs.
    fn stages_of(&self, names: &Names, pipeline: usize) -> Option<(usize, usize)> {
        let mut known = self.stages.borrow_mut();
        let stages = known
            .entry(std::ptr::from_ref(names))
            .or_insert_with(|| stages(self.script, names));
        stages.get(&pipeline).copied()
    }
}

/// The words of all commands, a line each, and where those of each command stand.
fn joined(script: &Script) -> (String, Vec<Range<usize>>) {
    let mut words = String::new();
    let mut lines = Vec::with_capacity(script.commands.len());
    for command in &script.commands {
        let start = words.len();
        let first = command.words.first().map_or("", |word| &word.text);
        words.push_str(command.program().unwrap_or(first));
        for word in command.arguments() {
            words.push(' ');
            words.push_str(&word.text);
        }
        lines.push(start..words.len());
        words.push('\n');
    }
    (words, lines)
}

fn stages(script: &Script, names: &Names) -> Stages {
    let mut found = Stages::new();
    let runs = |command: &&SimpleCommand| command.program().is_some_and(|program| names.has(program));
    for command in script.commands.iter().filter(runs) {
        let (first, last) = found.entry(command.pipeline).or_insert((command.stage, command.stage));
        *first = command.stage.min(*first);
        *last = command.stage.max(*last);
    }
    found
}

/// One simple command within its script.
pub(super) struct View<'a> {
    texts: &'a Texts<'a>,
    command: &'a SimpleCommand,
    program: Option<&'a str>,
    words: &'a str,
    named: bool,
    classes: OnceCell<Vec<OperandClass>>,
    operands: OnceCell<Vec<&'a Word>>,
}

impl<'a> View<'a> {
    /// `named` says whether some rule speaks of the program by name.
    pub(super) fn new(
        texts: &'a Texts<'a>,
        command: &'a SimpleCommand,
        words: &'a str,
        named: impl Fn(&str) -> bool,
    ) -> Self {
        let program = command.program();
        Self {
            texts,
            command,
            program,
            words,
            named: program.is_some_and(named),
            classes: OnceCell::new(),
            operands: OnceCell::new(),
        }
    }

    pub(super) fn texts(&self) -> &Texts<'a> {
        self.texts
    }

    pub(super) fn program(&self) -> Option<&'a str> {
        self.program
    }

    /// Whether some rule speaks of the program by name.
    pub(super) fn is_named(&self) -> bool {
        self.named
    }

    /// The program's base name and the arguments, joined by single blanks.
    pub(super) fn words(&self) -> &str {
        self.words
    }

    /// The arguments that are not flags, in order.
    pub(super) fn operands(&self) -> &[&'a Word] {
        self.operands.get_or_init(|| operands(self.command.arguments()))
    }

    /// The classes of the operands, in order.
    pub(super) fn operand_classes(&self) -> &[OperandClass] {
        self.classes.get_or_init(|| {
            self.operands()
                .iter()
                .map(|word| command::operand_class(word))
                .collect()
        })
    }

    pub(super) fn is_redirected(&self) -> bool {
        !self.command.redirections.is_empty()
    }

    pub(super) fn is_assigned(&self) -> bool {
        !self.command.assignments.is_empty()
    }

    /// The files that redirections may write.
    pub(super) fn written(&self) -> impl Iterator<Item = &'a Word> {
        let writing = self
            .command
            .redirections
            .iter()
            .filter(|redirection| redirection.writes());
        writing.map(|redirection| &redirection.target)
    }

    /// Whether one of the names is given as a flag.
    pub(super) fn has_flag(&self, names: &Names) -> bool {
        self.flags().any(|flag| names.iter().any(|name| is_flag(flag, name)))
    }

    /// Whether the words stand in a row behind the program, flags and what may be their values aside.
    pub(super) fn has_subcommand(&self, wanted: &[Names]) -> bool {
        subcommand(self.command.arguments(), wanted)
    }

    pub(super) fn is_after(&self, names: &Names) -> bool {
        let stages = self.texts.stages_of(names, self.command.pipeline);
        stages.is_some_and(|(first, _)| first < self.command.stage)
    }

    pub(super) fn is_before(&self, names: &Names) -> bool {
        let stages = self.texts.stages_of(names, self.command.pipeline);
        stages.is_some_and(|(_, last)| last > self.command.stage)
    }

    /// Whether a wrapper or an interpreter of one of these names runs it.
    pub(super) fn is_run_by(&self, names: &Names) -> bool {
        match &self.command.origin {
            Origin::Wrapped(by) | Origin::Inner(by) => names.has(by),
            Origin::Substitution => names.has("substitution"),
            Origin::Direct => false,
        }
    }

    pub(super) fn assigns(&self, regex: &Regex) -> bool {
        let mut assignments = self.command.assignments.iter();
        assignments
            .any(|assignment| regex.is_match(format!("{}={}", assignment.name, assignment.value.text).as_bytes()))
    }

    /// Whether the program's name or one of its words hides what it is.
    pub(super) fn is_disguised(&self) -> bool {
        self.command.words.first().is_some_and(|word| word.disguised)
    }

    fn flags(&self) -> impl Iterator<Item = &'a str> {
        let before_end = self.command.arguments().iter().take_while(|word| word.text != "--");
        before_end
            .map(|word| word.text.as_str())
            .filter(|text| text.len() > 1 && text.starts_with('-'))
    }
}

fn operands(arguments: &[Word]) -> Vec<&Word> {
    let mut flags_end = false;
    let mut found = Vec::with_capacity(arguments.len());
    for word in arguments {
        if !flags_end && word.text == "--" {
            flags_end = true;
        } else if flags_end || !word.text.starts_with('-') || word.text == "-" {
            found.push(word);
        }
    }
    found
}

/// Whether a word that begins with a dash gives the flag of this name.
fn is_flag(word: &str, name: &Glob) -> bool {
    match word.strip_prefix("--") {
        Some(long) => name.matches(long.split('=').next().unwrap_or(long)),
        None => is_short_flag(word.trim_start_matches('-'), name),
    }
}

fn is_short_flag(word: &str, name: &Glob) -> bool {
    let clustered = word.len() <= MAX_CLUSTER && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut letters = name.as_str().chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => word.starts_with(letter) || (clustered && word.contains(letter)),
        _ => name.matches(word.split('=').next().unwrap_or(word)),
    }
}

/// Whether `wanted` stand in `arguments` one after the other, where a word behind a flag may be its value. Follows all that the
/// words before may mean at once: one reading for each such word would double them.
fn subcommand(arguments: &[Word], wanted: &[Names]) -> bool {
    let mut reached = vec![wanted];
    let mut after_flag = false;
    for word in arguments {
        if reached.iter().any(|wanted| wanted.is_empty()) {
            break;
        }
        if word.text.starts_with('-') {
            after_flag = !word.text.contains('=');
            continue;
        }
        let matched = reached.iter().filter_map(|wanted| wanted.split_first());
        let mut next: Vec<&[Names]> = matched
            .filter(|(first, _)| first.has(&word.text))
            .map(|(_, rest)| rest)
            .collect();
        if after_flag {
            next.append(&mut reached);
        }
        next.sort_unstable_by_key(|wanted| wanted.len());
        next.dedup_by_key(|wanted| wanted.len());
        reached = next;
        after_flag = false;
    }
    reached.iter().any(|wanted| wanted.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::parse;
    use crate::domain::Dialect;

    fn has(line: &str, wanted: &str) -> bool {
        let script = parse(line, Dialect::Bash);
        let wanted: Vec<Names> = wanted.split(' ').map(Names::new).collect();
        subcommand(script.commands[0].arguments(), &wanted)
    }

    #[test]
    fn a_word_behind_a_flag_may_be_its_value_or_a_subcommand() {
        for line in [
            "docker volume rm x",
            "docker -H volume volume rm x",
            "docker --tls volume -f rm",
            "docker --host=h volume --force x rm",
        ] {
            assert!(has(line, "volume rm|prune"), "{line}");
        }
        for line in [
            "docker rm volume",
            "docker volume ls rm",
            "docker x volume rm",
            "docker volume",
        ] {
            assert!(!has(line, "volume rm|prune"), "{line}");
        }
    }

    /// With a reading for each word that may be a value, these would be 2 to the power of 500.
    #[test]
    fn all_that_many_words_may_mean_is_followed_at_once() {
        let values = "-x volume ".repeat(500);
        assert!(has(&format!("docker {values} rm"), "volume rm"));
        assert!(!has(&format!("docker {values} x rm"), "volume volume rm"));
    }
}
