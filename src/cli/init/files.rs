//! What `opspilot init` writes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::answers::Answers;
use crate::cli::keys::{self, write_new};
use crate::cli::shipped;
use crate::config::Config;

/// Where everything goes.
#[derive(Debug)]
pub(super) struct Layout {
    dir: PathBuf,
    pub(super) config: PathBuf,
    host_key: PathBuf,
    host_ca: PathBuf,
    identity: PathBuf,
}

/// What was made besides the configuration.
#[derive(Debug)]
pub(super) struct Made {
    /// The private key for targets.
    pub(super) identity: PathBuf,
    /// Its public half, for the targets' `authorized_keys`.
    pub(super) identity_line: String,
}

impl Layout {
    pub(super) fn new(dir: &Path) -> anyhow::Result<Self> {
        let dir = std::path::absolute(dir).context("the directory's path cannot be resolved")?;
        Ok(Self {
            config: dir.join("opspilot.toml"),
            host_key: dir.join("ssh_host_ed25519_key"),
            host_ca: dir.join("host_ca_ed25519_key"),
            identity: dir.join("keys/target"),
            dir,
        })
    }

    /// Refuses before anything is asked or written where a file is in the way.
    pub(super) fn refuse_existing(&self) -> anyhow::Result<()> {
        let private = [&self.host_key, &self.host_ca, &self.identity];
        let publics = private.map(|path| keys::public_path(path));
        let shipped = shipped::FILES.map(|name| self.dir.join(name));
        let existing = std::iter::once(&self.config)
            .chain(private)
            .chain(&publics)
            .chain(&shipped)
            .find(|path| path.symlink_metadata().is_ok());
        if let Some(path) = existing {
            bail!(
                "{} exists and is not overwritten; choose another directory, or move it away",
                path.display()
            );
        }
        Ok(())
    }
}

/// Writes everything, the configuration last: where that exists, all of it does.
pub(super) fn write(layout: &Layout, answers: &Answers) -> anyhow::Result<Made> {
    let config = render(answers)?;
    // Proven before anything is written: an answer that cannot be used leaves no half-made directory behind.
    Config::parse(&config, &layout.config)?;
    private_dir(&layout.dir)?;
    private_dir(&layout.dir.join("keys"))?;
    keys::generate(&layout.host_key, "opspilot host key")?;
    // What `client-config` prints before the daemon has run for the first time.
    keys::generate(&layout.host_ca, "opspilot host CA")?;
    let identity_line = keys::generate(&layout.identity, "opspilot")?;
    shipped::write(&layout.dir)?;
    write_new(&layout.config, config.as_bytes(), 0o644)?;
    Ok(Made {
        identity: layout.identity.clone(),
        identity_line,
    })
}

fn private_dir(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot make {}", dir.display()))
}

fn render(answers: &Answers) -> anyhow::Result<String> {
    let model = shipped::MODEL_SETTING;
    Ok(format!(
        r#"# opspilot: the configuration that `opspilot init` wrote. Paths are relative to this file.

[server]
listen = ["{listen}"]
public_name = {public_name} # what engineers call this bastion

[risk]
rules = ["rules.toml"]
model = "{model}" # "" for rules only

[[users]]
name = "{user}"
authorized_keys = [{key}]

[[targets]]
name = "{target}"
address = {address}
login = {login}
identity = "keys/target"
host_key = {host_key}

# The first policy whose conditions all hold decides; none matches: everything is denied.
[[policies]]
name = "default"
users = ["{user}"]
channels = ["shell", "exec", "sftp", "scp", "rsync", "git"]
low = "allow"
medium = "warn"
high = "confirm"
critical = "confirm"
unknown = "confirm"                     # the line could not be known
"#,
        listen = answers.listen,
        public_name = quoted(&answers.public_name),
        user = answers.user,
        key = quoted(&answers.key.to_openssh()?),
        target = answers.target,
        address = quoted(&address(answers)),
        login = quoted(&answers.login),
        host_key = quoted(&answers.host_key.to_openssh()?),
    ))
}

fn address(answers: &Answers) -> String {
    let (host, port) = (&answers.address.host, answers.address.port);
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A TOML string, whatever is in it.
fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Address, LoginWith};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";

    fn answers() -> Answers {
        Answers {
            user: "alice".parse().unwrap(),
            key: KEY.parse().unwrap(),
            target: "web-1".parse().unwrap(),
            address: Address {
                host: "fd00::1".into(),
                port: 22,
            },
            login: "CORP\\deploy\"".into(),
            host_key: KEY.parse().unwrap(),
            listen: "127.0.0.1:2222".parse().unwrap(),
            public_name: "bastion.example".into(),
        }
    }

    #[test]
    fn what_is_written_is_what_was_answered() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("new")).unwrap();
        let made = write(&layout, &answers()).unwrap();
        let config = Config::load(&layout.config).unwrap();
        assert_eq!(config.warnings, []);
        assert_eq!(config.users[0].name.as_str(), "alice");
        assert_eq!(config.targets[0].address, answers().address);
        assert_eq!(config.targets[0].login, answers().login);
        assert_eq!(config.targets[0].login_with, LoginWith::Identity(made.identity.clone()));
        assert!(config.server.host_keys[0].is_file() && config.server.host_ca.is_file());
        assert!(made.identity_line.starts_with("ssh-ed25519 "));
    }

    #[test]
    fn nothing_is_overwritten_not_even_a_dangling_link() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path()).unwrap();
        assert!(layout.refuse_existing().is_ok());
        std::os::unix::fs::symlink("/nonexistent/elsewhere", &layout.host_key).unwrap();
        let error = layout.refuse_existing().unwrap_err();
        assert!(error.to_string().contains("ssh_host_ed25519_key exists"), "{error}");
    }

    #[test]
    fn an_answer_that_cannot_be_used_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(&dir.path().join("new")).unwrap();
        let bad = Answers {
            login: "a b".into(),
            ..answers()
        };
        let error = write(&layout, &bad).unwrap_err();
        assert!(error.to_string().contains("targets[0].login"), "{error}");
        assert!(!layout.dir.exists());
    }
}
