//! Single values: text in, a type or a fault out.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::credentials::credential;
use super::document::Fault;
use super::settings::Address;
use crate::domain::Name;

/// The longest duration that makes sense anywhere, in seconds: ten years.
const MAX_SECONDS: u64 = 10 * 365 * 86_400;

/// A duration: a whole number and `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Result<Duration, Fault> {
    const REMEDY: &str =
        "use a whole number and a unit, s, m, h or d, of at most ten years: \"30s\", \"5m\", \"2h\", \"1d\"";
    let fault = || Fault::new(format!("`{text}` is not a duration"), REMEDY);
    let (unit_at, unit) = text.char_indices().next_back().ok_or_else(fault)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(fault()),
    };
    let digits = text
        .get(..unit_at)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let number: u64 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(fault)?;
    let total = number.checked_mul(seconds).filter(|total| *total <= MAX_SECONDS);
    total.map(Duration::from_secs).ok_or_else(fault)
}

/// A duration that may not be zero.
pub(super) fn positive_duration(text: &str) -> Result<Duration, Fault> {
    let parsed = duration(text)?;
    if parsed.is_zero() {
        return Err(Fault::new("may not be zero", "use a duration such as \"30s\""));
    }
    Ok(parsed)
}

/// An address to listen on.
pub(super) fn listen_address(text: &str) -> Result<SocketAddr, Fault> {
    text.parse().map_err(|_| {
        Fault::new(
            format!("`{text}` is not an address to listen on"),
            "use an IP address and a port, as in \"0.0.0.0:2222\" or \"[::]:2222\"",
        )
    })
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(error)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(error)?;
        let host = host_of(host).ok_or_else(error)?.to_owned();
        Ok(Self { host, port })
    }
}

/// A string that is not an [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a host and a port", crate::domain::printable_line(.0))]
pub struct AddressError(String);

/// The host of a host and port; an IPv6 address must stand in brackets, which are taken off.
fn host_of(text: &str) -> Option<&str> {
    if let Some(bracketed) = text.strip_prefix('[') {
        let inner = bracketed.strip_suffix(']')?;
        return inner.parse::<std::net::Ipv6Addr>().ok().map(|_| inner);
    }
    let well_formed = text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    well_formed.then_some(text)
}

/// The address of a target.
pub(super) fn target_address(text: &str) -> Result<Address, Fault> {
    let remedy = "give a host and a port, as in \"10.0.0.11:22\", \"web-1.internal:22\" or \"[fd00::1]:22\"";
    text.parse()
        .map_err(|error: AddressError| Fault::new(error.to_string(), remedy))
}

/// The name of a user, a role or a target.
pub(super) fn name(text: &str) -> Result<Name, Fault> {
    let remedy = "choose a name such as \"web-1\"";
    text.parse()
        .map_err(|error: crate::domain::NameError| Fault::new(error.to_string(), remedy))
}

/// One word of a closed vocabulary.
pub(super) fn word<T: FromStr>(text: &str) -> Result<T, Fault>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Fault::new(error.to_string(), "use one of those words"))
}

/// One word of a vocabulary that only the configuration speaks.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)]) -> Result<T, Fault> {
    let found = choices.iter().find(|(word, _)| *word == text);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
        Fault::new(
            format!("`{text}` is not one of {}", words.join(", ")),
            "use one of those words",
        )
    })
}

/// A login on a target.
pub(super) fn login(text: &str) -> Result<String, Fault> {
    let acceptable = !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_graphic());
    if acceptable {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("`{text}` is not a login"),
        "use printable ASCII without spaces that does not start with `-`",
    ))
}

/// Text that is shown in messages and stands in lines for `ssh_config`: a host name or an IP address.
pub(super) fn host_name(text: &str) -> Result<String, Fault> {
    let acceptable = text.starts_with(|first: char| first.is_ascii_alphanumeric() || first == ':')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    if acceptable {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        format!("`{text}` is not a host name"),
        "use a host name or an IP address, without a port",
    ))
}

/// Text for people: one line, not empty.
pub(super) fn title(text: &str) -> Result<String, Fault> {
    if !text.trim().is_empty() && crate::domain::printable_line(text) == text {
        return Ok(text.to_owned());
    }
    Err(Fault::new(
        "is not a readable line",
        "use printable characters, on one line",
    ))
}

/// Text for people: one line, or nothing.
pub(super) fn notice(text: &str) -> Result<String, Fault> {
    if text.is_empty() {
        Ok(String::new())
    } else {
        title(text)
    }
}

/// A path; a relative one is taken from `base`, and `credential:NAME` from where the service manager puts it.
pub(super) fn path_from(base: &Path, text: &str) -> Result<PathBuf, Fault> {
    if text.is_empty() {
        return Err(Fault::new("is empty", "give the path of a file"));
    }
    credential(text).unwrap_or_else(|| Ok(base.join(text).components().collect()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_have_a_number_and_a_unit() {
        for (text, seconds) in [
            ("0s", Some(0)),
            ("30s", Some(30)),
            ("5m", Some(300)),
            ("2h", Some(7_200)),
            ("1d", Some(86_400)),
            ("3650d", Some(MAX_SECONDS)),
            ("3651d", None),
            ("99999999999999999999d", None),
            ("", None),
            ("s", None),
            ("30", None),
            ("-1s", None),
            ("+1s", None),
            ("1.5h", None),
            ("1 h", None),
            ("1w", None),
            ("1µ", None),
        ] {
            assert_eq!(duration(text).ok(), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn addresses_name_a_host_and_a_port() {
        for (text, expected) in [
            ("10.0.0.11:22", Some(("10.0.0.11", 22))),
            ("web-1.internal:2222", Some(("web-1.internal", 2222))),
            ("[fd00::1]:22", Some(("fd00::1", 22))),
            ("web-1", None),
            ("web-1:", None),
            ("web-1:0", None),
            ("web-1:70000", None),
            ("fd00::1:22", None),
            ("[web-1]:22", None),
            ("-oProxyCommand=x:22", None),
            ("a b:22", None),
            (":22", None),
        ] {
            let expected = expected.map(|(host, port): (&str, u16)| Address {
                host: host.into(),
                port,
            });
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
    }

    #[test]
    fn logins_and_titles_hold_nothing_that_acts() {
        for bad in ["", "-l", "a b", "a\n", "ro\u{202e}ot"] {
            assert!(login(bad).is_err(), "{bad:?}");
        }
        assert!(login("CORP\\deploy$").is_ok());
        for bad in ["", " ", "a\nb", "\u{1b}[2J"] {
            assert!(title(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_parser_fall_over(text in any::<String>()) {
            prop_assert!(duration(&text).is_ok_and(|d| d.as_secs() <= MAX_SECONDS) || duration(&text).is_err());
            if let Ok(address) = text.parse::<Address>() {
                prop_assert!(address.port > 0 && !address.host.is_empty());
            }
        }
    }
}
