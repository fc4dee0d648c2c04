//! What the console can be asked, the same words in the menu and as an exec.

use crate::domain::{CommandId, Rating, printable_line};

/// Commands of the history that are shown where no number is given.
const HISTORY: u32 = 20;
/// Commands of the history at most.
const MAX_HISTORY: u32 = 1_000;

/// What `help` says.
pub(super) const HELP: &str = "\
targets [TEXT]  the targets that you may reach; all words of TEXT must match
history [N]     your own last commands, newest first
confirm CODE    let the command that waits for CODE run
feedback ID N [TEXT]
                say how your command ID turned out, from 1 (it did harm) to 5 (all was well)
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
    /// Say how a command turned out.
    Feedback(Rated),
    /// Who one is.
    WhoAmI,
    /// What the console can be asked.
    Help,
    /// Leave.
    Exit,
}

/// What somebody says of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rated {
    /// The command.
    pub id: CommandId,
    /// How it turned out.
    pub rating: Rating,
    /// What they say besides; empty for nothing.
    pub text: String,
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
    /// `feedback` without a command and a rating.
    #[error("say which, and how it was: feedback ID N [TEXT], with N from 1 (it did harm) to 5 (all was well)")]
    Feedback,
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
            "feedback" => rated(&rest).map(Self::Feedback).ok_or(WordsError::Feedback),
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

fn rated(words: &[&str]) -> Option<Rated> {
    let [id, rating, text @ ..] = words else { return None };
    Some(Rated {
        id: CommandId(id.parse().ok()?),
        rating: rating.parse().ok()?,
        text: text.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feedback(id: i64, rating: u8, text: &str) -> Words {
        Words::Feedback(Rated {
            id: CommandId(id),
            rating: rating.try_into().unwrap(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn commands_are_read_with_what_they_take() {
        for (line, expected) in [
            ("", Words::Help),
            (" targets  web   prod ", Words::Targets("web prod".to_owned())),
            ("history", Words::History(HISTORY)),
            ("history 3", Words::History(3)),
            ("confirm 7K3QXM", Words::Confirm("7K3QXM".to_owned())),
            ("feedback 12 2", feedback(12, 2, "")),
            ("feedback 12 5 all  is well", feedback(12, 5, "all is well")),
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
            ("feedback", WordsError::Feedback),
            ("feedback 12", WordsError::Feedback),
            ("feedback 12 0", WordsError::Feedback),
            ("feedback 12 6 good", WordsError::Feedback),
            ("feedback 12 good", WordsError::Feedback),
            ("feedback twelve 3", WordsError::Feedback),
            ("feedback 99999999999999999999 3", WordsError::Feedback),
            ("whoami now", WordsError::TooMany("whoami")),
        ] {
            assert_eq!(Words::parse(line), Err(expected), "{line:?}");
        }
    }
}
