//! What goes between the daemon and a supervisor: an order for a new worker, and the socket of that worker.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg, socketpair,
};

/// What stands for an order, and comes with a socket.
const MARK: &[u8] = b"w";
/// Most bytes that a supervisor says of why there is no worker.
const MAX_REASON: usize = 512;

/// What came of an order.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The socket of a new worker.
    Worker(OwnedFd),
    /// Why there is none.
    Failed(String),
    /// Nobody delivers any more.
    Gone,
}

/// A pair of connected sockets that keep messages apart; neither is inherited by programs that are run.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Orders a worker in the place of the last one.
pub(super) fn order(supervisor: impl AsFd) -> io::Result<()> {
    send(supervisor, MARK, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Awaits an order; `false` if there will be no more.
pub(super) fn await_order(daemon: impl AsFd) -> io::Result<bool> {
    let (length, _) = rustix::io::retry_on_intr(|| recv(daemon.as_fd(), &mut [0_u8; 1], RecvFlags::empty()))?;
    Ok(length > 0)
}

/// Delivers a worker by its socket.
pub(super) fn deliver(daemon: impl AsFd, worker: BorrowedFd<'_>) -> io::Result<()> {
    let sockets = [worker];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&sockets));
    sendmsg(daemon, &[IoSlice::new(MARK)], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Says why there is no worker.
pub(super) fn report(daemon: impl AsFd, reason: &str) -> io::Result<()> {
    let bytes = reason.as_bytes();
    send(daemon, bytes.get(..MAX_REASON).unwrap_or(bytes), SendFlags::NOSIGNAL)?;
    Ok(())
}

/// What came of the order, by one call that may return early where the socket's time is limited.
pub(super) fn receive(supervisor: impl AsFd) -> io::Result<Delivery> {
    let mut bytes = [0; MAX_REASON];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(&mut bytes)];
    let received = match recvmsg(supervisor, parts, &mut rights, RecvFlags::CMSG_CLOEXEC) {
        // It ended with an order unread.
        Err(Errno::CONNRESET) => return Ok(Delivery::Gone),
        received => received?,
    };
    let sockets = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(sockets) => Some(sockets),
        _ => None,
    });
    let socket = sockets.flatten().next();
    Ok(match (socket, received.bytes) {
        (Some(socket), _) => Delivery::Worker(socket),
        (None, 0) => Delivery::Gone,
        (None, length) => {
            let reason = bytes.get(..length).unwrap_or_default();
            Delivery::Failed(String::from_utf8_lossy(reason).into_owned())
        }
    })
}
