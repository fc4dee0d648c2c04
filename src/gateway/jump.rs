//! `ProxyJump` seen into: the SSH that somebody speaks through their connection to the console is answered here.
//!
//! The target never sees it, and the bastion sees every command. Who they are is known from outside, so the inner
//! connection takes `none` and its user name is the login.

use std::net::SocketAddr;
use std::sync::Arc;

use russh::server::Msg;
use russh::{Channel, ChannelWriteHalf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::config::Target;
use crate::domain::Name;
use crate::gate::Engine;

use super::address::{Destination, parse_login};
use super::auth::Identity;
use super::authority::certify_host;
use super::client::{Arrival, Client, Life};
use super::intake::Intake;
use super::{LAST_MOMENTS, Shared, converse, jump_stream, ssh};

/// The port that clients ask for when they name none.
const SSH_PORT: u32 = 22;

/// Somebody on their way through the console to a target.
pub(super) struct Jump {
    /// As the outer connection knows them.
    who: Identity,
    target: Name,
    /// Known as soon as the inner connection has named it.
    login: Option<String>,
}

impl Jump {
    /// The way of `who` to a host and port; `None` where it leads to no target that they may reach.
    pub(super) fn to(engine: &Engine, who: &Identity, host: &str, port: u32) -> Option<Self> {
        let target = meant(&engine.config.targets, host, port)?;
        engine.may_reach(&who.user, &target.name).then(|| Self {
            who: who.clone(),
            target: target.name.clone(),
            login: None,
        })
    }

    /// Takes the inner connection's user name; says whether it can be one.
    pub(super) fn name_login(&mut self, login: &str) -> bool {
        self.login = parse_login(login).ok();
        self.login.is_some()
    }

    /// Who they are and where they want to go, once the login is named.
    pub(super) fn identity(&self) -> Option<Identity> {
        let destination = Destination {
            login: Some(self.login.clone()?),
            target: self.target.clone(),
        };
        Some(Identity {
            destination: Some(destination),
            ..self.who.clone()
        })
    }
}

/// The target that a host and port stand for: by its name or an alias, else by its address; never a guess among several.
fn meant<'c>(targets: &'c [Target], host: &str, port: u32) -> Option<&'c Target> {
    // Clients write names in lower case, whatever the configuration does.
    let is = |name: &str| name.eq_ignore_ascii_case(host);
    let ways: [&dyn Fn(&Target) -> bool; 3] = [
        &|target| is(target.name.as_str()) || target.aliases.iter().any(|alias| is(alias)),
        &|target| is(&target.address.host) && port == u32::from(target.address.port),
        &|target| is(&target.address.host) && port == SSH_PORT,
    ];
    let mut found = ways
        .into_iter()
        .map(|way| targets.iter().filter(|target| way(target)).collect::<Vec<_>>());
    match found.find(|found| !found.is_empty())?.as_slice() {
        [only] => (port == SSH_PORT || port == u32::from(only.address.port)).then_some(*only),
        _ => None,
    }
}

/// Speaks SSH on a channel of an outer connection, which has so many open, until either ends; `closed` is cancelled when the
/// channel is.
pub(super) async fn serve(
    shared: Arc<Shared>,
    peer: SocketAddr,
    jump: Jump,
    (channel, open): (Channel<Msg>, usize),
    closed: CancellationToken,
) {
    let (ear, voice) = channel.split();
    let life = Life::within(&closed);
    let intake = Intake::spilling(ear, shared.spill_directory(), open);
    let stream = jump_stream::new(intake, voice.make_writer(), life.ended.clone());
    let config = inner_config(&shared, &jump.target);
    let arrival = Arrival::Jump(Box::new(jump));
    let client = Client::new(shared.clone(), peer, arrival, life.clone());
    // The stream ends with `ended`, so there is nothing else to hang up.
    let hang_up = || life.ended.cancel();
    let (_left, outcome) = converse(config, stream, client, &shared, hang_up).await;
    if let Err(error) = outcome {
        // Clients just leave, which shows as an early end of the stream.
        tracing::debug!(%peer, %error, "an inner connection ended");
    }
    leave(&voice).await;
}

async fn leave(voice: &ChannelWriteHalf<Msg>) {
    let leaving = async {
        voice.eof().await?;
        voice.close().await
    };
    if !matches!(timeout(LAST_MOMENTS, leaving).await, Ok(Ok(()))) {
        tracing::debug!("an outer connection was gone before its channel was closed");
    }
}

/// The settings of the inner side: as outside, but with host certificates for the target's names.
fn inner_config(shared: &Shared, target: &Name) -> Arc<russh::server::Config> {
    let engine = shared.gate.engine();
    let certified = engine.target(target).map(|target| {
        let names: Vec<_> = target.host_names().collect();
        certify_host(&shared.keys.host_ca, &shared.keys.host, &names)
    });
    let certificates = certified.transpose().unwrap_or_else(|error| {
        // Clients that know the plain host key can still come.
        tracing::error!(%error, "cannot sign a host certificate");
        None
    });
    ssh::inner_server_config(
        &engine.config.server,
        shared.keys.host.clone(),
        certificates.unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    use super::*;

    fn targets(tables: &[(&str, &str, &str)]) -> Vec<Target> {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";
        let tables = tables.iter().map(|(name, aliases, address)| {
            format!(
                "[[targets]]\nname = \"{name}\"\naliases = [{aliases}]\naddress = \"{address}\"\nlogin = \"l\"\n\
                 identity = \"i\"\nhost_key = \"{key}\"\n"
            )
        });
        let text: String = tables.collect();
        Config::parse(&text, std::path::Path::new("/opspilot.toml"))
            .unwrap()
            .targets
    }

    #[test]
    fn a_destination_is_a_name_an_alias_or_an_address_at_a_port_of_ssh() {
        let targets = targets(&[
            ("Web-1", "\"web-1.internal\"", "10.0.0.11:2200"),
            ("db-1", "", "[fd00::1]:22"),
        ]);
        for (host, port, expected) in [
            ("web-1", 22, Some("Web-1")),
            ("WEB-1", 2200, Some("Web-1")),
            ("web-1.internal", 22, Some("Web-1")),
            ("10.0.0.11", 22, Some("Web-1")),
            ("10.0.0.11", 2200, Some("Web-1")),
            ("fd00::1", 22, Some("db-1")),
            ("web-1", 80, None),
            ("db-1", 2200, None),
            ("10.0.0.11", 22 + 65536, None),
            ("10.0.0.1", 22, None),
            ("web-2", 22, None),
            ("", 22, None),
            ("127.0.0.1", 22, None),
        ] {
            let found = meant(&targets, host, port).map(|target| target.name.to_string());
            assert_eq!(found.as_deref(), expected, "{host} {port}");
        }
    }

    #[test]
    fn an_address_that_could_be_several_targets_is_none() {
        let targets = targets(&[
            ("a", "", "10.0.0.1:2201"),
            ("b", "", "10.0.0.1:2202"),
            ("10.0.0.2", "", "10.0.0.3:22"),
            ("c", "", "10.0.0.2:22"),
            ("twin", "", "10.0.0.4:22"),
            ("Twin", "", "10.0.0.5:22"),
        ]);
        for (host, port, expected) in [
            ("10.0.0.1", 2201, Some("a")),
            ("10.0.0.1", 2202, Some("b")),
            ("10.0.0.1", 22, None),
            // What is called so goes before what is there.
            ("10.0.0.2", 22, Some("10.0.0.2")),
            ("twin", 22, None),
        ] {
            let found = meant(&targets, host, port).map(|target| target.name.to_string());
            assert_eq!(found.as_deref(), expected, "{host} {port}");
        }
    }
}
