//! From a text to its flat list of simple commands.
//!
//! The grammar's tree says where commands begin and what encloses them; their words are ours (`token`, `cook`). Wrappers
//! and inner texts are followed as they come up.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use super::follow::Defined;
use super::grammar::NoTree;
use super::heredoc::{self, Outline};
use super::token::{RawCommand, RawRedirection, Source, assignment_name, raw_command};
use super::tree::Tree;
use super::unwrap::{Inside, unwrap};
use super::variables::Variables;
use super::walk::Walk;
use super::{Assignment, Doubt, Origin, Redirection, Script, SimpleCommand};
use super::{cook, follow, grammar, guess, rescue};
use crate::domain::Dialect;

/// Longest text that is read, in bytes; what is beyond is not looked at.
pub const MAX_PARSED: usize = 64 * 1024;
/// Bytes of inner texts that are read for one script, all together.
const MAX_INNER: usize = 128 * 1024;
/// What every inner text costs besides its bytes, so that many short ones meet the limit as well.
const INNER_COST: usize = 160;
/// Most commands of one script.
const MAX_COMMANDS: usize = 2_000;
/// Most words of one script, those of wrapped commands counted again.
const MAX_WORDS: usize = 100_000;
/// Deepest nesting of quotes and substitutions that the grammar is asked about.
const MAX_NESTING: usize = 64;
/// Most words and characters with a meaning that the grammar is asked about for one script, inner texts and all: it takes
/// some 1.5 us for each.
const MAX_TOKENS: usize = 6_000;
/// What every text costs the grammar besides, in such tokens.
const TEXT_COST: usize = 3;
/// Bytes of loops that are searched for what they change, inner loops counted again.
const MAX_LOOPS: usize = 256 * 1024;
/// Deepest chain of wrappers and inner texts.
const MAX_DEPTH: usize = 12;

/// Reads `text` as `dialect` and brings it down to what it would run.
///
/// Never fails: what was not understood, and what is beyond a limit (64 KiB of text, 2,000 commands, 12 wrappers around
/// one another), is said in [`Script::doubts`].
#[must_use]
pub fn parse(text: &str, dialect: Dialect) -> Script {
    let (seen, is_whole) = truncated(text, MAX_PARSED);
    let mut reader = Reader::new(seen, dialect);
    if !is_whole {
        reader.doubts.insert(Doubt::Limit);
    }
    reader.read(seen, &Place::top());
    reader.read_traps();
    Script {
        text: text.to_owned(),
        dialect,
        commands: reader.commands,
        doubts: reader.doubts.into_iter().collect(),
    }
}

/// The start of `text`, at most `limit` bytes, and whether it is all of it.
fn truncated(text: &str, limit: usize) -> (&str, bool) {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    (text.get(..end).unwrap_or_default(), end == text.len())
}

/// A command without anything, to be filled.
pub(super) fn blank_command() -> SimpleCommand {
    SimpleCommand {
        assignments: Vec::new(),
        words: Vec::new(),
        redirections: Vec::new(),
        origin: Origin::Direct,
        pipeline: 0,
        stage: 0,
        depth: 0,
        encloses_from: None,
    }
}

/// Cooks a redirection; a here-document's target is its body.
pub(super) fn redirection(source: Source<'_>, raw: &RawRedirection, variables: &Variables) -> Redirection {
    let operator = source.slice(raw.operator.clone()).to_owned();
    let document = operator
        .starts_with("<<")
        .then(|| source.outline.here_document_at(raw.operator.start))
        .flatten();
    let target = match document {
        Some(document) => {
            let body = source.slice(document.body.clone());
            cook::here_document(body, document.literal, document.body.clone(), variables)
        }
        None => cook::single(source.slice(raw.target.clone()), &raw.target, variables),
    };
    Redirection { operator, target }
}

/// Where a text, or a part of one, stands.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) origin: Origin,
    pub(super) depth: usize,
    /// Pipeline and stage that its commands belong to, if it is itself a part of one.
    pub(super) pipe: Option<(usize, usize)>,
}

impl Place {
    pub(super) fn top() -> Self {
        Self {
            origin: Origin::Direct,
            depth: 0,
            pipe: None,
        }
    }

    /// The place of what `command` runs.
    pub(super) fn inside(command: &SimpleCommand) -> Self {
        Self {
            origin: Origin::Direct,
            depth: command.depth + 1,
            pipe: Some((command.pipeline, command.stage)),
        }
    }

    /// A command in this place, without words.
    fn command(&self, origin: Origin) -> SimpleCommand {
        let (pipeline, stage) = self.pipe.unwrap_or_default();
        SimpleCommand {
            origin,
            pipeline,
            stage,
            depth: self.depth,
            ..blank_command()
        }
    }
}

/// Everything found so far, over all texts of one script.
pub(super) struct Reader<'a> {
    /// The submitted text.
    text: &'a str,
    pub(super) dialect: Dialect,
    pub(super) commands: Vec<SimpleCommand>,
    pub(super) doubts: BTreeSet<Doubt>,
    pub(super) variables: Variables,
    pub(super) defined: Defined,
    /// Pipelines in which a value was used that is only a guess.
    pub(super) guesses: HashSet<usize>,
    /// What was found up to some place, for what is read again.
    seen: HashSet<String>,
    seen_until: usize,
    /// Texts that run at some time later.
    pub(super) traps: Vec<String>,
    /// Whether a function that is being defined runs what it is given.
    pub(super) runs_arguments: bool,
    /// Whether the words of the last command were made of such a value.
    is_guess: bool,
    /// Bytes of loops that may still be searched for what they change.
    pub(super) loop_bytes_left: usize,
    pipelines: usize,
    inner_bytes: usize,
    /// Words that may still be taken in.
    words_left: usize,
    /// Tokens that the grammar may still be asked about.
    tokens_left: usize,
    /// Where the text that is being read stands in the submitted one; `None` if it does not stand there as it is.
    pub(super) offset: Option<usize>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, dialect: Dialect) -> Self {
        Self {
            text,
            dialect,
            commands: Vec::new(),
            doubts: BTreeSet::new(),
            variables: Variables::default(),
            defined: Defined::default(),
            guesses: HashSet::new(),
            seen: HashSet::new(),
            seen_until: 0,
            traps: Vec::new(),
            runs_arguments: false,
            is_guess: false,
            loop_bytes_left: MAX_LOOPS,
            pipelines: 0,
            inner_bytes: 0,
            words_left: MAX_WORDS,
            tokens_left: MAX_TOKENS,
            offset: Some(0),
        }
    }

    /// Reads one text: the submitted one, or one that a command of it would run.
    fn read(&mut self, text: &str, place: &Place) {
        let first = self.commands.len();
        let outline = heredoc::outline(text);
        let source = Source {
            text,
            outline: &outline,
        };
        match self.tree(source) {
            Some(tree) => self.read_tree(source, &tree, place),
            None => self.rescue(source, place, false),
        }
        self.follow_inputs(first);
    }

    /// Reads what traps run once more, when everything that they may use is known.
    fn read_traps(&mut self) {
        for text in std::mem::take(&mut self.traps) {
            let known = self.commands.len();
            let around = Place {
                depth: 1,
                ..Place::top()
            };
            self.read_inner(&text, "trap", &around, Vec::new());
            self.keep_unseen(known);
        }
    }

    /// Reads the substitutions between backticks in here-documents, which the grammar takes for text.
    fn read_backticks(&mut self, source: Source<'_>, place: &Place) {
        let place = Place {
            origin: Origin::Substitution,
            depth: place.depth + 1,
            pipe: None,
        };
        let documents = source
            .outline
            .here_documents
            .iter()
            .filter(|document| !document.literal);
        for document in documents {
            let body = source.slice(document.body.clone());
            for inner in body.replace("\\`", "").split('`').skip(1).step_by(2) {
                self.read_within(inner, &place);
            }
        }
    }

    fn tree(&mut self, source: Source<'_>) -> Option<Tree> {
        let asked = if self.doubts.contains(&Doubt::Unread) {
            // Who has failed on a part of a script may take its time to fail on each of the others.
            Err(NoTree::Failed)
        } else if self.affords(source.outline) {
            grammar::tree(source.text)
        } else {
            Err(NoTree::Beyond)
        };
        asked
            .inspect_err(|why| {
                self.doubts.insert(match why {
                    NoTree::Beyond => Doubt::Limit,
                    NoTree::Failed => Doubt::Unread,
                });
            })
            .ok()
    }

    /// Whether the grammar may be asked about a text, which is then counted.
    fn affords(&mut self, outline: &Outline) -> bool {
        let left = self.tokens_left.checked_sub(outline.tokens + TEXT_COST);
        let affordable = left.filter(|_| outline.nesting <= MAX_NESTING);
        self.tokens_left = affordable.unwrap_or(self.tokens_left);
        affordable.is_some()
    }

    pub(super) fn read_tree(&mut self, source: Source<'_>, tree: &Tree, place: &Place) {
        let before = self.commands.len();
        let mut walk = Walk::new(source, place);
        walk.run(tree, self);
        self.read_backticks(source, place);
        if tree.has_error {
            self.doubts.insert(self.grammar_doubt());
            self.rescue_missed(source, place, before, false);
        }
        walk.here_documents.sort_unstable();
        if walk.here_documents != here_document_ends(source.outline) {
            self.doubts.insert(Doubt::HereDocument);
            self.rescue_missed(source, place, before, true);
        }
    }

    /// From the second round on, what a loop changes has other values.
    pub(super) fn doubt_loop(&mut self, text: &str) {
        if text.len() > self.loop_bytes_left {
            self.variables.doubt_all();
            return;
        }
        self.loop_bytes_left -= text.len();
        follow::doubt_assigned(text, &mut self.variables, &self.defined);
    }

    fn grammar_doubt(&self) -> Doubt {
        match self.dialect {
            Dialect::Bash | Dialect::Sh => Doubt::Grammar,
            Dialect::Zsh | Dialect::Fish => Doubt::Dialect,
        }
    }

    /// Rescues, and keeps what the tree had not shown since `before`.
    fn rescue_missed(&mut self, source: Source<'_>, place: &Place, before: usize, by_line: bool) {
        let start = self.commands.len();
        self.rescue(source, place, by_line);
        self.keep_new(before, start);
    }

    /// Of the commands from `start` on, keeps those that are not among the ones from `before` to there.
    fn keep_new(&mut self, before: usize, start: usize) {
        let added = self.commands.split_off(start.min(self.commands.len()));
        if added.is_empty() {
            return;
        }
        let known: HashSet<String> = self.commands.iter().skip(before).map(identity).collect();
        self.commands
            .extend(added.into_iter().filter(|command| !known.contains(&identity(command))));
    }

    /// Of the commands from `start` on, keeps those that were not found before. Looks at each command once, however often
    /// this is asked.
    pub(super) fn keep_unseen(&mut self, start: usize) {
        let added = self.commands.split_off(start.min(self.commands.len()));
        self.seen
            .extend(self.commands.iter().skip(self.seen_until).map(identity));
        let seen = &mut self.seen;
        self.commands
            .extend(added.into_iter().filter(|command| seen.insert(identity(command))));
        self.seen_until = self.commands.len();
    }

    pub(super) fn rescue(&mut self, source: Source<'_>, place: &Place, by_line: bool) {
        let mut last_end = None;
        for candidate in rescue::candidates(source, by_line, MAX_COMMANDS) {
            let raw = raw_command(candidate.source(source), candidate.span.clone());
            let piped = candidate.piped && last_end.is_some();
            let pipe = match (piped, last_end) {
                (true, Some((pipeline, stage))) => (pipeline, stage + 1),
                _ => place.pipe.unwrap_or_else(|| (self.new_pipeline(), 0)),
            };
            last_end = Some(pipe);
            let place = Place {
                pipe: Some(pipe),
                ..place.clone()
            };
            self.simple(candidate.source(source), &raw, &place);
        }
    }

    pub(super) fn new_pipeline(&mut self) -> usize {
        self.pipelines += 1;
        self.pipelines - 1
    }

    /// Cooks a simple command and takes it in.
    pub(super) fn simple(&mut self, source: Source<'_>, raw: &RawCommand, place: &Place) {
        if raw.is_empty() {
            return;
        }
        let mut command = place.command(place.origin.clone());
        self.variables.take_guessed();
        for span in &raw.words {
            if command.words.len() > self.words_left {
                break;
            }
            let before = command.words.len();
            let raw_word = source.slice(span.clone());
            command.words.extend(cook::words(raw_word, span, &self.variables));
            if before == 0 && self.variables.is_guessed() {
                self.doubts.insert(Doubt::DynamicProgram);
            }
            self.note_defaults(raw_word);
        }
        for raw in &raw.redirections {
            command.redirections.push(redirection(source, raw, &self.variables));
        }
        for span in &raw.assignments {
            command
                .assignments
                .extend(self.assignment(source, span, command.words.is_empty()));
        }
        self.is_guess = self.variables.take_guessed();
        if self.is_guess {
            self.guesses.insert(command.pipeline);
        }
        self.note(&command, source);
        if self.offset != Some(0) {
            move_spans(&mut command, self.offset);
        }
        self.accept(command);
    }

    fn assignment(&mut self, source: Source<'_>, span: &Range<usize>, lasting: bool) -> Option<Assignment> {
        let raw = source.slice(span.clone());
        let name = assignment_name(raw)?.to_owned();
        let (left, raw_value) = raw.split_once('=')?;
        let start = span.start + left.len() + 1;
        let value = cook::single(raw_value, &(start..span.end), &self.variables);
        self.note_defaults(raw_value);
        if lasting {
            self.set(&name, left, raw_value);
        } else if name != "IFS" {
            // It is there for this command, and for a builtin like `eval` and a function it may be what they run.
            self.set(&name, left, raw_value);
            self.variables.doubt(&name);
        }
        Some(Assignment { name, value })
    }

    /// Sets a variable by the raw text of its value. An element of a list is kept as a variable of its own.
    pub(super) fn set(&mut self, name: &str, left: &str, raw_value: &str) {
        let value = cook::value(raw_value, &self.variables);
        if left.ends_with('+') {
            self.variables.append(name, value, raw_value.starts_with('('));
        } else if left == name {
            self.variables.set(name, value);
        } else {
            self.variables.doubt(name);
            self.variables.set(left, value);
        }
        if self.variables.is_guessed() {
            self.variables.doubt(name);
        }
    }

    /// Takes a command in, and what it would run after it.
    pub(super) fn accept(&mut self, command: SimpleCommand) {
        if self.commands.len() >= MAX_COMMANDS || command.words.len() > self.words_left {
            self.doubts.insert(Doubt::Limit);
            return;
        }
        self.words_left -= command.words.len();
        self.doubt_program(&command);
        let inside = self.inside(&command);
        if !inside.is_empty() && self.is_guess {
            self.doubts.insert(Doubt::DynamicProgram);
        }
        let is_function = command.program().is_some_and(|name| self.defined.is_function(name));
        if command.depth >= MAX_DEPTH && (is_function || !inside.is_empty()) {
            self.doubts.insert(Doubt::Limit);
            self.commands.push(command);
            return;
        }
        let around = Place::inside(&command);
        let first = command.words.first().map_or("", |word| word.text.as_str());
        let name = command.program().unwrap_or(first).to_owned();
        let call = is_function.then(|| command.clone());
        self.commands.push(command);
        self.enter(&around, &name, inside);
        if let Some(call) = call {
            self.call(&call);
        }
    }

    fn inside(&self, command: &SimpleCommand) -> Vec<Inside> {
        let mut inside = unwrap(command, self.dialect);
        inside.extend(self.defined.by_alias(command));
        if !self.variables.is_defining() {
            inside.extend(guess::commands(command).into_iter().map(Inside::Words));
        }
        inside
    }

    /// A program that is not constant; where a function runs what it is given, its calls say what that is.
    fn doubt_program(&mut self, command: &SimpleCommand) {
        let Some(program) = command.words.first().filter(|word| !word.constant || word.glob) else {
            return;
        };
        if self.variables.is_defining() && is_positional(&program.text) {
            self.runs_arguments = true;
        } else {
            self.doubts.insert(Doubt::DynamicProgram);
        }
    }

    fn enter(&mut self, around: &Place, name: &str, inside: Vec<Inside>) {
        for part in inside {
            match part {
                Inside::Words(words) => {
                    let mut command = around.command(Origin::Wrapped(name.to_owned()));
                    command.words = words;
                    self.accept(command);
                }
                Inside::Text(text, positions) => self.read_inner(&text, name, around, positions),
                Inside::Unknown => {
                    self.doubts.insert(Doubt::Opaque);
                }
            }
        }
    }

    /// Reads a text that the program `name` would run, given these positional parameters.
    pub(super) fn read_inner(&mut self, text: &str, name: &str, around: &Place, positions: Vec<Option<String>>) {
        let place = Place {
            origin: Origin::Inner(name.to_owned()),
            ..around.clone()
        };
        if matches!(name, "eval" | "alias" | "source" | ".") || self.defined.is_alias(name) {
            self.read_within(text, &place);
            return;
        }
        let before = self.variables.replace_positions(positions);
        let definitions = self.variables.begin_call();
        let foreign = self.variables.open_shell();
        self.read_within(text, &place);
        self.variables.close_shell(foreign);
        self.variables.end_call(definitions);
        self.variables.replace_positions(before);
    }

    /// Reads a text within the one that is being read.
    pub(super) fn read_within(&mut self, text: &str, place: &Place) {
        let left = MAX_INNER.saturating_sub(self.inner_bytes);
        if place.depth > MAX_DEPTH || text.len() > left.min(MAX_PARSED) {
            self.doubts.insert(Doubt::Limit);
            return;
        }
        self.inner_bytes += text.len() + INNER_COST;
        let offset = std::mem::replace(&mut self.offset, only_occurrence(self.text, text.trim()));
        self.read(text.trim(), place);
        self.offset = offset;
    }
}

/// Where `part` stands in `text`, if it stands there once.
fn only_occurrence(text: &str, part: &str) -> Option<usize> {
    let first = text.find(part).filter(|_| !part.is_empty())?;
    (text.rfind(part) == Some(first)).then_some(first)
}

/// Moves spans from an inner text to the submitted one; empties them where there is no such place.
fn move_spans(command: &mut SimpleCommand, offset: Option<usize>) {
    let targets = command
        .redirections
        .iter_mut()
        .map(|redirection| &mut redirection.target);
    let values = command.assignments.iter_mut().map(|assignment| &mut assignment.value);
    for word in command.words.iter_mut().chain(targets).chain(values) {
        word.span = match offset {
            Some(offset) if !word.span.is_empty() => word.span.start + offset..word.span.end + offset,
            _ => 0..0,
        };
    }
}

/// Whether all that is not known in a word are positional parameters.
fn is_positional(text: &str) -> bool {
    let mut parts = text.split('$').skip(1).peekable();
    parts.peek().is_some()
        && !text.contains('`')
        && parts.all(|part| {
            let name = part.strip_prefix('{').unwrap_or(part);
            name.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '@' | '*'))
        })
}

/// What two commands must share to count as found twice.
fn identity(command: &SimpleCommand) -> String {
    let targets = command
        .redirections
        .iter()
        .map(|redirection| redirection.target.text.as_str());
    let words = command.words.iter().map(|word| word.text.as_str());
    words.chain(targets).collect::<Vec<_>>().join("\0")
}

fn here_document_ends(outline: &Outline) -> Vec<usize> {
    let mut ends: Vec<usize> = outline.here_documents.iter().map(|document| document.end).collect();
    ends.sort_unstable();
    ends
}
