//! Whether a line may take the barrier out of a shell's prompts.

use crate::command::{SimpleCommand, parse};
use crate::domain::Dialect;

/// What a line may do to the prompts, which hold the barrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stake {
    Nothing,
    /// It sets them and does nothing else: the shell is at a prompt again at once.
    Assigned,
    /// It names them, runs what is not seen in the shell itself, or puts another program in its place.
    Unclear,
}

pub(super) fn prompts_at_stake(text: &str) -> Stake {
    let names_prompt = |text: &str| ["PS1", "PS2"].iter().any(|name| text.contains(name));
    let script = parse(text, Dialect::Sh);
    let only_assigns = |command: &SimpleCommand| {
        command.words.is_empty()
            && command.redirections.is_empty()
            && command.assignments.iter().all(|it| it.value.constant)
    };
    if names_prompt(text) && script.understood() && script.commands.iter().all(only_assigns) {
        return Stake::Assigned;
    }
    let may_hide_more = |command: &SimpleCommand| {
        let first = command.words.first().map(|word| word.text.as_str());
        matches!(first, Some("exec" | "eval" | "." | "source"))
    };
    if names_prompt(text) || script.commands.iter().any(may_hide_more) {
        return Stake::Unclear;
    }
    Stake::Nothing
}
