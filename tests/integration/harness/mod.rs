//! What the tests stand on: an `sshd` as the target, a bastion in front of it, OpenSSH clients, and the record.

mod askpass;
mod bastion;
pub(crate) mod client;
mod config;
mod delay;
pub(crate) mod http;
mod key;
mod link;
mod process;
pub(crate) mod record;
mod sshd;
mod stream;
mod wait;

pub(crate) use askpass::Askpass;
pub(crate) use bastion::{Bastion, serve};
pub(crate) use client::{Output, Running, SETTLED, Ssh, Terminal};
pub(crate) use config::Config;
pub(crate) use delay::{delayed, lossy};
pub(crate) use http::Api;
pub(crate) use key::Key;
pub(crate) use link::Link;
pub(crate) use process::{Child, opspilot};
pub(crate) use record::Row;
pub(crate) use sshd::Sshd;
pub(crate) use stream::Stream;
pub(crate) use wait::{DEADLINE, eventually, free_port, pause};

/// The prompt of the target's interactive bash.
pub(crate) const READY: &str = "ready> ";

/// A command that every rule set must ask about, and that does no harm when it runs: the directory does not exist.
pub(crate) const RISKY: &str = "rm -rf /etc/nothing-of-this-name";

/// A bastion in front of a target, as nearly every test needs them; dropped in the order of the fields.
pub(crate) struct World {
    /// The bastion.
    pub(crate) bastion: Bastion,
    /// Its target `web-1`.
    pub(crate) target: Sshd,
}

impl World {
    /// The ordinary configuration.
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// The ordinary configuration after `change`.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::on(Sshd::start(), change)
    }

    /// The ordinary configuration after `change`, in front of `target`.
    pub(crate) fn on(target: Sshd, change: impl FnOnce(&mut Config)) -> Self {
        let bastion = Bastion::start(&target, change);
        Self { bastion, target }
    }

    /// An `ssh` to `web-1` as alice.
    pub(crate) fn alice(&self) -> Ssh {
        self.bastion.ssh("alice@web-1")
    }

    /// An interactive shell on `web-1` as alice, at its first prompt.
    pub(crate) fn shell(&self) -> Terminal {
        let mut terminal = self.alice().terminal("");
        terminal.expect(READY);
        terminal
    }

    /// Runs `confirm CODE` at the console as `user`.
    pub(crate) fn confirm(&self, user: &str, code: &str) -> Output {
        self.bastion.ssh(user).run(format!("confirm {code}"))
    }

    /// The path of a file in the target's home that does not exist yet: what a command leaves as its trace.
    pub(crate) fn trace(&self, name: &str) -> std::path::PathBuf {
        self.target.home().join(name)
    }
}
