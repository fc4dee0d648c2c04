//! What would be made of a command, without anything of it on record or on its way.

use crate::command::{self, Transfer};
use crate::domain::{Access, Channel, Dialect, Exactness, Name, SessionId};
use crate::policy::Verdict;
use crate::risk::Assessment;

use super::Gate;
use super::case::Case;
use super::intercept::{Request, Session, Submission};

/// What would be made of an exec request.
#[derive(Debug)]
pub struct Preview {
    /// The login that it would run as.
    pub login: String,
    /// The channel that it would go through.
    pub channel: Channel,
    /// What scoring says; `None` where there is nothing to score, as for file transfer.
    pub assessment: Option<Assessment>,
    /// What the policy makes of that.
    pub verdict: Verdict,
}

impl Gate {
    /// What would be made of `command` if `user` sent it to `target` now, as an exec request without a terminal, with the history and
    /// the snapshot of this moment. `None` where the user may not reach the target with that login, or there is none.
    ///
    /// Parses and scores: call it outside asynchronous code.
    pub fn preview(&self, user: &Name, target: &Name, login: Option<&str>, command: &str) -> Option<Preview> {
        let engine = self.engine();
        let login = engine.admit(user, target, login)?;
        let (channel, submission) = submission(command);
        let session = Session {
            id: SessionId::new(),
            user: user.clone(),
            target: target.clone(),
            login: login.clone(),
            host_key: None,
        };
        let request = Request {
            session,
            channel,
            submission,
            cwd: None,
            parent: None,
        };
        let case = Case::assess(engine, &self.store, request, self.hosts.last(target))?;
        Some(Preview {
            login,
            channel,
            verdict: case.verdict.clone(),
            assessment: case.into_assessment(),
        })
    }
}

/// As the gateway takes an exec request.
fn submission(command: &str) -> (Channel, Submission) {
    let script = command::parse(command, Dialect::Bash);
    let bytes = command.as_bytes().to_vec();
    if command::serves_sftp(&script) {
        let access = Access::Channel {
            verb: "exec",
            name: script.text,
        };
        return (Channel::Sftp, Submission::Access { access, bytes });
    }
    match command::transfer(&script) {
        Some(Transfer { channel, touches }) => (channel, Submission::Transfer { bytes, touches }),
        None => (
            Channel::Exec,
            Submission::Command {
                bytes,
                dialect: Dialect::Bash,
                exactness: Exactness::Exact,
                aliases: Vec::new(),
            },
        ),
    }
}
