//! Sockets that the service manager has opened and keeps while this process comes and goes: whoever connects in between waits
//! in the kernel's queue, and nobody is refused.

use std::io;
use std::net::{self, SocketAddr};

use listenfd::ListenFd;
use tokio::net::TcpListener;

/// Why sockets of the service manager's are not used.
#[derive(Debug, thiserror::Error)]
pub enum InheritedError {
    /// One is of another kind, or cannot be asked.
    #[error(
        "socket {number} of those that the service manager passed cannot be used: {source}; opspilot.socket may have \
         ListenStream= with addresses and ports only"
    )]
    Unusable {
        /// Its place among them, from 1.
        number: usize,
        /// Why.
        source: io::Error,
    },
    /// The configuration does not name its address.
    #[error(
        "the service manager listens on {address}, which is not in server.listen or http.listen: name it there, or take it \
         out of opspilot.socket"
    )]
    Unnamed {
        /// The address.
        address: SocketAddr,
    },
}

/// Listening sockets that were passed by the service manager, each until it is taken.
#[derive(Debug, Default)]
pub struct Inherited {
    listeners: Vec<(SocketAddr, net::TcpListener)>,
}

impl Inherited {
    /// Those that `LISTEN_FDS` and `LISTEN_PID` tell of. Takes both variables out of the environment: to be called once, before
    /// there is another thread.
    ///
    /// # Errors
    /// [`InheritedError::Unusable`].
    pub fn from_environment() -> Result<Self, InheritedError> {
        let mut passed = ListenFd::from_env();
        let mut listeners = Vec::new();
        for index in 0..passed.len() {
            let unusable = |source| InheritedError::Unusable {
                number: index + 1,
                source,
            };
            if let Some(listener) = passed.take_tcp_listener(index).map_err(unusable)? {
                listener.set_nonblocking(true).map_err(unusable)?;
                listeners.push((listener.local_addr().map_err(unusable)?, listener));
            }
        }
        Ok(Self { listeners })
    }

    /// Listens on an address: by the socket that was passed for it, or else by one of its own.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn listen(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        let passed = self.listeners.iter().position(|(bound, _)| *bound == address);
        match passed.map(|index| self.listeners.swap_remove(index)) {
            Some((_, listener)) => TcpListener::from_std(listener),
            None => TcpListener::bind(address).await,
        }
    }

    /// Sees to it that none is left over, at which people would wait for ever.
    ///
    /// # Errors
    /// [`InheritedError::Unnamed`].
    pub fn all_taken(&self) -> Result<(), InheritedError> {
        match self.listeners.first() {
            Some((address, _)) => Err(InheritedError::Unnamed { address: *address }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_that_was_passed_is_used_for_its_address_and_no_other() {
        let passed = net::TcpListener::bind("127.0.0.1:0").unwrap();
        passed.set_nonblocking(true).unwrap();
        let address = passed.local_addr().unwrap();
        let mut inherited = Inherited {
            listeners: vec![(address, passed)],
        };
        let other = inherited.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        assert_ne!(other.local_addr().unwrap(), address);
        let left = inherited.all_taken().unwrap_err().to_string();
        assert!(left.contains(&address.to_string()), "{left}");

        let taken = inherited.listen(address).await.unwrap();
        assert_eq!(taken.local_addr().unwrap(), address);
        assert!(inherited.all_taken().is_ok());
    }
}
