//! A syslog server on a stream: TCP, TLS over it, or a socket of this machine.
//!
//! Syslog has no answers, and what the kernel took the server need not have read. So what was sent counts as taken only when
//! the server has closed its side after ours: it can have read the end only after all that came before. A server that ends
//! with something unread makes the kernel reset the connection instead, and then everything is sent again. Where it closed by
//! itself while something was on its way, the reset comes behind its end; so that is waited for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::sockopt::{self, Timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustls::crypto::ring;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::config::{Address, Tls};
use crate::shipping::error::ShipError;

/// What is read at once of what a server says, which is nothing that matters.
const IGNORED: usize = 4096;

/// How long a reset may take to follow an end, at least and at most; and in between, how often the time that connecting took.
const LEAST_GRACE: Duration = Duration::from_millis(100);
const MOST_GRACE: Duration = Duration::from_secs(2);
const ROUND_TRIPS: u32 = 4;

/// A connection, how long it may stand still, and how long a reset may take.
pub(in crate::shipping) struct Stream {
    wire: Wire,
    timeout: Duration,
    grace: Duration,
}

enum Wire {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn tcp(address: &Address, timeout: Duration) -> Result<Self, ShipError> {
        let (socket, grace) = connect(address, timeout)?;
        Ok(Self {
            wire: Wire::Tcp(socket),
            timeout,
            grace,
        })
    }

    /// With the handshake done, so that a wrong certificate is told before anything is sent.
    pub(super) fn tls(tls: &Tls, timeout: Duration) -> Result<Self, ShipError> {
        let mut roots = RootCertStore::empty();
        for authority in &tls.authorities {
            roots.add(authority.clone())?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut session = ClientConnection::new(Arc::new(config), tls.server_name.clone())?;
        let (mut socket, grace) = connect(&tls.address, timeout)?;
        while session.is_handshaking() {
            session.complete_io(&mut socket).map_err(|source| ShipError::Open {
                place: place(&tls.address),
                source,
            })?;
        }
        Ok(Self {
            wire: Wire::Tls(Box::new(StreamOwned::new(session, socket))),
            timeout,
            grace,
        })
    }

    /// `None` where the socket takes datagrams.
    pub(super) fn unix(path: &Path, timeout: Duration) -> Result<Option<Self>, ShipError> {
        let connected = match connect_unix(path, timeout) {
            Err(Errno::PROTOTYPE) => return Ok(None),
            connected => connected.map_err(io::Error::from),
        };
        let wire = connected.map_err(|source| ShipError::Open {
            place: path.display().to_string(),
            source,
        })?;
        Ok(Some(Self {
            wire: Wire::Unix(wire),
            timeout,
            // The system tells at once.
            grace: Duration::ZERO,
        }))
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), ShipError> {
        self.check()?;
        match &mut self.wire {
            Wire::Tcp(socket) => socket.write_all(bytes)?,
            Wire::Unix(socket) => socket.write_all(bytes)?,
            Wire::Tls(session) => {
                session.write_all(bytes)?;
                session.flush()?;
            }
        }
        Ok(())
    }

    /// Fails where the other side has closed its side, or all of it.
    pub(super) fn check(&self) -> Result<(), ShipError> {
        let socket = self.socket();
        let mut polled = [PollFd::new(&socket, PollFlags::RDHUP)];
        match poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(0) | Err(Errno::INTR) => Ok(()),
            Ok(_) => Err(ShipError::Closed),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }

    /// Closes this side and waits until the other has read everything and closed its own.
    pub(super) fn settle(mut self) -> Result<(), ShipError> {
        self.check()?;
        let deadline = Instant::now() + self.timeout;
        match &mut self.wire {
            Wire::Tcp(socket) => {
                socket.shutdown(Shutdown::Write)?;
                read_to_end(socket, deadline)?;
            }
            Wire::Unix(socket) => {
                socket.shutdown(Shutdown::Write)?;
                read_to_end(socket, deadline)?;
            }
            Wire::Tls(session) => {
                session.conn.send_close_notify();
                while session.conn.wants_write() {
                    session.conn.write_tls(&mut session.sock)?;
                }
                session.sock.shutdown(Shutdown::Write)?;
                read_to_end(&mut session.sock, deadline)?;
            }
        }
        #[expect(clippy::disallowed_methods, reason = "this thread serves one place and nothing else")]
        std::thread::sleep(self.grace);
        let reset = sockopt::socket_error(self.socket()).map_err(io::Error::from)?;
        reset.map_err(|error| io::Error::from(error).into())
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match &self.wire {
            Wire::Tcp(socket) => socket.as_fd(),
            Wire::Unix(socket) => socket.as_fd(),
            Wire::Tls(session) => session.sock.as_fd(),
        }
    }
}

/// Reads and forgets what the other side says until it closes.
fn read_to_end(stream: &mut impl Read, deadline: Instant) -> Result<(), ShipError> {
    let mut ignored = [0; IGNORED];
    while Instant::now() < deadline {
        match stream.read(&mut ignored) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if is_timeout(&error) => return Err(ShipError::Unsettled),
            Err(error) => return Err(error.into()),
        }
    }
    Err(ShipError::Unsettled)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Connects to the first address of a host that takes it; and how long a reset from there may take.
fn connect(address: &Address, timeout: Duration) -> Result<(TcpStream, Duration), ShipError> {
    let open = |source| ShipError::Open {
        place: place(address),
        source,
    };
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (address.host.as_str(), address.port).to_socket_addrs().map_err(open)? {
        let began = Instant::now();
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(socket) => {
                let grace = (began.elapsed() * ROUND_TRIPS).clamp(LEAST_GRACE, MOST_GRACE);
                socket.set_read_timeout(Some(timeout))?;
                socket.set_write_timeout(Some(timeout))?;
                return Ok((socket, grace));
            }
            Err(error) => failed = error,
        }
    }
    Err(open(failed))
}

/// Connects to a socket of streams. Its receiver may have let others wait: that takes no longer than `timeout`.
fn connect_unix(path: &Path, timeout: Duration) -> rustix::io::Result<UnixStream> {
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_timeout(&socket, Timeout::Send, Some(timeout))?;
    sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(timeout))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

fn place(address: &Address) -> String {
    format!("{}:{}", address.host, address.port)
}
