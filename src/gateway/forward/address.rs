//! Where a forward leads, or what it listens on, as a client asks for it.

use std::fmt::{self, Display, Formatter};

use crate::domain::is_step;

/// Longest host name, bytes; RFC 1035.
const MAX_HOST: usize = 253;
/// Longest path of a socket, bytes: `sun_path` on Linux, without the NUL at its end.
const MAX_PATH: usize = 107;

/// A host and a port, or the path of a socket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::gateway) enum Address {
    /// A host as the client spells it, and a port.
    Tcp { host: String, port: u16 },
    /// An absolute path.
    Socket(String),
}

/// Why there can be no such address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::gateway) enum AddressError {
    #[error("the port is not from 1 to 65535")]
    Port,
    #[error("the host is not a name or an address")]
    Host,
    #[error(
        "the path is not an absolute one of at most {MAX_PATH} printable characters without empty parts, `.` and `..`"
    )]
    Path,
}

impl Address {
    /// Where a connection is wanted to.
    pub(in crate::gateway) fn destination(host: &str, port: u32) -> Result<Self, AddressError> {
        if port == 0 || host.is_empty() {
            return Err(if port == 0 {
                AddressError::Port
            } else {
                AddressError::Host
            });
        }
        Self::listened_on(host, port)
    }

    /// What is to be listened on: port 0 stands for one of the target's choice, no host for all of its addresses.
    pub(in crate::gateway) fn listened_on(host: &str, port: u32) -> Result<Self, AddressError> {
        let is_host = |c: char| c.is_ascii_alphanumeric() || "._-:%*[]".contains(c);
        if host.len() > MAX_HOST || !host.chars().all(is_host) {
            return Err(AddressError::Host);
        }
        Ok(Self::Tcp {
            host: host.to_owned(),
            port: u16::try_from(port).map_err(|_| AddressError::Port)?,
        })
    }

    /// The socket at a path that leads nowhere but down: policies compare paths by their letters.
    pub(in crate::gateway) fn socket(path: &str) -> Result<Self, AddressError> {
        let is_printable = path.len() <= MAX_PATH && !path.chars().any(char::is_control);
        let leads_down = path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_step));
        (is_printable && leads_down)
            .then(|| Self::Socket(path.to_owned()))
            .ok_or(AddressError::Path)
    }
}

impl Display for Address {
    /// `host:port` with an IPv6 address in brackets, or the path.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') && !host.starts_with('[') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Socket(path) => f.write_str(path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_spelled_as_policies_spell_them() {
        for (host, port, shown) in [
            ("db-1", 5432, "db-1:5432"),
            ("::1", 80, "[::1]:80"),
            ("[::1]", 80, "[::1]:80"),
            ("fe80::1%eth0", 80, "[fe80::1%eth0]:80"),
        ] {
            assert_eq!(Address::destination(host, port).unwrap().to_string(), shown);
        }
        assert_eq!(Address::listened_on("", 0).unwrap().to_string(), ":0");
        for path in ["/run/x", "/run/..x/.y"] {
            assert_eq!(Address::socket(path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (host, port) in [
            ("", 80),
            ("a", 0),
            ("a", 65_536),
            ("a", u32::MAX),
            ("a b", 1),
            ("a\n", 1),
            ("a/b", 1),
            ("ä", 1),
        ] {
            assert!(Address::destination(host, port).is_err(), "{host:?} {port}");
        }
        assert!(Address::destination(&"a".repeat(MAX_HOST + 1), 80).is_err());
        for path in [
            "",
            "run/x",
            "/",
            "/run/",
            "/run//x",
            "/run/./x",
            "/run/app/../docker.sock",
            "/..",
            "/run/\0x",
            "/run/\x1b[2J",
            &format!("/{}", "a".repeat(MAX_PATH)),
        ] {
            assert!(Address::socket(path).is_err(), "{path:?}");
        }
    }
}
