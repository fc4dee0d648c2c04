//! Why a stream cannot be read.

use std::fmt::{self, Display, Formatter};

use super::frames::MAX_PACKET;

/// Whose stream it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The user's client.
    Client,
    /// The target.
    Target,
}

impl Display for Side {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Target => "target",
        })
    }
}

/// Why a stream cannot be read: what it is worth nobody can tell any more, so nothing of it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A packet is too long, or too short to be one.
    #[error("the {0} sent what is not SFTP: a packet of {1} bytes, where 5 to {MAX_PACKET} can be")]
    Length(Side, u32),
    /// The fields of a packet do not fit into it.
    #[error("the {0} sent what is not SFTP: a packet of type {1} whose fields do not fit")]
    Malformed(Side, u8),
    /// A packet has no place here.
    #[error("the {0} sent what is not SFTP version 3: a packet of type {1} out of place")]
    Unexpected(Side, u8),
    /// A version that is not understood.
    #[error("the target speaks version {0} of SFTP, and only version 3 can be read")]
    Version(u32),
    /// A request has the number of one that is not answered.
    #[error("the client gave two requests the number {0} at once")]
    Reused(u32),
    /// An answer to nothing.
    #[error("the target answered a request that nobody made, number {0}")]
    Unasked(u32),
    /// A handle that is open already, or is longer than it may be.
    #[error("the target gave a handle that it cannot give")]
    Handle,
}
