//! A syslog socket of this machine that takes datagrams, as `/dev/log` mostly does.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use crate::shipping::error::ShipError;

/// A connected socket. Sending waits while its receiver's queue is full.
pub(in crate::shipping) struct Datagrams(UnixDatagram);

impl Datagrams {
    pub(super) fn open(path: &Path, timeout: Duration) -> Result<Self, ShipError> {
        let connect = || {
            let socket = UnixDatagram::unbound()?;
            socket.connect(path)?;
            socket.set_write_timeout(Some(timeout))?;
            Ok(Self(socket))
        };
        connect().map_err(|source| ShipError::Open {
            place: path.display().to_string(),
            source,
        })
    }

    pub(super) fn send(&self, messages: &[String]) -> Result<(), ShipError> {
        for message in messages {
            self.0.send(message.as_bytes())?;
        }
        Ok(())
    }
}
