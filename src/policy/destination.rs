//! Where a forward leads, as far as its text tells. Names are not looked up: the target does that, by its own means, so what a
//! name stands for there cannot be known here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A destination of a forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    /// The path of a socket.
    Socket(String),
    /// A host and a port, both as text: what is listened on may have port 0.
    Network { host: Host, port: String },
}

/// A host in the one form that stands for all that mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// In lower case, without the dot of the root.
    Name(String),
}

impl Destination {
    /// Reads `host:port` or an absolute path.
    pub(super) fn parse(text: &str) -> Self {
        if text.starts_with('/') {
            return Self::Socket(text.to_owned());
        }
        let (host, port) = text.rsplit_once(':').unwrap_or((text, ""));
        Self::Network {
            host: Host::parse(host),
            port: port.to_owned(),
        }
    }
}

impl Host {
    /// Reads a name or an address as resolvers do: IPv6 with or without brackets or zone, IPv4 mapped into it, and IPv4 in one
    /// to four parts that are decimal, octal or hexadecimal.
    pub(super) fn parse(text: &str) -> Self {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text);
        let bare = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
        let zoneless = bare.split_once('%').map_or(bare.as_str(), |(address, _zone)| address);
        match zoneless.parse::<Ipv6Addr>() {
            Ok(address) => Self::Address(IpAddr::V6(address).to_canonical()),
            Err(_) => legacy_ipv4(&bare).map_or(Self::Name(bare), |address| Self::Address(IpAddr::V4(address))),
        }
    }

    /// Whether it is the host itself, wherever it is resolved.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Address(address) => address.is_loopback() || address.is_unspecified(),
            Self::Name(name) => {
                matches!(
                    name.as_str(),
                    "" | "localhost.localdomain" | "ip6-localhost" | "ip6-loopback"
                ) || name == "localhost"
                    || name.ends_with(".localhost")
            }
        }
    }
}

/// An IPv4 address as `inet_aton` reads it: the last part fills all bytes that are left.
fn legacy_ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(legacy_number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let unused_bits = 8 * u32::try_from(leading.len()).ok()?;
    let room = u32::MAX.checked_shr(unused_bits)?;
    let high = leading
        .iter()
        .zip([24, 16, 8])
        .fold(0, |address, (part, shift)| address | (part << shift));
    (*last <= room).then(|| Ipv4Addr::from(high | last))
}

fn legacy_number(part: &str) -> Option<u32> {
    let is_digit = |radix| move |c: char| c.is_digit(radix);
    let (digits, radix) = match part.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if part.len() > 1 && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    if digits.is_empty() || !digits.chars().all(is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> Host {
        Host::Address(text.parse().unwrap())
    }

    #[test]
    fn addresses_have_one_form() {
        for same in [
            "10.0.0.5",
            "::ffff:10.0.0.5",
            "[::FFFF:a00:5]",
            "167772165",
            "0xa000005",
            "10.5",
            "012.0.0.5",
            "0xa.0.0.0x5",
            "10.0.0.5.",
            "::ffff:10.0.0.5%eth0",
        ] {
            assert_eq!(Host::parse(same), address("10.0.0.5"), "{same}");
        }
        assert_eq!(Host::parse("[FD00::1]"), address("fd00::1"));
        for name in [
            "10.0.0.5.evil",
            "1.2.3.4.5",
            "10.0.0.256",
            "09.1.1.1",
            "4294967296",
            "10..1",
        ] {
            assert_eq!(Host::parse(name), Host::Name(name.to_owned()), "{name}");
        }
        assert_eq!(Host::parse("DB-1.Internal."), Host::Name("db-1.internal".to_owned()));
    }

    #[test]
    fn the_host_itself_has_many_names() {
        for local in [
            "localhost",
            "LOCALHOST.",
            "127.1",
            "0x7f000001",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "0",
            "::",
            "",
            "a.localhost",
        ] {
            assert!(Host::parse(local).is_local(), "{local}");
        }
        for other in ["localhost.example.com", "128.0.0.1", "mylocalhost", "fe80::1"] {
            assert!(!Host::parse(other).is_local(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_fall_over(text in any::<String>()) {
            Destination::parse(&text);
        }

        #[test]
        fn every_number_is_the_address_of_that_number(number in any::<u32>()) {
            prop_assert_eq!(Host::parse(&number.to_string()), Host::Address(IpAddr::V4(number.into())));
        }
    }
}
