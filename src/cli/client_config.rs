//! `opspilot client-config`.

use std::process::ExitCode;

use anyhow::Context as _;

use super::ConfigArg;
use super::keys::read_private;
use crate::config::{Config, Server};

/// Arguments of `opspilot client-config`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Prints what an engineer puts in `ssh_config` and `known_hosts`.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let text = render(&config, &host_key_lines(&config.server)?);
    super::print(|out| out.write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

/// The public halves of the host keys, as `type base64`.
fn host_key_lines(server: &Server) -> anyhow::Result<Vec<String>> {
    let lines = server.host_keys.iter().map(|path| {
        let remedy = "host keys are made by the first `opspilot serve`, and read by the user that it runs as";
        let mut key = read_private(path).context(remedy)?.public_key().clone();
        key.set_comment("");
        Ok(key.to_openssh()?.trim_end().to_owned())
    });
    lines.collect()
}

fn render(config: &Config, host_keys: &[String]) -> String {
    let server = &config.server;
    let (name, port) = (&server.public_name, port(server));
    let pattern = known_hosts_pattern(name, port);
    let known_hosts: Vec<_> = host_keys.iter().map(|key| format!("{pattern} {key}")).collect();
    let known_hosts = known_hosts.join("\n");
    format!(
        "# ~/.ssh/known_hosts\n{known_hosts}\n\n\
         # ~/.ssh/config\nHost {name}\n    Port {port}\n\n\
         # Then: ssh USER@TARGET@{name}, or ssh USER@LOGIN@TARGET@{name}; scp -O, rsync and git likewise.\n"
    )
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

    #[test]
    fn both_files_get_their_lines() {
        let dir = tempfile::tempdir().unwrap();
        let line = super::super::keys::generate(&dir.path().join("ssh_host_ed25519_key"), "secret comment").unwrap();
        let text = "[server]\nlisten = [\"0.0.0.0:2222\"]\npublic_name = \"bastion.example\"\n";
        let config = Config::parse(text, &dir.path().join("opspilot.toml")).unwrap();
        let printed = render(&config, &host_key_lines(&config.server).unwrap());
        let key = line.strip_suffix(" secret comment").unwrap();
        assert!(
            printed.contains(&format!("\n[bastion.example]:2222 {key}\n")),
            "{printed}"
        );
        assert!(printed.contains("\nHost bastion.example\n    Port 2222\n"), "{printed}");
    }

    #[test]
    fn the_default_port_is_not_spelt_out() {
        assert_eq!(known_hosts_pattern("b", 22), "b");
        assert_eq!(known_hosts_pattern("::1", 2222), "[::1]:2222");
    }

    #[test]
    fn without_host_keys_it_says_where_they_come_from() {
        let config = Config::parse("", Path::new("/nonexistent/opspilot.toml")).unwrap();
        let error = host_key_lines(&config.server).unwrap_err();
        assert!(format!("{error:#}").contains("opspilot serve"), "{error:#}");
    }
}
