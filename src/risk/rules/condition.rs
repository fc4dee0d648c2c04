//! One condition of a rule, compiled.

use regex::bytes::{Regex, RegexBuilder};

use super::error::RulesError;
use super::glob::Names;
use super::schema::ConditionEntry;
use super::view::{Texts, View};
use crate::command::{Doubt, OperandClass};

/// What must hold, all of it, of one simple command or of the whole text.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    program: Option<Names>,
    unnamed: Option<bool>,
    sub: Vec<Vec<Names>>,
    flags: Vec<Names>,
    operands: Option<Vec<OperandClass>>,
    only: Option<Vec<OperandClass>>,
    operand: Option<Regex>,
    every: Option<Regex>,
    words: Option<Regex>,
    /// Matches the words of all commands, a line each, wherever `words` matches those of one; where that can be told.
    words_of_any: Option<Regex>,
    redirect: Option<Regex>,
    redirect_to: Option<Vec<OperandClass>>,
    after: Option<Names>,
    before: Option<Names>,
    via: Option<Names>,
    assign: Option<Regex>,
    disguised: Option<bool>,
    text: Option<Regex>,
    doubt: Option<Vec<Doubt>>,
}

impl Condition {
    pub(super) fn compile(entry: &ConditionEntry, path: &str, line: usize) -> Result<Self, RulesError> {
        let compiler = Compiler { path, line };
        let condition = Self {
            program: names(entry.program.as_deref()),
            unnamed: entry.unnamed,
            sub: entry
                .sub
                .iter()
                .flatten()
                .map(|words| words.split_whitespace().map(Names::new).collect())
                .collect(),
            flags: entry.flags.iter().flatten().map(|flag| Names::new(flag)).collect(),
            operands: compiler.classes(entry.operands.as_deref())?,
            only: compiler.classes(entry.only.as_deref())?,
            operand: compiler.regex(entry.operand.as_deref())?,
            every: compiler.regex(entry.every.as_deref())?,
            words: compiler.regex(entry.words.as_deref())?,
            words_of_any: compiler.by_line(entry)?,
            redirect: compiler.regex(entry.redirect.as_deref())?,
            redirect_to: compiler.classes(entry.redirect_to.as_deref())?,
            after: names(entry.after.as_deref()),
            before: names(entry.before.as_deref()),
            via: names(entry.via.as_deref()),
            assign: compiler.regex(entry.assign.as_deref())?,
            disguised: entry.disguised,
            text: compiler.regex(entry.text.as_deref())?,
            doubt: compiler.doubts(entry.doubt.as_deref())?,
        };
        if !condition.speaks_of_commands() && condition.text.is_none() && condition.doubt.is_none() {
            return Err(compiler.invalid("has an empty condition", "say what must hold, for example `program`"));
        }
        Ok(condition)
    }

    /// Whether it is about simple commands, and not only about the text as a whole.
    pub(super) fn speaks_of_commands(&self) -> bool {
        self.program.is_some()
            || self.unnamed.is_some()
            || self.every.is_some()
            || !self.sub.is_empty()
            || !self.flags.is_empty()
            || self.operands.is_some()
            || self.only.is_some()
            || self.operand.is_some()
            || self.words.is_some()
            || self.redirect.is_some()
            || self.redirect_to.is_some()
            || self.after.is_some()
            || self.before.is_some()
            || self.via.is_some()
            || self.assign.is_some()
            || self.disguised.is_some()
    }

    /// The programs that it is about; `None` for any.
    pub(super) fn programs(&self) -> Option<&Names> {
        self.program.as_ref()
    }

    /// Whether it can only be met by a command with redirections.
    pub(super) fn speaks_of_redirections(&self) -> bool {
        self.redirect.is_some() || self.redirect_to.is_some()
    }

    /// Whether it can only be met by a command with assignments.
    pub(super) fn speaks_of_assignments(&self) -> bool {
        self.assign.is_some()
    }

    /// Whether any command of the script may meet it; looks at all of their words at once.
    pub(super) fn may_hold(&self, texts: &Texts<'_>) -> bool {
        let found = |pattern: &Regex| pattern.is_match(texts.all_words().as_bytes());
        self.words_of_any.as_ref().is_none_or(found)
    }

    pub(super) fn holds_for_text(&self, texts: &Texts<'_>) -> bool {
        let doubted = |doubts: &Vec<Doubt>| doubts.iter().any(|doubt| texts.script().doubts.contains(doubt));
        self.doubt.as_ref().is_none_or(doubted) && self.text.as_ref().is_none_or(|pattern| texts.has(pattern))
    }

    pub(super) fn holds(&self, view: &View<'_>) -> bool {
        // What is cheap to look at comes first.
        self.program_holds(view)
            && self.surroundings_hold(view)
            && self.redirections_hold(view)
            && self.words_hold(view)
            && self.operands_hold(view)
            && self.holds_for_text(view.texts())
    }

    fn program_holds(&self, view: &View<'_>) -> bool {
        let program = view.program();
        self.program
            .as_ref()
            .is_none_or(|names| program.is_some_and(|program| names.has(program)))
            && self
                .unnamed
                .is_none_or(|unnamed| program.is_some() && view.is_named() != unnamed)
    }

    fn words_hold(&self, view: &View<'_>) -> bool {
        self.flags.iter().all(|flag| view.has_flag(flag))
            && (self.sub.is_empty() || self.sub.iter().any(|words| view.has_subcommand(words)))
            && self
                .words
                .as_ref()
                .is_none_or(|regex| regex.is_match(view.words().as_bytes()))
    }

    fn operands_hold(&self, view: &View<'_>) -> bool {
        let any = |classes: &Vec<OperandClass>| view.operand_classes().iter().any(|class| classes.contains(class));
        let all = |classes: &Vec<OperandClass>| {
            let found = view.operand_classes();
            !found.is_empty() && found.iter().all(|class| classes.contains(class))
        };
        let operands = view.operands();
        let every =
            |regex: &Regex| !operands.is_empty() && operands.iter().all(|word| regex.is_match(word.text.as_bytes()));
        self.operand
            .as_ref()
            .is_none_or(|regex| operands.iter().any(|word| regex.is_match(word.text.as_bytes())))
            && self.every.as_ref().is_none_or(every)
            && self.operands.as_ref().is_none_or(any)
            && self.only.as_ref().is_none_or(all)
    }

    fn redirections_hold(&self, view: &View<'_>) -> bool {
        self.redirect
            .as_ref()
            .is_none_or(|regex| view.written().any(|word| regex.is_match(word.text.as_bytes())))
            && self.redirect_to.as_ref().is_none_or(|classes| {
                view.written()
                    .any(|word| classes.contains(&crate::command::operand_class(word)))
            })
    }

    fn surroundings_hold(&self, view: &View<'_>) -> bool {
        self.after.as_ref().is_none_or(|names| view.is_after(names))
            && self.before.as_ref().is_none_or(|names| view.is_before(names))
            && self.via.as_ref().is_none_or(|names| view.is_run_by(names))
            && self.assign.as_ref().is_none_or(|regex| view.assigns(regex))
            && self.disguised.is_none_or(|disguised| view.is_disguised() == disguised)
    }
}

fn names(entry: Option<&[String]>) -> Option<Names> {
    entry.map(|names| Names::new(&names.join("|")))
}

/// Compiles the parts of a condition, and knows where it stands.
struct Compiler<'a> {
    path: &'a str,
    line: usize,
}

impl Compiler<'_> {
    /// Compiled for bytes: a shell's blanks and words are ASCII, and the tables of Unicode would take half of an idle daemon's
    /// memory.
    fn regex(&self, pattern: Option<&str>) -> Result<Option<Regex>, RulesError> {
        let compile = |pattern| RegexBuilder::new(pattern).unicode(false).build();
        pattern.map(compile).transpose().map_err(|error| {
            self.invalid(
                &format!("has a pattern that cannot be compiled: {error}"),
                "correct the regular expression",
            )
        })
    }

    /// The pattern for words, for many lines of words. Only for conditions about any program: others are rarely looked at.
    fn by_line(&self, entry: &ConditionEntry) -> Result<Option<Regex>, RulesError> {
        let by_line = |pattern: &&str| entry.program.is_none() && is_the_same_by_line(pattern);
        let pattern = entry.words.as_deref().filter(by_line);
        self.regex(pattern.map(|pattern| format!("(?m){pattern}")).as_deref())
    }

    fn classes(&self, names: Option<&[String]>) -> Result<Option<Vec<OperandClass>>, RulesError> {
        let class = |name: &String| {
            let known = CLASSES.iter().find(|class| class.as_str() == name);
            known
                .copied()
                .ok_or_else(|| self.unknown(name, &CLASSES.map(OperandClass::as_str)))
        };
        names.map(|names| names.iter().map(class).collect()).transpose()
    }

    fn doubts(&self, names: Option<&[String]>) -> Result<Option<Vec<Doubt>>, RulesError> {
        let doubt = |name: &String| {
            let known = DOUBTS.iter().find(|(known, _)| known == name);
            known
                .map(|(_, doubt)| *doubt)
                .ok_or_else(|| self.unknown(name, &DOUBTS.map(|(known, _)| known)))
        };
        names.map(|names| names.iter().map(doubt).collect()).transpose()
    }

    fn unknown(&self, name: &str, known: &[&str]) -> RulesError {
        self.invalid(
            &format!("speaks of `{name}`, which does not exist"),
            &format!("use {}", known.join(", ")),
        )
    }

    fn invalid(&self, message: &str, remedy: &str) -> RulesError {
        RulesError::invalid(self.path, self.line, format!("the rule {message}"), remedy)
    }
}

/// Whether what a pattern finds in a text it finds, with lines for texts, in many of them as well: nothing in it asks for the
/// ends of all, or turns flags off.
fn is_the_same_by_line(pattern: &str) -> bool {
    let mut groups = pattern.split("(?").skip(1);
    let turns_off = |group: &str| {
        let flags = group.split(|character: char| !character.is_ascii_alphabetic()).next();
        let length = flags.map_or(0, str::len);
        group.get(length..).is_some_and(|rest| rest.starts_with('-'))
    };
    !["\\A", "\\z"].iter().any(|end| pattern.contains(end)) && !groups.any(turns_off)
}

const CLASSES: [OperandClass; 12] = [
    OperandClass::Root,
    OperandClass::System,
    OperandClass::Boot,
    OperandClass::Device,
    OperandClass::Mount,
    OperandClass::Home,
    OperandClass::Data,
    OperandClass::Tmp,
    OperandClass::Relative,
    OperandClass::Glob,
    OperandClass::Remote,
    OperandClass::Opaque,
];

const DOUBTS: [(&str, Doubt); 7] = [
    ("grammar", Doubt::Grammar),
    ("limit", Doubt::Limit),
    ("dialect", Doubt::Dialect),
    ("dynamic-program", Doubt::DynamicProgram),
    ("opaque", Doubt::Opaque),
    ("here-document", Doubt::HereDocument),
    ("unread", Doubt::Unread),
];
