//! `[[ship]]`: where the record's events are sent.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use super::document::{Fault, Table, Usage, Value};
use super::keys::read_small;
use super::settings::Address;
use super::values;
use crate::domain::Name;

/// A place that the record's events are sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ship {
    /// Its name: what was sent is remembered under it.
    pub name: Name,
    /// Where it is.
    pub to: ShipTo,
    /// Kinds of events, with `*` and `?`; the others are passed over.
    pub events: Vec<String>,
    /// Whether it gets what was recorded before it was first configured.
    pub backlog: bool,
    /// How long it may take nothing until it is given up and tried again.
    pub timeout: Duration,
    /// Bytes of an event's payload; a larger one is left out, and that is said.
    pub max_payload: u32,
}

/// Where events are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShipTo {
    /// Standard output, a JSON object a line; under systemd that is the journal.
    Stdout,
    /// A file, a JSON object a line.
    File(PathBuf),
    /// A syslog server.
    Syslog(Syslog),
}

/// A syslog server (RFC 5424).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Syslog {
    /// How it is reached.
    pub transport: Transport,
    /// The facility's number.
    pub facility: u8,
    /// What keeps messages apart on a stream.
    pub framing: Framing,
}

/// How a syslog server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// TCP (RFC 6587).
    Tcp(Address),
    /// TLS (RFC 5425).
    Tls(Tls),
    /// A socket of this machine, of streams or datagrams.
    Unix(PathBuf),
}

/// A server behind TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Its address.
    pub address: Address,
    /// The name, or IP address, that its certificate must be for.
    pub server_name: ServerName<'static>,
    /// The CAs that may have signed it.
    pub authorities: Vec<CertificateDer<'static>>,
}

/// What keeps messages apart on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Their length in front (RFC 6587, 3.4.1).
    Octets,
    /// A newline behind; there is none within.
    Lines,
}

/// One table; relative paths are taken from `base`.
pub(super) fn ship(table: &Table<'_>, base: &Path) -> Option<Ship> {
    let name = table
        .require("name", "name it: what was sent is remembered under that name")
        .and_then(|value| value.parse(values::name));
    let to = to(table, base);
    let events = table.read("events", vec!["*".to_owned()], |value| {
        value.parse_list(|text| Ok(text.to_owned()))
    });
    let backlog = table.read("backlog", false, Value::flag);
    let timeout = table.read("timeout", Duration::from_secs(30), |value| {
        value.parse(values::positive_duration)
    });
    let max_payload = table.read("max_payload_kib", 64 << 10, max_payload);
    table.finish(&[]);
    Some(Ship {
        name: name?,
        to: to?,
        events: events?,
        backlog: backlog?,
        timeout: timeout?,
        max_payload: max_payload?,
    })
}

/// A number of KiB, in bytes. An event is held in memory whole.
fn max_payload(value: &Value<'_>) -> Option<u32> {
    let kib = u32::try_from(value.count()?).ok().filter(|kib| *kib <= MAX_PAYLOAD_KIB);
    if kib.is_none() {
        value.error(Fault::new("is too much", format!("give {MAX_PAYLOAD_KIB} or less")));
    }
    kib.map(|kib| kib << 10)
}

/// The largest payload that may be sent.
const MAX_PAYLOAD_KIB: u32 = 4096;

/// Where to, and the keys that only matter for some places.
fn to(table: &Table<'_>, base: &Path) -> Option<ShipTo> {
    let facility = table.read("facility", 10, |value| {
        value.parse(|text| values::choice(text, FACILITIES))
    });
    let framing = table.read("framing", Framing::Octets, |value| {
        value.parse(|text| values::choice(text, &[("octets", Framing::Octets), ("lines", Framing::Lines)]))
    });
    let authorities = table.get("ca_file").map(|value| authorities(&value, base));
    let server_name = table.get("server_name").map(|value| value.parse(tls_name));
    let value = table.require("to", REMEDY)?;
    let (scheme, rest) = parts(&value)?;
    if scheme != "tls" && (authorities.is_some() || server_name.is_some()) {
        let what = "ca_file and server_name are for tls:// only";
        table.error("ca_file", Fault::new(what, "remove them, or ship to tls://HOST:PORT"));
        return None;
    }
    let transport = match scheme {
        "stdout" => return Some(ShipTo::Stdout),
        "file" => {
            let path = path(&value, rest, base)?;
            value.names(&path, Usage::Write);
            return Some(ShipTo::File(path));
        }
        "unix" => Transport::Unix(path(&value, rest, base)?),
        "tcp" => Transport::Tcp(address(&value, rest)?),
        _ => {
            let address = address(&value, rest)?;
            let remedy = "name the file of the CA that signed the server's certificate, in PEM";
            let Some(authorities) = authorities else {
                table.error("ca_file", Fault::new("is missing", remedy));
                return None;
            };
            let server_name = server_name.unwrap_or_else(|| value.parse(|_| tls_name(&address.host)));
            Transport::Tls(Tls {
                server_name: server_name?,
                authorities: authorities?,
                address,
            })
        }
    };
    Some(ShipTo::Syslog(Syslog {
        transport,
        facility: facility?,
        framing: framing?,
    }))
}

const REMEDY: &str = "give \"stdout\", \"file:PATH\", \"tcp://HOST:PORT\", \"tls://HOST:PORT\" or \"unix:PATH\"";

/// Facilities that security messages and messages of one's own go to (RFC 5424, 6.2.1).
const FACILITIES: &[(&str, u8)] = &[
    ("daemon", 3),
    ("auth", 4),
    ("authpriv", 10),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

/// The scheme and what stands behind it.
fn parts<'d>(value: &Value<'d>) -> Option<(&'d str, &'d str)> {
    let text = value.text()?;
    let found = [
        ("file:", "file"),
        ("unix:", "unix"),
        ("tcp://", "tcp"),
        ("tls://", "tls"),
    ]
    .into_iter()
    .find_map(|(prefix, scheme)| Some((scheme, text.strip_prefix(prefix)?)))
    .or((text == "stdout").then_some(("stdout", "")));
    if found.is_none() {
        value.error(Fault::new(format!("`{text}` is no place to ship to"), REMEDY));
    }
    found
}

fn path(value: &Value<'_>, rest: &str, base: &Path) -> Option<PathBuf> {
    value.parse(|_| values::path_from(base, rest))
}

fn address(value: &Value<'_>, rest: &str) -> Option<Address> {
    value.parse(|_| values::target_address(rest))
}

fn tls_name(text: &str) -> Result<ServerName<'static>, Fault> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(ServerName::from(address));
    }
    ServerName::try_from(text.to_owned()).map_err(|_| {
        let what = format!("`{text}` is no name that a certificate could be for");
        Fault::new(what, "give the DNS name or IP address in the server's certificate")
    })
}

fn authorities(value: &Value<'_>, base: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let file = value.path(base, Usage::Read)?;
    value.parse(|_| {
        let remedy = "name a file with the CA's certificate in PEM";
        let pem = read_small(&file).map_err(|what| Fault::new(what, remedy))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match found {
            Ok(found) if !found.is_empty() => Ok(found),
            Ok(_) => Err(Fault::new("holds no certificate", remedy)),
            Err(error) => Err(Fault::new(format!("is not PEM: {error}"), remedy)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigErrors};

    fn parsed(lines: &str) -> Result<Ship, ConfigErrors> {
        let text = format!("[[ship]]\nname = \"siem\"\n{lines}");
        Config::parse(&text, Path::new("/etc/opspilot.toml")).map(|mut config| config.ship.remove(0))
    }

    #[test]
    fn every_place_is_understood() {
        let to = |text: &str| parsed(&format!("to = \"{text}\"")).unwrap().to;
        assert_eq!(to("stdout"), ShipTo::Stdout);
        assert_eq!(to("file:events.jsonl"), ShipTo::File("/etc/events.jsonl".into()));
        assert_eq!(to("file:/var/log/x"), ShipTo::File("/var/log/x".into()));
        let syslog = |transport| {
            ShipTo::Syslog(Syslog {
                transport,
                facility: 10,
                framing: Framing::Octets,
            })
        };
        assert_eq!(to("unix:/dev/log"), syslog(Transport::Unix("/dev/log".into())));
        let address = Address {
            host: "::1".to_owned(),
            port: 601,
        };
        assert_eq!(to("tcp://[::1]:601"), syslog(Transport::Tcp(address)));
    }

    #[test]
    fn what_is_not_given_has_a_default() {
        let ship = parsed("to = \"stdout\"").unwrap();
        assert_eq!(ship.events, ["*"]);
        assert_eq!(
            (ship.backlog, ship.timeout.as_secs(), ship.max_payload),
            (false, 30, 65_536)
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for lines in [
            "",
            "to = \"udp://host:514\"",
            "to = \"tcp://host\"",
            "to = \"file:\"",
            "to = \"tls://host:6514\"",
            "to = \"tls://host:6514\"\nca_file = \"/nowhere/ca.pem\"",
            "to = \"tcp://host:601\"\nserver_name = \"host\"",
            "to = \"stdout\"\nfacility = \"kern\"",
            "to = \"stdout\"\ntimeout = \"0s\"",
            "to = \"stdout\"\nmax_payload_kib = 5000",
            "to = \"stdout\"\nformat = \"cef\"",
            "to = \"stdout\"\n[[ship]]\nname = \"siem\"\nto = \"stdout\"",
        ] {
            assert!(parsed(lines).is_err(), "{lines}");
        }
    }
}
