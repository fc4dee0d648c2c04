//! What `opspilot init` must know: given as options, or asked for.

use std::fmt::Display;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use russh::keys::{HashAlg, PublicKey};

use super::scan;
use crate::config::Address;
use crate::domain::{Name, printable};

/// The largest file that is taken for a public key, in bytes.
const MAX_KEY_FILE: u64 = 64 * 1024;

/// What was given as options.
#[derive(Debug, clap::Args)]
pub(super) struct Given {
    /// Who will log in
    #[arg(long, value_name = "NAME")]
    user: Option<Name>,
    /// Their public key: a file, or the line itself
    #[arg(long, value_name = "FILE|LINE")]
    key: Option<String>,
    /// The name of the first target
    #[arg(long, value_name = "NAME")]
    target: Option<Name>,
    /// Where the target listens
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// As whom the bastion logs in there
    #[arg(long, value_name = "LOGIN")]
    login: Option<String>,
    /// The target's host key: a line of its .pub file, or as ssh-keyscan prints it
    #[arg(long, value_name = "LINE", conflicts_with = "scan")]
    host_key: Option<String>,
    /// Fetch the target's host key and show its fingerprint
    #[arg(long)]
    scan: bool,
    /// The fingerprint that --scan must find; without it, you are asked
    #[arg(long, value_name = "SHA256:...", requires = "scan")]
    accept_host_key: Option<String>,
    /// Where the bastion listens
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:2222")]
    listen: SocketAddr,
    /// What engineers call the bastion
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    public_name: String,
}

/// Everything that is to be known.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) user: Name,
    pub(super) key: PublicKey,
    pub(super) target: Name,
    pub(super) address: Address,
    pub(super) login: String,
    pub(super) host_key: PublicKey,
    pub(super) listen: SocketAddr,
    pub(super) public_name: String,
}

/// Completes what was given by asking.
pub(super) fn complete(given: Given) -> anyhow::Result<Answers> {
    let key = |text: &str| public_key(text);
    let user = given_or_asked(given.user, "--user", "Your name here, as in ssh NAME@...")?;
    let key = match given.key {
        Some(text) => key(&text).context("--key")?,
        None => ask("--key", "Your public key (a .pub file, or the line itself)", key)?,
    };
    let target = given_or_asked(given.target, "--target", "A name for the first target")?;
    let address = given_or_asked(given.address, "--address", "Where it listens (HOST:PORT)")?;
    let login = match given.login {
        Some(login) => login,
        None => ask("--login", "As whom to log in there", |text| Ok(text.to_owned()))?,
    };
    let host_key = match given.host_key {
        Some(line) => host_key_line(&line).context("--host-key")?,
        None => scanned(&address, given.scan, given.accept_host_key.as_deref())?,
    };
    Ok(Answers {
        user,
        key,
        target,
        address,
        login,
        host_key,
        listen: given.listen,
        public_name: given.public_name,
    })
}

fn given_or_asked<T>(given: Option<T>, option: &str, question: &str) -> anyhow::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match given {
        Some(value) => Ok(value),
        None => ask(option, question, |text| Ok(text.parse()?)),
    }
}

/// Asks until the answer can be used.
fn ask<T>(option: &str, question: &str, parse: impl Fn(&str) -> anyhow::Result<T>) -> anyhow::Result<T> {
    if !io::stdin().is_terminal() {
        bail!("{option} is missing, and standard input is no terminal to ask on");
    }
    loop {
        let answer = prompt(question)?;
        match parse(&answer) {
            Ok(value) if !answer.is_empty() => return Ok(value),
            Ok(_) => {}
            Err(error) => say(&format!("{error:#}"))?,
        }
    }
}

fn prompt(question: &str) -> anyhow::Result<String> {
    let mut err = io::stderr().lock();
    write!(err, "{question}: ")?;
    err.flush()?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line)? == 0 {
        bail!("standard input ended; nothing was written");
    }
    Ok(line.trim().to_owned())
}

fn say(text: &dyn Display) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{}", printable(&text.to_string()))
}

/// A public key given as its line, or as the file that holds it.
fn public_key(text: &str) -> anyhow::Result<PublicKey> {
    if let Ok(key) = PublicKey::from_openssh(text.trim()) {
        return Ok(key);
    }
    let path = Path::new(text);
    let size = std::fs::metadata(path)
        .with_context(|| format!("`{text}` is neither a public key nor a file that can be read"))?
        .len();
    if size > MAX_KEY_FILE {
        bail!("{text} is too large for a public key");
    }
    let content = std::fs::read_to_string(path).with_context(|| format!("cannot read {text}"))?;
    if content.contains("PRIVATE KEY") {
        bail!("{text} is the private key; give the public half, {text}.pub");
    }
    PublicKey::from_openssh(content.trim()).with_context(|| format!("{text} is not one public key"))
}

/// A host key as in a `.pub` file, or after a host name as `ssh-keyscan` prints it.
fn host_key_line(line: &str) -> anyhow::Result<PublicKey> {
    let line = line.trim();
    let after_host = line.split_once(' ').map_or(line, |(_, rest)| rest);
    PublicKey::from_openssh(line)
        .or_else(|_| PublicKey::from_openssh(after_host))
        .context("not a host key; give \"ssh-ed25519 AAAA...\", as `ssh-keyscan -t ed25519 HOST` prints it")
}

/// The target's host key as it presents it, once somebody has said that it is the right one.
fn scanned(address: &Address, scan: bool, accepted: Option<&str>) -> anyhow::Result<PublicKey> {
    let (host, port) = (&address.host, address.port);
    if !scan && !io::stdin().is_terminal() {
        bail!(
            "--host-key is missing: give the line that `ssh-keyscan -t ed25519 -p {port} {host}` prints once you have \
             compared it, or --scan --accept-host-key SHA256:..."
        );
    }
    let key = scan::host_key(address)?;
    let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
    match accepted {
        Some(accepted) if accepted == fingerprint => Ok(key),
        Some(accepted) => bail!("{host}:{port} presents {fingerprint}, not {accepted}: find out why before you go on"),
        None => confirmed(key, address, &fingerprint),
    }
}

fn confirmed(key: PublicKey, address: &Address, fingerprint: &str) -> anyhow::Result<PublicKey> {
    let (host, port) = (&address.host, address.port);
    if !io::stdin().is_terminal() {
        bail!("{host}:{port} presents {fingerprint}; if that is right, add --accept-host-key {fingerprint}");
    }
    say(&format!(
        "{host}:{port} presents the {} host key\n  {fingerprint}",
        key.algorithm()
    ))?;
    say(&"Compare it there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")?;
    match prompt("Is it the same? (yes/no)")?.as_str() {
        "yes" | "y" => Ok(key),
        _ => bail!("the host key was not accepted; nothing was written"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";

    #[test]
    fn a_key_is_a_line_or_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("id.pub");
        std::fs::write(&file, format!("{KEY} me\n")).unwrap();
        let from_line = public_key(KEY).unwrap();
        let from_file = public_key(file.to_str().unwrap()).unwrap();
        assert_eq!(from_line.key_data(), from_file.key_data());
        assert!(public_key("/nonexistent").is_err());
    }

    #[test]
    fn the_private_half_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("id");
        std::fs::write(&file, "-----BEGIN OPENSSH PRIVATE KEY-----\n").unwrap();
        let error = public_key(file.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains("id.pub"), "{error}");
    }

    #[test]
    fn a_host_key_may_be_pasted_from_a_scan() {
        let plain = host_key_line(KEY).unwrap();
        assert_eq!(host_key_line(&format!("[h]:2200 {KEY}")).unwrap(), plain);
        assert!(host_key_line("h").is_err());
        assert!(host_key_line("# h:22 SSH-2.0").is_err());
    }
}
