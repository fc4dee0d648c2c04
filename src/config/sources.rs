//! Addresses that somebody may come from: `from=` of authorized keys, `source-address` of certificates.

use std::net::IpAddr;

use super::document::Fault;
use super::glob::{glob_matches, is_glob};

const REMEDY: &str = "give IP addresses, networks (\"10.0.0.0/8\") or patterns (\"10.0.*\"), separated by commas; `!` before one \
                      takes it out";

/// A list of addresses, networks and patterns. Host names are not looked up, so none can be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources(Vec<Source>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    negated: bool,
    pattern: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    /// The first bits of an address.
    Network(IpAddr, u8),
    /// An address as it is written, with `*` and `?`.
    Written(String),
}

impl Sources {
    /// Reads the list of a `from=`, as sshd does.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let sources: Vec<_> = text.split(',').map(Source::parse).collect::<Result<_, _>>()?;
        if sources.iter().all(|source| source.negated) {
            let what = format!("`{text}` admits nobody: every address in it is taken out");
            return Err(Fault::new(
                what,
                "end it with an address that is let in: \"!10.0.0.1,*\"",
            ));
        }
        Ok(Self(sources))
    }

    /// Reads the list of a certificate's `source-address`: addresses and networks. `None` where it holds anything else.
    #[must_use]
    pub fn networks(text: &str) -> Option<Self> {
        let network = |text| {
            let pattern = network(text)?.ok()?;
            Some(Source {
                negated: false,
                pattern,
            })
        };
        text.split(',').map(network).collect::<Option<_>>().map(Self)
    }

    /// Whether an address is in the list, and not taken out of it.
    #[must_use]
    pub fn admit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let mut matching = self
            .0
            .iter()
            .filter(|source| source.pattern.matches(address))
            .peekable();
        matching.peek().is_some() && matching.all(|source| !source.negated)
    }
}

impl Source {
    fn parse(text: &str) -> Result<Self, Fault> {
        let text = text.trim();
        let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let pattern = match network(text) {
            Some(network) => network?,
            None if is_written_address(text) => Pattern::Written(text.to_ascii_lowercase()),
            None => {
                let what = format!("`{text}` is no address; host names are not looked up");
                return Err(Fault::new(what, REMEDY));
            }
        };
        Ok(Self { negated, pattern })
    }
}

impl Pattern {
    fn matches(&self, address: IpAddr) -> bool {
        match self {
            Self::Network(network, bits) => shares_prefix(*network, address, *bits),
            Self::Written(pattern) => glob_matches(pattern, &address.to_string()),
        }
    }
}

/// An address, or a network in CIDR notation; `None` for a text that is neither, an error for a network with host bits.
fn network(text: &str) -> Option<Result<Pattern, Fault>> {
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => width,
        Some(bits) => bits.parse().ok().filter(|bits| *bits <= width)?,
    };
    if leading(address, bits) != whole(address) {
        let what = format!("`{text}` has bits beyond the length of its network");
        return Some(Err(Fault::new(
            what,
            "give the network's first address, as in \"10.0.0.0/8\"",
        )));
    }
    Some(Ok(match address.to_canonical() {
        IpAddr::V4(mapped) if address.is_ipv6() && bits >= 96 => Pattern::Network(mapped.into(), bits - 96),
        _ => Pattern::Network(address, bits),
    }))
}

fn is_written_address(text: &str) -> bool {
    is_glob(text)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_hexdigit() || b".:*?".contains(&byte))
}

fn shares_prefix(network: IpAddr, address: IpAddr, bits: u8) -> bool {
    network.is_ipv4() == address.is_ipv4() && leading(network, bits) == leading(address, bits)
}

/// The first bits of an address; the others are zero.
fn leading(address: IpAddr, bits: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    whole(address) & mask
}

/// An address as a number, its first bit the highest.
fn whole(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn admits(list: &str, address: &str) -> bool {
        Sources::parse(list).unwrap().admit(address.parse().unwrap())
    }

    #[test]
    fn an_address_is_admitted_by_itself_its_network_or_a_pattern() {
        for (list, address, expected) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "198.51.100.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("10.0.*", "10.0.3.4", true),
            ("10.0.*", "10.1.3.4", false),
            ("10.0.0.?", "10.0.0.10", false),
            ("192.0.2.1, 10.0.0.0/8", "10.1.1.1", true),
            ("2001:DB8::*", "2001:db8::1", true),
        ] {
            assert_eq!(admits(list, address), expected, "{list} {address}");
        }
    }

    #[test]
    fn what_is_taken_out_stays_out_wherever_it_stands() {
        for list in ["!10.0.0.1,10.0.0.0/8", "10.0.0.0/8,!10.0.0.1", "*,!10.0.0.1,10.0.0.1"] {
            assert!(!admits(list, "10.0.0.1"), "{list}");
            assert!(admits(list, "10.0.0.2"), "{list}");
        }
    }

    #[test]
    fn an_ipv4_address_is_the_same_however_it_came() {
        assert!(admits("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(admits("10.0.0.*", "::ffff:10.0.0.1"));
        assert!(admits("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!admits("!10.0.0.0/8,*", "::ffff:10.0.0.1"));
    }

    #[test]
    fn what_could_never_match_or_match_by_accident_is_refused() {
        for text in [
            "",
            ",",
            "10.0.0.1,",
            "web-1",
            "*.example.com",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0",
            "!10.0.0.1",
            "!",
            "10.0.0.0/-1",
        ] {
            let fault = Sources::parse(text).expect_err(text);
            assert!(!fault.remedy.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_certificate_names_addresses_and_networks_only() {
        let sources = Sources::networks("10.0.0.0/8,192.0.2.1").unwrap();
        assert!(sources.admit([10, 1, 1, 1].into()) && !sources.admit([192, 0, 2, 2].into()));
        for text in ["", "*", "!10.0.0.1", "10.0.*", "web-1", "10.0.0.1/8"] {
            assert_eq!(Sources::networks(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_network_holds_the_addresses_that_begin_as_it_does(network: u32, address: u32, bits in 0u8..=32) {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            let list = format!("{}/{bits}", std::net::Ipv4Addr::from_bits(network & mask));
            let expected = network & mask == address & mask;
            prop_assert_eq!(admits(&list, &std::net::Ipv4Addr::from_bits(address).to_string()), expected);
        }

        #[test]
        fn no_list_makes_it_fall_over_or_changes_its_mind(list in "[0-9a-f.:*?!/, ]{0,40}", address: [u8; 16]) {
            if let Ok(sources) = Sources::parse(&list) {
                let same = Sources::parse(&list).is_ok_and(|again| again.admit(address.into()) == sources.admit(address.into()));
                prop_assert!(same);
            }
        }
    }
}
