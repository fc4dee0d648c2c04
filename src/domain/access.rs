//! What a channel does without running a command.

use std::fmt::{self, Display, Formatter};

use super::FileOperation;

/// Something that reaches a target and runs no command there, so that there is nothing to score. It is shown and recorded as a
/// line of words quoted as a POSIX shell would want them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A channel as a whole: `subsystem sftp`, `forward agent`.
    Channel {
        /// What is done: `subsystem`, `forward`.
        verb: &'static str,
        /// With what.
        name: String,
    },
    /// One operation on a file.
    File {
        /// What is done to it.
        operation: FileOperation,
        /// The path, as the target is given it.
        path: String,
        /// The second path of a rename or a link.
        second_path: Option<String>,
        /// What it comes to for the files of the target: what a policy's `files` decide about.
        touches: Vec<Touch>,
    },
    /// One connection through the target, or to the user from there.
    Forward {
        /// `connect` to it, `listen` on it, or `accept` a connection to what was listened on.
        verb: &'static str,
        /// `host:port`, or the path of a socket.
        address: String,
        /// Where an accepted connection comes from, by the target's account.
        from: Option<String>,
    },
}

/// What is done to one path of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// What is done.
    pub operation: FileOperation,
    /// Absolute, without `.`, `..` and empty parts; `None` where it cannot be known, and so may be any.
    pub path: Option<String>,
    /// Whether everything below the path may be meant too.
    pub with_all_below: bool,
}

impl Touch {
    /// One that means the path alone.
    #[must_use]
    pub fn of(operation: FileOperation, path: Option<String>) -> Self {
        Self {
            operation,
            path,
            with_all_below: false,
        }
    }

    /// One that may mean everything below the path too.
    #[must_use]
    pub fn of_tree(operation: FileOperation, path: Option<String>) -> Self {
        Self {
            with_all_below: true,
            ..Self::of(operation, path)
        }
    }
}

impl Display for Access {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel { verb, name } => write!(f, "{verb} {}", quoted(name)),
            Self::Forward {
                verb,
                address,
                from: None,
            } => write!(f, "{verb} {}", quoted(address)),
            Self::Forward {
                verb,
                address,
                from: Some(from),
            } => write!(f, "{verb} {} from {}", quoted(address), quoted(from)),
            Self::File {
                operation,
                path,
                second_path,
                touches: _,
            } => {
                write!(f, "{} {}", operation.as_str(), quoted(path))?;
                match second_path {
                    Some(second) => write!(f, " {}", quoted(second)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// A word as a POSIX shell reads it back.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-[]".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(operation: FileOperation, path: &str, second_path: Option<&str>) -> String {
        let (path, second_path) = (path.to_owned(), second_path.map(str::to_owned));
        Access::File {
            operation,
            path,
            second_path,
            touches: Vec::new(),
        }
        .to_string()
    }

    #[test]
    fn reads_as_a_line_of_words() {
        assert_eq!(file(FileOperation::Write, "/etc/hosts", None), "write /etc/hosts");
        assert_eq!(file(FileOperation::Rename, "a b", Some("c")), "rename 'a b' c");
        assert_eq!(
            file(FileOperation::Remove, "it's; $(x)", None),
            r"remove 'it'\''s; $(x)'"
        );
        assert_eq!(file(FileOperation::Read, "", None), "read ''");
        let forward = |from: Option<&str>| Access::Forward {
            verb: "accept",
            address: "localhost:8080".to_owned(),
            from: from.map(str::to_owned),
        };
        assert_eq!(forward(None).to_string(), "accept localhost:8080");
        assert_eq!(
            forward(Some("[::1]:4000")).to_string(),
            "accept localhost:8080 from [::1]:4000"
        );
    }
}
