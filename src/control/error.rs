//! What can go wrong between those who ask and those who keep the record.

use std::io;
use std::path::PathBuf;

use crate::domain::printable_line;
use crate::store::StoreError;

/// Why something was not done, or the socket is not there.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon has this state directory.
    #[error("another opspilot answers in {}; stop that one first, or give each its own `server.state_dir`", dir.display())]
    Taken {
        /// The state directory.
        dir: PathBuf,
    },
    /// Something that is no socket has the socket's name.
    #[error("{} is in the way of the control socket and is none; move it elsewhere", path.display())]
    InTheWay {
        /// The file.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("cannot make the control socket {}: {source}; check `server.state_dir`, which may not be a long path", path.display())]
    Make {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket may not be used by this account.
    #[error("only root and the daemon's own account may ask at {}; run it as one of them", path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// The daemon was asked, and what came of it is not known.
    #[error("the daemon at {} did not answer ({source}); look whether it was done before asking again", path.display())]
    Unanswered {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The daemon's answer is not one that this program knows.
    #[error("the daemon at {} answered what this program does not know; both must be of one version: restart the daemon", path.display())]
    Misunderstood {
        /// The socket.
        path: PathBuf,
    },
    /// The request is longer than a daemon takes.
    #[error("that is too much to ask at once: {length} bytes, {limit} are taken")]
    TooLong {
        /// The request, bytes.
        length: usize,
        /// The most that are taken.
        limit: usize,
    },
    /// It was not done.
    #[error("{}", printable_line(.0))]
    Refused(String),
    /// No daemon serves, and the record cannot be opened here.
    #[error(transparent)]
    Record(#[from] StoreError),
    /// No daemon serves, and nothing can be done in this process.
    #[error("cannot do it here: {0}")]
    Here(io::Error),
}
