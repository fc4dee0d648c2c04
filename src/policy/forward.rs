//! Where forwards may lead: `forward_to`, and the SSH servers of targets, which they may never lead to.

use std::net::IpAddr;

use crate::config::{Policy, Target, glob_matches};
use crate::domain::{Access, is_step};

use super::destination::{Destination, Host};

/// The port of SSH.
const SSH: u16 = 22;

/// Why the policy's `forward_to` leaves a forward out; `None` where it does not, or the access is no forward.
pub(super) fn objection(policy: &Policy, access: &Access) -> Option<String> {
    let (Access::Forward { address, .. }, Some(patterns)) = (access, &policy.forward_to) else {
        return None;
    };
    let listed = patterns.iter().any(|pattern| covers(pattern, address));
    (!listed).then(|| "its forward_to does not list this".to_owned())
}

/// Whether a pattern covers an address. No pattern covers a path that leads up again: its `*` stands for `/` too. A pattern of
/// numbers stands for addresses only: `10.0.0.*` is not `10.0.0.evil.com`.
fn covers(pattern: &str, address: &str) -> bool {
    let (host, port) = match Destination::parse(address) {
        Destination::Socket(path) => {
            let leads_down = path.split('/').skip(1).all(is_step);
            return pattern.starts_with('/') && leads_down && glob_matches(pattern, &path);
        }
        Destination::Network { host, port } => (host, port),
    };
    let Some((host_pattern, port_pattern)) = pattern.rsplit_once(':') else {
        return false;
    };
    let matches_host = match &host {
        Host::Address(IpAddr::V6(address)) => glob_matches(host_pattern, &format!("[{address}]")),
        Host::Address(IpAddr::V4(address)) => glob_matches(host_pattern, &address.to_string()),
        Host::Name(name) => !is_numeric(host_pattern) && glob_matches(host_pattern, name),
    };
    matches_host && glob_matches(port_pattern, &port)
}

fn is_numeric(pattern: &str) -> bool {
    let numeric = |c: char| c.is_ascii_digit() || ".*?".contains(c);
    pattern.starts_with('[') || (pattern.chars().all(numeric) && pattern.contains(|c: char| c.is_ascii_digit()))
}

/// The target whose SSH server stands at `address`, as seen from the target `here`. Only what the text tells is known: a name
/// that merely resolves to the same host is not found.
#[must_use]
pub fn ssh_target_at<'t>(targets: &'t [Target], here: &'t Target, address: &str) -> Option<&'t Target> {
    let Destination::Network { host, port } = Destination::parse(address) else {
        return None;
    };
    let port = port.parse().ok()?;
    if host.is_local() && (port == SSH || port == here.address.port) {
        return Some(here);
    }
    targets.iter().find(|target| is_at(target, &host, port))
}

fn is_at(target: &Target, host: &Host, port: u16) -> bool {
    let configured = &target.address;
    let known = Host::parse(&configured.host);
    let by_address = known == *host || (known.is_local() && host.is_local());
    let named = std::iter::once(target.name.as_str()).chain(target.aliases.iter().map(String::as_str));
    let by_name = named.map(Host::parse).any(|name| name == *host);
    (by_address && port == configured.port) || (by_name && (port == SSH || port == configured.port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_pattern_covers_the_forms_of_an_address() {
        for (pattern, address, expected) in [
            ("db-1:5432", "db-1:5432", true),
            ("db-1:5432", "DB-1.:5432", true),
            ("db-1:5432", "db-1:5433", false),
            ("db-1:5432", "db-12:5432", false),
            ("*:443", "anything.example.com:443", true),
            ("*:443", "[fd00::1]:443", true),
            ("*:443", "10.0.0.1:4430", false),
            ("10.0.0.*:5432", "10.0.0.7:5432", true),
            ("10.0.0.*:5432", "0xa000007:5432", true),
            ("10.0.0.*:5432", "[::ffff:10.0.0.7]:5432", true),
            ("10.0.0.*:5432", "10.0.0.7.evil.com:5432", false),
            ("10.0.0.*:5432", "10.0.1.7:5432", false),
            ("[fd00::*]:80", "[FD00:0::1]:80", true),
            ("[fd00::*]:80", "fd00::1:80", true),
            ("localhost:*", "localhost:0", true),
            ("localhost:*", "127.0.0.1:80", false),
            ("/run/x.sock", "/run/x.sock", true),
            ("/run/x.sock", "/run/y.sock", false),
            ("/run/app/*", "/run/app/a/x.sock", true),
            ("/run/app/*", "/run/app/../docker.sock", false),
            ("/run/*", "/run//x.sock", false),
            ("/run/*", "/run/./x.sock", false),
            ("*:443", "/run/x:443", false),
            ("/run/*", "run:443", false),
        ] {
            assert_eq!(covers(pattern, address), expected, "{pattern} {address}");
        }
    }

    fn targets() -> Vec<Target> {
        let target = |name: &str, address: &str| {
            format!(
                "[[targets]]\nname = \"{name}\"\naliases = [\"{name}.internal\"]\naddress = \"{address}\"\nlogin = \"deploy\"\n\
                 identity = \"k\"\nhost_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW\"\n"
            )
        };
        let text = target("web-1", "10.0.0.11:22") + &target("db-1", "db.example.com:2200");
        Config::parse(&text, std::path::Path::new("/c.toml")).unwrap().targets
    }

    #[test]
    fn the_ssh_servers_of_targets_are_found_in_every_spelling() {
        let targets = targets();
        let at = |address: &str| ssh_target_at(&targets, &targets[1], address).map(|target| target.name.as_str());
        for web in [
            "10.0.0.11:22",
            "[::ffff:10.0.0.11]:22",
            "167772171:22",
            "0xa.11:22",
            "WEB-1:22",
            "web-1.internal.:22",
        ] {
            assert_eq!(at(web), Some("web-1"), "{web}");
        }
        for db in [
            "db.example.com:2200",
            "DB.example.com.:2200",
            "db-1:22",
            "db-1:2200",
            "localhost:22",
            "127.1:2200",
            "[::1]:22",
        ] {
            assert_eq!(at(db), Some("db-1"), "{db}");
        }
        for other in [
            "10.0.0.11:80",
            "10.0.0.12:22",
            "db-1:5432",
            "localhost:80",
            "/run/web-1:22",
            "web-1:x",
            "web-1",
        ] {
            assert_eq!(at(other), None, "{other}");
        }
    }
}
