//! `opspilot client-config`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use super::ConfigArg;
use super::keys::read_private;
use crate::config::{Config, LoginWith, Server, Target};

/// Arguments of `opspilot client-config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Prints what an engineer puts in `ssh_config` and `known_hosts`.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let keys = PublicKeys::read(&config.server)?;
    super::print(|out| write!(out, "{}\n{}", known_hosts(&config, &keys), ssh_config(&config)))?;
    Ok(ExitCode::SUCCESS)
}

/// The public halves of the bastion's keys, as `type base64`.
struct PublicKeys {
    host: Vec<String>,
    host_ca: String,
}

impl PublicKeys {
    fn read(server: &Server) -> anyhow::Result<Self> {
        let line = |path: &PathBuf| {
            let remedy =
                "the bastion's keys are made by the first `opspilot serve`, and read by the user that it runs as";
            let mut key = read_private(path).context(remedy)?.public_key().clone();
            key.set_comment("");
            anyhow::Ok(key.to_openssh()?.trim_end().to_owned())
        };
        Ok(Self {
            host: server.host_keys.iter().map(line).collect::<Result<_, _>>()?,
            host_ca: line(&server.host_ca)?,
        })
    }
}

/// Lines for `known_hosts`: the host CA for the targets and nobody else, and the bastion's own keys.
fn known_hosts(config: &Config, keys: &PublicKeys) -> String {
    let server = &config.server;
    let bastion = known_hosts_pattern(&server.public_name, port(server));
    let targets = target_patterns(config);
    let mut lines = vec!["# ~/.ssh/known_hosts".to_owned()];
    if !targets.is_empty() {
        lines.push(format!("@cert-authority {targets} {} opspilot-host-ca", keys.host_ca));
    }
    lines.extend(keys.host.iter().map(|key| format!("{bastion} {key}")));
    if !targets.is_empty() {
        lines.push("# Instead of the @cert-authority line, for a client that takes no host certificates:".to_owned());
        lines.extend(keys.host.iter().map(|key| format!("# {targets} {key}")));
    }
    lines.join("\n") + "\n"
}

/// How `known_hosts` names the targets, as `ssh -J` may ask for them; never a pattern that matches anything else.
fn target_patterns(config: &Config) -> String {
    let names = config.targets.iter().flat_map(|target| {
        let port = target.address.port;
        let names = target.host_names().map(str::to_ascii_lowercase);
        names.flat_map(move |name| [known_hosts_pattern(&name, port), name])
    });
    let mut patterns: Vec<String> = Vec::new();
    for name in names {
        if !patterns.contains(&name) {
            patterns.push(name);
        }
    }
    patterns.join(",")
}

/// Blocks for `ssh_config`: the bastion, and the targets by it.
fn ssh_config(config: &Config) -> String {
    let server = &config.server;
    let bastion = &server.public_name;
    let mut blocks = vec![format!(
        "# ~/.ssh/config\nHost {bastion}\n    Port {}\n    # User NAME, where yours on the bastion is not your local one",
        port(server)
    )];
    blocks.extend(by_login(config).into_iter().map(|(names, target)| {
        let forward = if target.login_with == LoginWith::Agent {
            "\n    ForwardAgent yes"
        } else {
            ""
        };
        let (hosts, login) = (names.join(" "), &target.login);
        format!("Host {hosts}\n    ProxyJump {bastion}\n    User {login}{forward}")
    }));
    blocks.push(format!(
        "# Then: ssh TARGET, or ssh LOGIN@TARGET, as if there were no bastion; scp -O, rsync and git likewise.\n\
         # Without these blocks: ssh USER@TARGET@{bastion}, or ssh USER@LOGIN@TARGET@{bastion}.\n"
    ));
    blocks.join("\n\n")
}

/// The names of the targets, those with the same login and way to log in together, each with one of them.
fn by_login(config: &Config) -> Vec<(Vec<&str>, &Target)> {
    let mut groups: Vec<(Vec<&str>, &Target)> = Vec::new();
    for target in &config.targets {
        let block = |other: &Target| (other.login.clone(), other.login_with == LoginWith::Agent);
        let names = std::iter::once(target.name.as_str()).chain(target.aliases.iter().map(String::as_str));
        // A block for the bastion's own name would send it through itself.
        let names: Vec<_> = names
            .filter(|name| !name.eq_ignore_ascii_case(&config.server.public_name))
            .collect();
        match groups.iter_mut().find(|(_, other)| block(other) == block(target)) {
            Some((hosts, _)) => hosts.extend(names),
            None if names.is_empty() => {}
            None => groups.push((names, target)),
        }
    }
    groups
}

/// The port of the first address that the bastion listens on.
fn port(server: &Server) -> u16 {
    server.listen.first().map_or(22, std::net::SocketAddr::port)
}

/// How `known_hosts` names a host at a port.
pub(super) fn known_hosts_pattern(name: &str, port: u16) -> String {
    if port == 22 {
        name.to_owned()
    } else {
        format!("[{name}]:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const TARGETS: &str = "\
[server]
listen = [\"0.0.0.0:2222\"]
public_name = \"bastion.example\"
[[targets]]
name = \"web-1\"
aliases = [\"Web-1.internal\"]
address = \"10.0.0.11:2200\"
login = \"deploy\"
identity = \"k\"
host_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW\"
[[targets]]
name = \"db-1\"
aliases = [\"bastion.example\"]
address = \"[fd00::1]:22\"
login = \"deploy\"
certificate = true
host_ca = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW\"
[[targets]]
name = \"own-key\"
address = \"10.0.0.11:22\"
login = \"deploy\"
agent = true
host_ca = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW\"
";

    fn config() -> Config {
        Config::parse(TARGETS, Path::new("/opspilot.toml")).unwrap()
    }

    #[test]
    fn the_host_ca_is_trusted_for_the_targets_and_for_nothing_else() {
        let keys = PublicKeys {
            host: vec!["ssh-ed25519 HOST".to_owned()],
            host_ca: "ssh-ed25519 CA".to_owned(),
        };
        let names = "[web-1]:2200,web-1,[web-1.internal]:2200,web-1.internal,[10.0.0.11]:2200,10.0.0.11,\
                     db-1,bastion.example,fd00::1,own-key";
        assert_eq!(
            known_hosts(&config(), &keys),
            format!(
                "# ~/.ssh/known_hosts\n@cert-authority {names} ssh-ed25519 CA opspilot-host-ca\n\
                 [bastion.example]:2222 ssh-ed25519 HOST\n\
                 # Instead of the @cert-authority line, for a client that takes no host certificates:\n\
                 # {names} ssh-ed25519 HOST\n"
            )
        );
        let nobody = Config::parse("", Path::new("/opspilot.toml")).unwrap();
        assert_eq!(
            known_hosts(&nobody, &keys),
            "# ~/.ssh/known_hosts\n[localhost]:2222 ssh-ed25519 HOST\n"
        );
    }

    #[test]
    fn targets_are_reached_by_the_bastion_as_their_login() {
        let text = ssh_config(&config());
        assert!(text.contains("\nHost bastion.example\n    Port 2222\n"), "{text}");
        let block = "\n\nHost web-1 Web-1.internal db-1\n    ProxyJump bastion.example\n    User deploy\n\n";
        assert!(text.contains(block), "{text}");
        let block = "\n\nHost own-key\n    ProxyJump bastion.example\n    User deploy\n    ForwardAgent yes\n\n";
        assert!(text.contains(block), "{text}");
    }

    #[test]
    fn keys_are_shown_without_their_comments_and_never_the_private_half() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| super::super::keys::generate(&dir.path().join(name), "secret comment").unwrap();
        let (host, host_ca) = (make("ssh_host_ed25519_key"), make("host_ca_ed25519_key"));
        let config = Config::parse("", &dir.path().join("opspilot.toml")).unwrap();
        let keys = PublicKeys::read(&config.server).unwrap();
        assert_eq!(Some(keys.host[0].as_str()), host.strip_suffix(" secret comment"));
        assert_eq!(Some(keys.host_ca.as_str()), host_ca.strip_suffix(" secret comment"));
    }

    #[test]
    fn the_default_port_is_not_spelt_out() {
        assert_eq!(known_hosts_pattern("b", 22), "b");
        assert_eq!(known_hosts_pattern("::1", 2222), "[::1]:2222");
    }

    #[test]
    fn without_host_keys_it_says_where_they_come_from() {
        let config = Config::parse("", Path::new("/nonexistent/opspilot.toml")).unwrap();
        let error = PublicKeys::read(&config.server).err().unwrap();
        assert!(format!("{error:#}").contains("opspilot serve"), "{error:#}");
    }
}
