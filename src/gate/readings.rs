//! How a submission reads, which may be in several ways: each is scored, and the gravest counts. Pure.

use std::collections::BTreeMap;

use crate::command::{self, Script};
use crate::domain::{Dialect, Exactness};
use crate::risk::{Assessment, Circumstances};

use super::engine::Engine;
use super::intercept::Submission;

/// What scoring says of a submission, and the programs that its exit code may come from; `None` where it is not known what
/// runs. The `circumstances` are those of the reading that is shown.
pub(super) fn assess<'c>(
    submission: &Submission,
    engine: &Engine,
    circumstances: impl FnOnce(&Script) -> Circumstances<'c>,
) -> Option<(Assessment, Vec<String>)> {
    let mut readings = readings(submission);
    let shown = readings.next()?;
    let circumstances = circumstances(&shown);
    let assess = |script: &Script| engine.assess(script, &circumstances);
    let gravest = readings.fold(assess(&shown), |gravest, other| graver(gravest, assess(&other)));
    let marked = marked_as_cut(gravest, &shown, submission);
    let assessment = with_aliases(marked, &shown, aliases(submission), assess);
    Some((assessment, last_programs(&shown)))
}

/// The parses of a known command: as it is shown, then what else it may be, or holds. None where what runs is not known.
fn readings(submission: &Submission) -> Box<dyn Iterator<Item = Script> + '_> {
    let parsed = |bytes: &[u8], dialect| command::parse(&String::from_utf8_lossy(bytes), dialect);
    match submission {
        Submission::Command {
            bytes,
            dialect,
            exactness,
            ..
        } if *exactness != Exactness::Unknown => Box::new(std::iter::once(parsed(bytes, *dialect))),
        Submission::Ran { bytes, dialect } if !bytes.is_empty() => Box::new(std::iter::once(parsed(bytes, *dialect))),
        // Where the shell that reads it is not known, it is judged as each would read it.
        Submission::AnyShell { bytes } => {
            let dialects = [Dialect::Bash, Dialect::Zsh, Dialect::Fish].into_iter();
            Box::new(dialects.map(move |dialect| parsed(bytes, dialect)))
        }
        Submission::Transfer { bytes, .. } => Box::new(std::iter::once(parsed(bytes, Dialect::Bash))),
        Submission::Text { bytes, interpreted } => {
            let lines = interpreted.command_lines(String::from_utf8_lossy(bytes));
            Box::new(lines.map(|line| command::parse(&line, Dialect::Bash)))
        }
        Submission::Command { .. } | Submission::Ran { .. } | Submission::Opaque { .. } | Submission::Access { .. } => {
            Box::new(std::iter::empty())
        }
    }
}

/// Says behind the text that is shown how much more of it there is.
fn marked_as_cut(assessment: Assessment, shown: &Script, submission: &Submission) -> Assessment {
    let Submission::Text { bytes, .. } = submission else {
        return assessment;
    };
    match bytes.len().checked_sub(shown.text.len()) {
        None | Some(0) => assessment,
        Some(more) => Assessment {
            redacted: format!(
                "{} # and about {more} bytes more, judged and not kept",
                assessment.redacted
            )
            .into(),
            ..assessment
        },
    }
}

/// The graver of what is said of a line as it stands, and as it reads without its aliases.
fn with_aliases(
    plain: Assessment,
    script: &Script,
    aliases: &[(String, String)],
    assess: impl Fn(&Script) -> Assessment,
) -> Assessment {
    let Some(text) = command::expand_aliases(script, aliases) else {
        return plain;
    };
    graver(plain, assess(&command::parse(&text, script.dialect)))
}

/// The graver of two assessments of one line, which is shown as the first has it.
fn graver(plain: Assessment, other: Assessment) -> Assessment {
    if (other.level, other.score) <= (plain.level, plain.score) {
        return plain;
    }
    Assessment {
        redacted: plain.redacted,
        pattern: plain.pattern,
        ..other
    }
}

/// The aliases of a line, without their secrets.
pub(super) fn redacted_aliases(submission: &Submission) -> BTreeMap<String, String> {
    let redacted = |value: &str| command::redact(&command::parse(value, Dialect::Bash));
    aliases(submission)
        .iter()
        .map(|(name, value)| (name.clone(), redacted(value)))
        .collect()
}

fn aliases(submission: &Submission) -> &[(String, String)] {
    match submission {
        Submission::Command { aliases, .. } => aliases,
        _ => &[],
    }
}

/// The programs of the last pipeline: those that the exit code may come from.
fn last_programs(script: &Script) -> Vec<String> {
    let last = script.commands.iter().map(|command| command.pipeline).max();
    let of_last = script.commands.iter().filter(|command| Some(command.pipeline) == last);
    of_last
        .filter_map(|command| command.program())
        .map(str::to_owned)
        .collect()
}
