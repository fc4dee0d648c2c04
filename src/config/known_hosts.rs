//! `known_hosts` files, as sshd(8) describes them: which keys and which host CAs stand for one address, and which never do.

use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::{HostPatterns, Marker};
use sha1::Sha1;

use super::document::Fault;
use super::glob::glob_matches;
use super::keys::read_small;
use super::settings::{Address, HostKeys};

/// What may and what may not stand for one host.
#[derive(Debug, Clone, Default)]
pub struct HostTrust {
    /// The host's own keys.
    pub keys: Vec<PublicKey>,
    /// Keys of CAs that may certify the host.
    pub authorities: Vec<PublicKey>,
    /// Keys that are never to be trusted, neither as a host's own nor as a CA's.
    pub revoked: Vec<PublicKey>,
}

/// Why a `known_hosts` file cannot be relied on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KnownHostsError {
    /// It cannot be read.
    #[error("{0}")]
    Read(String),
    /// A line with a marker that would have to be followed and cannot be.
    #[error("line {0} has a marker that is not understood, or a key that is not")]
    Marked(usize),
}

impl HostKeys {
    /// What they say of an address. Reads the `known_hosts` file, where there is one.
    ///
    /// # Errors
    /// See [`KnownHostsError`].
    pub fn trust(&self, address: &Address) -> Result<HostTrust, KnownHostsError> {
        match self {
            Self::Pinned { keys, authorities } => Ok(HostTrust {
                keys: keys.clone(),
                authorities: authorities.clone(),
                revoked: Vec::new(),
            }),
            Self::KnownHosts(file) => {
                let text = read_small(file).map_err(KnownHostsError::Read)?;
                HostTrust::from_known_hosts(&text, address)
            }
        }
    }
}

impl HostTrust {
    /// What the text of a `known_hosts` file says of an address. Lines that hold no key that can be used are passed over
    /// unless they have a marker.
    ///
    /// # Errors
    /// A line with a marker that cannot be followed.
    pub fn from_known_hosts(text: &str, address: &Address) -> Result<Self, KnownHostsError> {
        let mut trust = Self::default();
        for (index, line) in text.lines().enumerate() {
            trust.take(line, address).ok_or(KnownHostsError::Marked(index + 1))?;
        }
        Ok(trust)
    }

    /// Takes what one line says; `None` where it must not be passed over and cannot be understood.
    fn take(&mut self, line: &str, address: &Address) -> Option<()> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Some(());
        }
        let (marker, line) = if line.starts_with('@') {
            let (marker, rest) = line.split_once(char::is_whitespace)?;
            (Some(marker.parse::<Marker>().ok()?), rest.trim_start())
        } else {
            (None, line)
        };
        let Some((hosts, key)) = line.split_once(char::is_whitespace) else {
            return marker.is_none().then_some(());
        };
        let key = parse_key(key);
        match marker {
            None if speaks_of(hosts, &port_form(address)) == Some(true) => self.keys.extend(key),
            None => {}
            // What vouches for a name, or is revoked for it, is so at every port.
            Some(_) if !speaks_of(hosts, &port_form(address))? && !speaks_of(hosts, &address.host)? => {}
            Some(Marker::CertAuthority) => self.authorities.push(key?),
            Some(Marker::Revoked) => self.revoked.push(key?),
        }
        Some(())
    }
}

/// Checks that a file has a key or a CA for the address.
pub(super) fn check(file: &Path, address: &Address) -> Result<(), Fault> {
    const REMEDY: &str = "name a readable file of at most 1 MiB, or give host_key";
    let trust = HostKeys::KnownHosts(file.to_owned()).trust(address);
    let trust = trust.map_err(|error| match error {
        KnownHostsError::Read(what) => Fault::new(what, REMEDY),
        KnownHostsError::Marked(_) => Fault::new(format!("{}: {error}", file.display()), "correct or remove the line"),
    })?;
    if trust.keys.is_empty() && trust.authorities.is_empty() {
        let Address { host, port } = address;
        return Err(Fault::new(
            format!("{} has no key for [{host}]:{port}", file.display()),
            format!("add what `ssh-keyscan -p {port} {host}` prints, once you have compared it"),
        ));
    }
    Ok(())
}

fn parse_key(text: &str) -> Option<PublicKey> {
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    PublicKey::from_openssh(&words.join(" ")).ok()
}

/// How `known_hosts` names an address.
fn port_form(address: &Address) -> String {
    match address {
        Address { host, port: 22 } => host.clone(),
        Address { host, port } => format!("[{host}]:{port}"),
    }
}

/// Whether the first field of a line speaks of `name`; `None` where it cannot be understood.
fn speaks_of(hosts: &str, name: &str) -> Option<bool> {
    let name = name.to_ascii_lowercase();
    match hosts.parse() {
        Ok(HostPatterns::HashedName { salt, hash }) => {
            let hmac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
            Some(hmac.chain_update(&name).verify_slice(&hash).is_ok())
        }
        Ok(HostPatterns::Patterns(patterns)) => {
            let matches = |pattern: &str| glob_matches(&pattern.to_ascii_lowercase(), &name);
            let excluded = patterns
                .iter()
                .filter_map(|pattern| pattern.strip_prefix('!'))
                .any(matches);
            Some(!excluded && patterns.iter().any(|pattern| matches(pattern)))
        }
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";

    fn trust(text: &str, address: &str) -> Result<(usize, usize, usize), KnownHostsError> {
        let trust = HostTrust::from_known_hosts(text, &address.parse().unwrap())?;
        Ok((trust.keys.len(), trust.authorities.len(), trust.revoked.len()))
    }

    #[test]
    fn a_line_is_for_the_hosts_that_it_names() {
        for (hosts, address, expected) in [
            ("h", "h:22", 1),
            ("H", "h:22", 1),
            ("h", "h:2200", 0),
            ("[h]:2200", "h:2200", 1),
            ("[h]:2200", "h:22", 0),
            ("other,h", "h:22", 1),
            ("*.example", "web.example:22", 1),
            ("web-?.example", "web-10.example:22", 0),
            ("*.example,!web.example", "web.example:22", 0),
            ("fd00::1", "[fd00::1]:22", 1),
            // Made by `ssh-keygen -H` of a line for `h`.
            (
                "|1|3YGKPq+BqNVHJsDRZ6qfBFbEaYQ=|c7zYyBUHIOcaJTjSdGqjImlBYEE=",
                "other:22",
                0,
            ),
        ] {
            let line = format!("{hosts}\t{KEY} a comment\n");
            assert_eq!(trust(&line, address), Ok((expected, 0, 0)), "{hosts} {address}");
        }
    }

    #[test]
    fn a_hashed_name_is_compared() {
        let mut hmac = Hmac::<Sha1>::new_from_slice(b"a salt").unwrap();
        hmac.update(b"[h]:2200");
        let hash: [u8; 20] = hmac.finalize().into_bytes().into();
        let hosts = HostPatterns::HashedName {
            salt: b"a salt".to_vec(),
            hash,
        };
        let line = format!("{} {KEY}\n", hosts.to_string());
        assert_eq!(trust(&line, "h:2200"), Ok((1, 0, 0)));
        assert_eq!(trust(&line, "h:22"), Ok((0, 0, 0)));
    }

    #[test]
    fn markers_count_at_every_port() {
        let text = format!("@cert-authority *.example {KEY}\n@revoked\tweb.example {KEY}\n# {KEY}\n\n");
        assert_eq!(trust(&text, "web.example:2200"), Ok((0, 1, 1)));
        assert_eq!(trust(&text, "db.example:22"), Ok((0, 1, 0)));
        assert_eq!(trust(&text, "elsewhere:22"), Ok((0, 0, 0)));
    }

    #[test]
    fn what_must_be_followed_is_never_passed_over() {
        for (text, line) in [
            (format!("@revoked h ssh-ed25519 AAAA\nh {KEY}\n"), 1),
            (format!("h {KEY}\n@cert-authority h\n"), 2),
            (format!("@nonsense h {KEY}\n"), 1),
            (format!("@revoked |1|not-base64|x {KEY}\n"), 1),
        ] {
            assert_eq!(trust(&text, "h:22"), Err(KnownHostsError::Marked(line)), "{text}");
        }
        assert_eq!(
            trust(&format!("h ssh-unknown AAAA\nh\nh {KEY}\n"), "h:22"),
            Ok((1, 0, 0))
        );
    }
}
