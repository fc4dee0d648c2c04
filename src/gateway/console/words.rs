//! What the console can be asked, the same words in the menu and as an exec.

use crate::domain::printable_line;

/// Commands of the history that are shown where no number is given.
const HISTORY: u32 = 20;
/// Commands of the history at most.
const MAX_HISTORY: u32 = 1_000;

/// What `help` says.
pub(super) const HELP: &str = "\
targets [TEXT]  the targets that you may reach; all words of TEXT must match
history [N]     your own last commands, newest first
confirm CODE    let the command that waits for CODE run
whoami          who you are
help            this page
exit            leave
";

/// A command of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Words {
    /// The targets that match a search.
    Targets(String),
    /// So many of one's own last commands.
    History(u32),
    /// Let the command run that waits for this code.
    Confirm(String),
    /// Who one is.
    WhoAmI,
    /// What the console can be asked.
    Help,
    /// Leave.
    Exit,
}

/// Why a line is no command of the console.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WordsError {
    /// Its first word is none.
    #[error("`{}` is not a console command; try help", printable_line(.0))]
    Unknown(String),
    /// `confirm` without a code, or with more than that.
    #[error("say which: confirm CODE")]
    Confirm,
    /// `history` with anything but a number.
    #[error("say how many: history N, with N from 1 to {MAX_HISTORY}")]
    History,
    /// Words behind a command that takes none.
    #[error("`{0}` takes no words behind it; try help")]
    TooMany(&'static str),
}

impl Words {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Result<Self, WordsError> {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or("help");
        let rest: Vec<&str> = words.collect();
        let alone = |name, command| match rest.as_slice() {
            [] => Ok(command),
            _ => Err(WordsError::TooMany(name)),
        };
        match first {
            "targets" => Ok(Self::Targets(rest.join(" "))),
            "history" => how_many(&rest).map(Self::History).ok_or(WordsError::History),
            "confirm" => match rest.as_slice() {
                [code] => Ok(Self::Confirm((*code).to_owned())),
                _ => Err(WordsError::Confirm),
            },
            "whoami" => alone("whoami", Self::WhoAmI),
            "help" => alone("help", Self::Help),
            "exit" | "quit" => alone("exit", Self::Exit),
            other => Err(WordsError::Unknown(other.to_owned())),
        }
    }
}

fn how_many(words: &[&str]) -> Option<u32> {
    match words {
        [] => Some(HISTORY),
        [number] => number.parse().ok().filter(|number| (1..=MAX_HISTORY).contains(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_what_they_take() {
        for (line, expected) in [
            ("", Words::Help),
            (" targets  web   prod ", Words::Targets("web prod".to_owned())),
            ("history", Words::History(HISTORY)),
            ("history 3", Words::History(3)),
            ("confirm 7K3QXM", Words::Confirm("7K3QXM".to_owned())),
            ("whoami", Words::WhoAmI),
            ("quit", Words::Exit),
        ] {
            assert_eq!(Words::parse(line), Ok(expected), "{line:?}");
        }
    }

    #[test]
    fn what_is_not_a_command_says_what_is() {
        for (line, expected) in [
            ("id; targets", WordsError::Unknown("id;".to_owned())),
            ("confirm", WordsError::Confirm),
            ("confirm A B", WordsError::Confirm),
            ("history 0", WordsError::History),
            ("history -1", WordsError::History),
            ("history 1001", WordsError::History),
            ("whoami now", WordsError::TooMany("whoami")),
        ] {
            assert_eq!(Words::parse(line), Err(expected), "{line:?}");
        }
    }
}
