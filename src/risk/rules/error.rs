//! What can be wrong with a file of rules.

/// A fault in a file of rules, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// Not TOML, a key that does not exist, a value of the wrong kind.
    #[error("{path}:{line}: {message}")]
    Syntax {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What the TOML reader says.
        message: String,
    },
    /// A rule that makes no sense.
    #[error("{path}:{line}: {message}; {remedy}")]
    Invalid {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// What to do.
        remedy: String,
    },
}

impl RulesError {
    pub(super) fn invalid(path: &str, line: usize, message: String, remedy: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.to_owned(),
            line,
            message,
            remedy: remedy.into(),
        }
    }

    pub(super) fn duplicate(path: &str, line: usize, id: &str) -> Self {
        let message = format!("there is already a rule `{id}`");
        Self::invalid(
            path,
            line,
            message,
            "choose another id, or change the rule with [[override]]",
        )
    }

    pub(super) fn unknown_exception(path: &str, line: usize, name: &str) -> Self {
        let message = format!("there is no exception `{name}`");
        Self::invalid(
            path,
            line,
            message,
            format!("write [exceptions.{name}] above, or correct the name"),
        )
    }

    pub(super) fn unknown_rule(path: &str, line: usize, id: &str) -> Self {
        let message = format!("there is no rule `{id}` to override");
        Self::invalid(
            path,
            line,
            message,
            "correct the id, or list this file after the one that has the rule",
        )
    }

    pub(super) fn override_unclear(path: &str, line: usize, id: &str) -> Self {
        let message = format!("the override of `{id}` must do one thing");
        Self::invalid(path, line, message, "give either `off = true` or `level = \"...\"`")
    }
}
