//! `forward_to`: where forwards may lead.

use super::document::Fault;

const REMEDY: &str = "give a host and a port, as in \"db-1.internal:5432\", \"10.0.0.*:443\", \"[fd00::1]:443\" or \"*:443\", \
                      or the absolute path of a socket";

/// A pattern of destinations, in lower case but for paths: a host and a port, or the path of a socket.
pub(super) fn pattern(text: &str) -> Result<String, Fault> {
    let fault = || Fault::new(format!("`{text}` is not where a forward could lead"), REMEDY);
    if text.starts_with('/') {
        let is_readable = text.bytes().all(|byte| byte.is_ascii_graphic());
        return is_readable.then(|| text.to_owned()).ok_or_else(fault);
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(fault)?;
    if is_host(host) && is_port(port) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(fault())
    }
}

fn is_host(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').map(|rest| rest.strip_suffix(']'));
    let (inner, more) = match bracketed {
        Some(inner) => (inner.unwrap_or_default(), ":*?."),
        None => (text, "._-*?"),
    };
    !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn is_port(text: &str) -> bool {
    let is_number = text.parse::<u16>().is_ok_and(|port| port.to_string() == text);
    is_number || text == "*"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_host_and_a_port_or_a_path() {
        for good in [
            "db-1:5432",
            "10.0.0.*:5432",
            "*:443",
            "[fd00::1]:443",
            "[::ffff:*]:*",
            "/run/x.sock",
            "*:*",
        ] {
            assert_eq!(pattern(good).unwrap(), good);
        }
        assert_eq!(pattern("DB-1:5432").unwrap(), "db-1:5432");
        assert_eq!(pattern("/run/X.sock").unwrap(), "/run/X.sock");
        for bad in [
            "",
            "db-1",
            "db-1:",
            ":443",
            "db-1:0x10",
            "db-1:70000",
            "fd00::1:443",
            "[]:1",
            "a b:1",
            "/run/a b",
            "run/x",
            "db-1:05432",
            "[a]b:1",
        ] {
            assert!(pattern(bad).is_err(), "{bad:?}");
        }
    }
}
