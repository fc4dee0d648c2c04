//! What can go wrong with a recording, and what to do about it.

use std::io;
use std::path::PathBuf;

/// A fault of a recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file or its directory cannot be made.
    #[error("cannot make the recording {}: {source}; see to its directory and to the room on its disk", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the recording {}: {source}; run as the user who owns it", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The name that is on record leads elsewhere.
    #[error("the record names {} as a recording, which is not below store.recordings: somebody has changed it", .0.display())]
    Astray(PathBuf),
    /// The file is not what it should be.
    #[error("{} is not a recording of opspilot, or is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
}
