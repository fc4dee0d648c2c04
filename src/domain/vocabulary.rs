//! Closed vocabularies, each with the one spelling that config, columns, JSON and messages share.

use serde::{Deserialize, Serialize};

/// A word that is not in the vocabulary it was looked up in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of {expected}")]
pub struct ParseWordError {
    word: String,
    expected: String,
}

/// Declares an enum whose variants have one fixed spelling, for `Display`, `FromStr` and serde alike.
macro_rules! vocabulary {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum $name {
            $($(#[$variant_meta])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word of the vocabulary, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word as config, columns and JSON spell it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = ParseWordError;

            fn from_str(word: &str) -> Result<Self, ParseWordError> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word).ok_or_else(|| ParseWordError {
                    word: word.to_owned(),
                    expected: Self::ALL.iter().map(|known| known.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

vocabulary! {
    /// How dangerous a command is judged to be; also the forest's classes, in this order.
    Level {
        /// Reads, or changes nothing that matters.
        Low = "low",
        /// Changes something that is easily put back.
        Medium = "medium",
        /// Changes or loses something that is hard to put back.
        High = "high",
        /// Irreversible loss, outage, or a way around the bastion.
        Critical = "critical",
    }
}

vocabulary! {
    /// What the policy makes of an assessment.
    Decision {
        /// Run without a word.
        Allow = "allow",
        /// Run, and say what was seen.
        Warn = "warn",
        /// Ask the user first.
        Confirm = "confirm",
        /// Do not run.
        Deny = "deny",
    }
}

vocabulary! {
    /// What a command did, by the evidence.
    Impact {
        /// Nothing was seen to change for the worse.
        None = "none",
        /// It failed, or changed little.
        Minor = "minor",
        /// Something that people notice.
        Moderate = "moderate",
        /// An outage or a loss.
        Severe = "severe",
    }
}

vocabulary! {
    /// A way in which something reaches a target; what a policy's `channels` lists.
    Channel {
        /// An interactive shell.
        Shell = "shell",
        /// One exec request.
        Exec = "exec",
        /// The SFTP subsystem.
        Sftp = "sftp",
        /// An scp transfer.
        Scp = "scp",
        /// An rsync transfer.
        Rsync = "rsync",
        /// A git transfer.
        Git = "git",
        /// Any port or socket forward.
        Forward = "forward",
        /// `ssh -L` and `-D`.
        LocalForward = "local-forward",
        /// `ssh -R`.
        RemoteForward = "remote-forward",
        /// Agent forwarding.
        Agent = "agent",
        /// X11 forwarding.
        X11 = "x11",
        /// Environment variables beyond `server.accept_env`.
        Env = "env",
    }
}

vocabulary! {
    /// What is done to a file without a command; what `ops` of a policy's `files` lists.
    FileOperation {
        /// It is opened for reading.
        Read = "read",
        /// It is opened for writing.
        Write = "write",
        /// It is removed.
        Remove = "remove",
        /// It gets another path.
        Rename = "rename",
        /// Its attributes are set: permissions, owner, times, size.
        Setstat = "setstat",
        /// A directory is made.
        Mkdir = "mkdir",
        /// A directory is removed.
        Rmdir = "rmdir",
        /// A symbolic or a hard link to it is made.
        Link = "link",
    }
}

vocabulary! {
    /// How surely a recorded line is the line that the shell ran.
    Exactness {
        /// The very bytes.
        Exact = "exact",
        /// Read off the screen.
        Screen = "screen",
        /// Not known.
        Unknown = "unknown",
    }
}

vocabulary! {
    /// Where a command stands in its life.
    State {
        /// Recorded; the user is being asked.
        Held = "held",
        /// The policy said no.
        Denied = "denied",
        /// The user said no.
        Refused = "refused",
        /// Nobody answered in time.
        Expired = "expired",
        /// The session ended before an answer.
        Abandoned = "abandoned",
        /// Sent to the target.
        Running = "running",
        /// Ended, and its end was seen.
        Finished = "finished",
        /// Its end was not seen.
        Interrupted = "interrupted",
    }
}

vocabulary! {
    /// Through what a question was answered.
    AnswerChannel {
        /// In the session's own terminal.
        Terminal = "terminal",
        /// The code, as the first line of standard input.
        Stdin = "stdin",
        /// `confirm CODE` at the console.
        Console = "console",
        /// The HTTP API.
        Http = "http",
    }
}

vocabulary! {
    /// What a token may be used for over HTTP.
    Scope {
        /// Ask what would be made of a command.
        Ask = "ask",
        /// Say how a command turned out, and answer one that waits.
        Feedback = "feedback",
        /// See commands, sessions, recordings and the numbers about them.
        Read = "read",
        /// Take rows of the record away.
        Export = "export",
        /// Have a model trained.
        Train = "train",
        /// See the daemon's own counters.
        Metrics = "metrics",
    }
}

vocabulary! {
    /// The shell language that a line is written in.
    Dialect {
        /// GNU bash.
        Bash = "bash",
        /// POSIX sh: dash, ash, mksh.
        Sh = "sh",
        /// zsh.
        Zsh = "zsh",
        /// fish.
        Fish = "fish",
    }
}

impl Level {
    /// The level's place, 0 for low to 3 for critical: the forest's class number.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The level one step up; critical stays critical.
    #[must_use]
    pub fn raised(self) -> Self {
        Self::ALL[(self.index() + 1).min(Self::ALL.len() - 1)]
    }

    /// The level one step down; low stays low.
    #[must_use]
    pub fn lowered(self) -> Self {
        Self::ALL[self.index().saturating_sub(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back_as_what_they_were() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(*level));
        }
        assert!("HIGH".parse::<Level>().is_err(), "one spelling only");
    }

    #[test]
    fn levels_are_ordered_and_saturate() {
        assert!(Level::Low < Level::Critical);
        assert_eq!(Level::Critical.raised(), Level::Critical);
        assert_eq!(Level::Low.lowered(), Level::Low);
        assert_eq!(Level::Medium.raised(), Level::High);
    }

    #[test]
    fn an_unknown_word_names_the_known_ones() {
        let error = "sometimes".parse::<Decision>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`sometimes` is not one of allow, warn, confirm, deny"
        );
    }
}
