//! What a demo is played with: keys, a configuration, and a home for the target with something to lose in it.

use std::fs::{DirBuilder, write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use russh::keys::{PrivateKey, PublicKey};

use super::program::Account;
use crate::cli::client_config::known_hosts_pattern;
use crate::cli::keys::{self, read_private};
use crate::cli::shipped;

/// The bastion's user.
pub(super) const USER: &str = "demo";
/// The target's name.
pub(super) const TARGET: &str = "sandbox";
/// The login on the target.
const LOGIN: &str = "demo";
/// What the target's shell prompts with, on a terminal.
pub(super) const PROMPT: &str = "sandbox:~$ ";

/// Everything that a demo needs, on disk.
pub(super) struct Stage {
    /// The configuration, as a user could have written it.
    pub(super) config: PathBuf,
    /// The user's private key.
    pub(super) user_key: PathBuf,
    /// The bastion's host key, as `ssh` reads it.
    pub(super) known_hosts: PathBuf,
    /// The bastion's host key.
    pub(super) host_key: PublicKey,
    /// The bastion's port on loopback.
    pub(super) port: u16,
    /// The target's account.
    pub(super) home: PathBuf,
}

/// What the target needs to be started.
pub(super) struct TargetParts {
    /// Where it listens, on loopback.
    pub(super) listener: TcpListener,
    /// Its host key.
    pub(super) host_key: PrivateKey,
    /// The bastion's key.
    pub(super) admitted: PublicKey,
    /// Its account.
    pub(super) account: Account,
}

impl Stage {
    /// Writes everything below `dir`, which is empty.
    pub(super) fn set(dir: &Path) -> anyhow::Result<(Self, TargetParts)> {
        let shell = find_bash()?;
        private_dir(&dir.join("keys"))?;
        let home = make_home(&dir.join("home"))?;
        let user_key = dir.join("keys").join(USER);
        let bastion_key = dir.join("ssh_host_ed25519_key");
        let (identity, target_key) = (dir.join("keys/target"), dir.join("keys/sandbox_host"));
        let user_line = keys::generate(&user_key, "opspilot demo")?;
        let bastion_line = keys::generate(&bastion_key, "")?;
        keys::generate(&identity, "opspilot demo bastion")?;
        let target_line = keys::generate(&target_key, "")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
        let (port, target_port) = (free_port()?, listener.local_addr()?.port());
        let config = dir.join("opspilot.toml");
        shipped::write(dir)?;
        write(&config, configuration(port, &user_line, target_port, &target_line))?;
        let known_hosts = dir.join("known_hosts");
        let pattern = known_hosts_pattern("127.0.0.1", port);
        write(&known_hosts, format!("{pattern} {}\n", bastion_line.trim_end()))?;
        let parts = TargetParts {
            listener,
            host_key: read_private(&target_key)?,
            admitted: read_private(&identity)?.public_key().clone(),
            account: Account {
                login: LOGIN,
                home: home.clone(),
                shell,
            },
        };
        let host_key = read_private(&bastion_key)?.public_key().clone();
        let stage = Self {
            config,
            user_key,
            known_hosts,
            host_key,
            port,
            home,
        };
        Ok((stage, parts))
    }

    /// Who connects: the user name for `ssh`.
    pub(super) fn address() -> String {
        format!("{USER}@{TARGET}@127.0.0.1")
    }
}

/// A port that is free now. Messages name the port of the configuration, so it must be known before it is bound.
fn free_port() -> anyhow::Result<u16> {
    let probe = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
    Ok(probe.local_addr()?.port())
}

fn find_bash() -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|dir| dir.join("bash"))
        .find(|file| file.is_absolute() && file.is_file())
        .context("the demo needs bash, and there is none on the PATH; install it first")
}

fn private_dir(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}

/// The target's home: a prompt of its own, and files that risky commands can act on.
fn make_home(home: &Path) -> anyhow::Result<PathBuf> {
    for dir in [home.to_owned(), home.join("releases"), home.join("archive")] {
        private_dir(&dir)?;
    }
    let prompt = format!("PS1='{}'\n", PROMPT.replace('~', "\\w"));
    let files = [
        (".hushlogin", ""),
        (".bash_profile", prompt.as_str()),
        ("customers.csv", "id,name\n1,Ada\n2,Grace\n"),
        ("orders.db", "order 1\norder 2\n"),
        ("releases/1.0.tar", "one\n"),
        ("releases/1.1.tar", "two\n"),
        ("archive/2025.tar", "old\n"),
    ];
    for (name, content) in files {
        write(home.join(name), content).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(home.to_owned())
}

fn configuration(port: u16, user_key: &str, target_port: u16, target_key: &str) -> String {
    format!(
        r#"# The configuration of this demo.

[server]
listen = ["127.0.0.1:{port}"]
public_name = "127.0.0.1"
drain_timeout = "5s"

[risk]
rules = ["rules.toml"]
model = "{model}"

[confirm]
timeout = "120s"

[[users]]
name = "{USER}"
authorized_keys = ["{user_key}"]

[[targets]]
name = "{TARGET}"
address = "127.0.0.1:{target_port}"
login = "{LOGIN}"
identity = "keys/target"
host_key = "{target_key}"
labels = {{ env = "demo" }}

[[policies]]
name = "demo"
users = ["{USER}"]
channels = ["shell", "exec", "sftp", "scp", "rsync", "git"]
low = "allow"
medium = "warn"
high = "confirm"
critical = "deny"
unknown = "confirm"
"#,
        model = shipped::MODEL_SETTING,
        user_key = user_key.trim_end(),
        target_key = target_key.trim_end(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Engine;

    #[test]
    fn the_configuration_loads_without_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let (stage, _) = Stage::set(dir.path()).unwrap();
        let engine = Engine::load(&stage.config).unwrap();
        assert_eq!(engine.config.warnings, []);
        assert_eq!(engine.config.server.listen[0].port(), stage.port);
    }
}
