//! What can go wrong on the way to a place.

use std::io;

use crate::domain::Panicked;
use crate::store::StoreError;

/// Why events could not be sent. All of it is tried again.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShipError {
    /// The record could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place cannot be reached or opened.
    #[error("cannot open {place}: {source}")]
    Open {
        /// Where.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// The file is not one.
    #[error("{0} is no regular file: name one, or move what is there")]
    NotAFile(String),
    /// TLS cannot be set up.
    #[error("cannot speak TLS: {0}; check ca_file and server_name")]
    Tls(#[from] rustls::Error),
    /// It took nothing for too long, or failed while it was sent to.
    #[error("sending failed: {0}")]
    Send(#[from] io::Error),
    /// There is a defect in it.
    #[error(transparent)]
    Panicked(#[from] Panicked),
    /// The other side ended the connection.
    #[error("the other side has closed the connection")]
    Closed,
    /// The other side did not close its side in time, so it is not known what it has read.
    #[error("the other side does not say that it has read everything: it must close when it reads the end")]
    Unsettled,
}
