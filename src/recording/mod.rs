//! Recordings of terminals: asciicast version 2, compressed with zstd, one file a channel.
//!
//! [`begin`] makes the file and gives a [`Recorder`], through whose bounded queue everything that the user is shown goes to a
//! thread of its own, and a [`Watch`] that tells how it ended. Nothing is dropped: a full queue makes the asker wait, and
//! what cannot be written is an error. Only what is shown is recorded, never what is typed. [`Player`] reads a recording,
//! also one that is still being written or was cut off, and [`Tame`] makes what is in it safe for another terminal.

mod cast;
mod error;
mod file;
mod player;
mod recorder;
mod seal;
mod tame;
mod utf8;

pub use cast::{Action, Event, Header, marker};
pub use error::RecordingError;
pub use file::{file_name, locate};
pub use player::Player;
pub use recorder::{Closed, Progress, Recorder, Watch, Written, begin};
pub use seal::{Unsealed, check, remove, seal};
pub use tame::Tame;
