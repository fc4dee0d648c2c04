//! A syslog socket of this machine that takes datagrams, as `/dev/log` mostly does.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use super::Message;
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

    pub(super) fn send(&self, messages: &[Message]) -> Result<(), ShipError> {
        messages.iter().try_for_each(|message| self.send_one(message))?;
        Ok(())
    }

    /// One that is longer than the system lets through would otherwise be tried for ever, with all behind it.
    fn send_one(&self, message: &Message) -> io::Result<()> {
        match (self.0.send(message.whole.as_bytes()), &message.bare) {
            (Err(error), Some(bare)) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => {
                self.0.send(bare.as_bytes()).map(drop)
            }
            (sent, _) => sent.map(drop),
        }
    }
}
