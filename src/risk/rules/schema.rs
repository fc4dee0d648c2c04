//! The language of rule files.
//!
//! ```toml
//! [exceptions.help]                     # a condition with a name, for `unless`
//! flags = ["help|version"]
//!
//! [[rule]]
//! id = "fs.remove-root"
//! family = "filesystem"
//! level = "critical"
//! sentence = "Deletes the whole file system."
//! when = [{ program = ["rm"], flags = ["r|R|rec*"], operands = ["root"] }]   # one of these must hold
//! except = [{ operand = '^\./' }]       # none of these may
//! unless = ["help"]                     # nor of these, by name
//! match = ["rm -rf /"]                  # examples, which are checked
//! no_match = ["rm -rf ./build"]
//!
//! [[override]]                          # in a later file
//! id = "fs.remove-root"
//! level = "high"                        # or: off = true
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::condition::Condition;
use super::error::RulesError;
use crate::domain::Level;

/// A file of rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleFile {
    #[serde(default)]
    pub(super) exceptions: BTreeMap<String, ConditionEntry>,
    #[serde(default, rename = "rule")]
    pub(super) rules: Vec<RuleEntry>,
    #[serde(default, rename = "override")]
    pub(super) overrides: Vec<OverrideEntry>,
}

/// `[[rule]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleEntry {
    pub(super) id: Spanned<String>,
    pub(super) family: String,
    pub(super) level: Level,
    pub(super) sentence: String,
    pub(super) when: Vec<ConditionEntry>,
    #[serde(default)]
    pub(super) except: Vec<ConditionEntry>,
    #[serde(default)]
    pub(super) unless: Vec<String>,
    #[serde(rename = "match")]
    pub(super) matches: Vec<String>,
    pub(super) no_match: Vec<String>,
}

/// `[[override]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OverrideEntry {
    pub(super) id: Spanned<String>,
    pub(super) level: Option<Level>,
    #[serde(default)]
    pub(super) off: bool,
}

/// What must hold of one simple command, or, with `text` and `doubt` alone, of the whole text. All that is given must hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionEntry {
    /// The program's base name is one of these; `*` stands for any run of characters.
    pub(super) program: Option<Vec<String>>,
    /// No rule speaks of the program by name (`true`), or some rule does (`false`).
    pub(super) unnamed: Option<bool>,
    /// The subcommand is one of these: words in a row (`"volume rm|prune"`), flags and their values between them aside.
    pub(super) sub: Option<Vec<String>>,
    /// Every one of these flags is given: `"r|R|recursive"`; one letter is also found in a cluster (`-rf`).
    pub(super) flags: Option<Vec<String>>,
    /// Some operand is of one of these classes.
    pub(super) operands: Option<Vec<String>>,
    /// There are operands, and every one is of one of these classes.
    pub(super) only: Option<Vec<String>>,
    /// Some operand matches this regular expression.
    pub(super) operand: Option<String>,
    /// There are operands, and every one matches this regular expression.
    pub(super) every: Option<String>,
    /// The words, with the program's base name first and joined by single blanks, match this regular expression.
    pub(super) words: Option<String>,
    /// Some file that is written by redirection matches this regular expression.
    pub(super) redirect: Option<String>,
    /// Some file that is written by redirection is of one of these classes.
    pub(super) redirect_to: Option<Vec<String>>,
    /// An earlier stage of the pipeline is one of these programs.
    pub(super) after: Option<Vec<String>>,
    /// A later stage of the pipeline is one of these programs.
    pub(super) before: Option<Vec<String>>,
    /// It is run by one of these wrappers or interpreters.
    pub(super) via: Option<Vec<String>>,
    /// Some assignment before the program, written `NAME=value`, matches this regular expression.
    pub(super) assign: Option<String>,
    /// Some word is written so that it hides what it is.
    pub(super) disguised: Option<bool>,
    /// The whole raw text matches this regular expression.
    pub(super) text: Option<String>,
    /// The parser had one of these doubts.
    pub(super) doubt: Option<Vec<String>>,
}

impl RuleFile {
    pub(super) fn parse(path: &str, text: &str) -> Result<Self, RulesError> {
        toml::from_str(text).map_err(|error| RulesError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line(text, span.start)),
            message: error.message().to_owned(),
        })
    }
}

impl RuleEntry {
    pub(super) fn validate(&self, path: &str, at: usize) -> Result<(), RulesError> {
        let id = self.id.get_ref();
        let fault =
            |message: &str, remedy: &str| Err(RulesError::invalid(path, at, format!("rule `{id}` {message}"), remedy));
        let well_formed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        if id.is_empty() || !id.chars().all(well_formed) {
            return fault("has an id that is not well formed", "use a-z, 0-9, `.` and `-`");
        }
        if self.sentence.trim().is_empty() || self.sentence.chars().any(char::is_control) {
            return fault(
                "has no sentence",
                "say in one line of plain words what the command does",
            );
        }
        if self.when.is_empty() {
            return fault("can never match", "give it at least one condition in `when`");
        }
        Ok(())
    }
}

impl ConditionEntry {
    /// The condition of the exception `name`.
    pub(super) fn compile(&self, name: &str, path: &str, text: &str) -> Result<Condition, RulesError> {
        let header = text.find(&format!("[exceptions.{name}]"));
        let at = header.map_or(1, |place| line(text, place));
        Condition::compile(self, path, at)
    }
}

/// The line, from 1, on which a byte stands.
pub(super) fn line(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
