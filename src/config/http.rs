//! `[http]`.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::document::{Fault, Table, Usage, Value};
use super::values;

/// `[http]`: the HTTP API. It is off where nothing is listened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens; empty for nowhere.
    pub listen: Vec<HttpAddress>,
    /// The certificate and its key, for everything but Unix sockets; `None` for no TLS, which only loopback may be without.
    pub tls: Option<HttpTls>,
    /// Connections that may be open at once.
    pub max_connections: usize,
    /// Requests that one token may make in a minute.
    pub requests_per_minute: usize,
}

/// Where the HTTP API listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HttpAddress {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl HttpAddress {
    /// Whether only this machine can connect.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for HttpAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// What the HTTP API proves with who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTls {
    /// The file of the certificate and of those that it depends on, PEM.
    pub certificate: PathBuf,
    /// The file of its private key, PEM.
    pub key: PathBuf,
}

/// `[http]`; certificate and key are relative to `base`, sockets to `state_dir`.
pub(super) fn http(table: &Table<'_>, base: &Path, state_dir: &Path) -> Option<Http> {
    let listen = table.get("listen");
    let addresses = match &listen {
        Some(value) => value.parse_list(|text| address(text, state_dir)),
        None => Some(Vec::new()),
    };
    let file = |key| table.read(key, None, |value| value.path(base, Usage::Read).map(Some));
    let (certificate, key) = (file("tls_certificate"), file("tls_key"));
    let max_connections = table.read("max_connections", 64, Value::count);
    let requests_per_minute = table.read("requests_per_minute", 600, Value::count);
    table.finish(&[]);
    let (tls, addresses) = (tls(table, certificate?, key?), addresses?);
    name_sockets(listen.as_ref(), &addresses);
    if tls.is_none() {
        refuse_plain_text(listen.as_ref(), &addresses)?;
    }
    Some(Http {
        listen: addresses,
        tls,
        max_connections: max_connections?,
        requests_per_minute: requests_per_minute?,
    })
}

/// Sockets are made where they are named.
fn name_sockets(listen: Option<&Value<'_>>, addresses: &[HttpAddress]) {
    for address in addresses {
        if let (Some(value), HttpAddress::Unix(path)) = (listen, address) {
            value.names(path, Usage::Write);
        }
    }
}

fn address(text: &str, state_dir: &Path) -> Result<HttpAddress, Fault> {
    if let Some(path) = text.strip_prefix("unix:") {
        return values::path_from(state_dir, path).map(HttpAddress::Unix);
    }
    let address = text.parse().map(HttpAddress::Tcp);
    address.map_err(|_| {
        Fault::new(
            format!("`{text}` is not an address to listen on"),
            "use an IP address and a port, as in \"127.0.0.1:8422\", or the path of a socket, as in \"unix:http.sock\"",
        )
    })
}

/// Certificate and key, where they are given; one without the other is noted as an error.
fn tls(table: &Table<'_>, certificate: Option<PathBuf>, key: Option<PathBuf>) -> Option<HttpTls> {
    let (missing, why) = match (certificate, key) {
        (Some(certificate), Some(key)) => return Some(HttpTls { certificate, key }),
        (None, None) => return None,
        (Some(_), None) => ("tls_key", "is missing: a certificate is of no use without its key"),
        (None, Some(_)) => (
            "tls_certificate",
            "is missing: a key is of no use without its certificate",
        ),
    };
    table.error(missing, Fault::new(why, "give both, as PEM files"));
    None
}

/// A token that travels in plain text is anybody's.
fn refuse_plain_text(listen: Option<&Value<'_>>, addresses: &[HttpAddress]) -> Option<()> {
    let open = addresses.iter().find(|address| !address.is_local());
    let (Some(address), Some(value)) = (open, listen) else {
        return Some(());
    };
    value.error(Fault::new(
        format!("{address} can be reached from other machines, and tokens would travel in plain text"),
        "set tls_certificate and tls_key, or listen on loopback (\"127.0.0.1:8422\") or a socket (\"unix:http.sock\")",
    ));
    None
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(http: &str) -> Result<Http, String> {
        let config = Config::parse(&format!("[http]\n{http}\n"), Path::new("/etc/opspilot/c.toml"));
        config.map(|config| config.http).map_err(|errors| errors.to_string())
    }

    #[test]
    fn it_is_off_unless_an_address_is_given() {
        assert_eq!(parse("").unwrap().listen, []);
        let http = parse("listen = [\"127.0.0.1:8422\", \"[::1]:8422\", \"unix:http.sock\"]").unwrap();
        assert_eq!(http.listen.len(), 3);
        assert_eq!(http.listen[2], HttpAddress::Unix("/etc/opspilot/http.sock".into()));
    }

    #[test]
    fn what_others_can_reach_is_refused_without_tls_and_the_remedy_is_said() {
        for open in ["0.0.0.0:8422", "10.0.0.1:8422", "[::]:8422", "[::ffff:10.0.0.1]:8422"] {
            let error = parse(&format!("listen = [\"127.0.0.1:1\", \"{open}\"]")).unwrap_err();
            assert!(
                error.contains("plain text") && error.contains("set tls_certificate and tls_key"),
                "{error}"
            );
            assert!(error.contains("c.toml:2"), "{error}");
            let tls = "tls_certificate = \"http.pem\"\ntls_key = \"http.key\"";
            assert!(parse(&format!("listen = [\"{open}\"]\n{tls}")).is_ok(), "{open}");
        }
        assert!(parse("listen = [\"[::ffff:127.0.0.1]:8422\"]").is_ok());
    }

    #[test]
    fn a_certificate_and_its_key_go_together() {
        assert!(parse("tls_key = \"http.key\"").unwrap_err().contains("tls_certificate"));
        assert!(parse("tls_certificate = \"http.pem\"").unwrap_err().contains("tls_key"));
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in ["", "localhost:80", "127.0.0.1", "unix:", "http://127.0.0.1:80"] {
            assert!(parse(&format!("listen = [\"{bad}\"]")).is_err(), "{bad}");
        }
        assert!(parse("requests_per_minute = 0").is_err());
        assert!(parse("lisen = []").unwrap_err().contains("listen"));
    }
}
