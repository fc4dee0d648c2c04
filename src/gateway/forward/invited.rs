//! What a target may open channels to the user for: only what this session has asked it to. Everything else is refused
//! where it arrives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::client::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::mpsc;

use super::address::Address;
use super::prohibited;

/// Addresses that one session may have listened on at once.
const MAX_LISTENERS: usize = 16;
/// Channels of one kind that wait to be attended to.
const MAX_WAITING: usize = 16;

/// What a channel is opened for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::gateway) enum Purpose {
    /// A connection to an address that is listened on.
    Listener(Address),
    /// The user's agent.
    Agent,
    /// The user's X server.
    X11,
}

/// A channel that a target wants to open.
pub(in crate::gateway) struct Visitor {
    /// The channel; nothing may be sent on it before it was accepted.
    pub(in crate::gateway) channel: Channel<Msg>,
    /// Where the target is told.
    pub(in crate::gateway) reply: ChannelOpenHandle,
    /// Where the connection comes from, by the target's account: a host and a port.
    pub(in crate::gateway) from: (String, u32),
}

/// Who is invited, and who attends to them.
#[derive(Clone, Default)]
pub(in crate::gateway) struct Invited {
    // A std mutex: held for map operations, never across an await.
    hosts: Arc<Mutex<Hosts>>,
}

/// Who attends to what; nobody any longer to a purpose that is still being wound up.
type Hosts = HashMap<Purpose, Option<mpsc::Sender<Visitor>>>;

/// Why nobody can be invited for a purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InviteError {
    #[error("it is listened on already")]
    Taken,
    #[error("{MAX_LISTENERS} addresses are listened on already")]
    TooMany,
}

/// Receives the visitors for one purpose. Nobody is invited for it any longer once this is dropped, and nobody can be again
/// before.
pub(super) struct Invitation {
    purpose: Purpose,
    invited: Invited,
    visitors: mpsc::Receiver<Visitor>,
}

impl Invited {
    /// Invites for a purpose, once.
    pub(super) fn invite(&self, purpose: Purpose) -> Result<Invitation, InviteError> {
        let mut hosts = self.lock();
        if hosts.contains_key(&purpose) {
            return Err(InviteError::Taken);
        }
        let is_listener = |purpose: &Purpose| matches!(purpose, Purpose::Listener(_));
        if is_listener(&purpose) && hosts.keys().filter(|other| is_listener(other)).count() >= MAX_LISTENERS {
            return Err(InviteError::TooMany);
        }
        let (host, visitors) = mpsc::channel(MAX_WAITING);
        hosts.insert(purpose.clone(), Some(host));
        Ok(Invitation {
            purpose,
            invited: self.clone(),
            visitors,
        })
    }

    /// Leads a visitor to who invited them, or refuses them.
    pub(in crate::gateway) async fn visit(&self, purpose: &Purpose, visitor: Visitor) {
        let host = self.host(purpose);
        let Some(host) = host else {
            tracing::info!(?purpose, "a target wanted to open a channel that nobody asked for");
            return visitor.reply.reject(prohibited("nobody asked for this")).await;
        };
        if let Err(mpsc::error::TrySendError::Full(visitor) | mpsc::error::TrySendError::Closed(visitor)) =
            host.try_send(visitor)
        {
            visitor.reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
    }

    /// Takes an invitation back; `false` where there was none.
    pub(super) fn withdraw(&self, purpose: &Purpose) -> bool {
        self.lock().get_mut(purpose).and_then(Option::take).is_some()
    }

    /// Who attends to a purpose. Servers differ in the address that they tell of a listener, and the port of one is not known
    /// to us before they have told it.
    fn host(&self, purpose: &Purpose) -> Option<mpsc::Sender<Visitor>> {
        let hosts = self.lock();
        let on_port = |wanted: u16| {
            let is_on =
                |purpose: &Purpose| matches!(purpose, Purpose::Listener(Address::Tcp { port, .. }) if *port == wanted);
            hosts.iter().find(|(purpose, _)| is_on(purpose)).map(|(_, host)| host)
        };
        let found = match purpose {
            Purpose::Listener(Address::Tcp { port, .. }) => {
                hosts.get(purpose).or_else(|| on_port(*port)).or_else(|| on_port(0))
            }
            Purpose::Listener(Address::Socket(_)) | Purpose::Agent | Purpose::X11 => hosts.get(purpose),
        };
        found.cloned().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Invitation {
    /// The next visitor; `None` when the invitation was taken back.
    pub(super) async fn next(&mut self) -> Option<Visitor> {
        self.visitors.recv().await
    }

    /// Takes note of the port that the target chose, for a listener that left it the choice.
    ///
    /// # Errors
    /// This session has something else listen there already, so the target lies.
    pub(super) fn is_on(&mut self, chosen: u16) -> Result<(), InviteError> {
        let Purpose::Listener(Address::Tcp { host, port: 0 }) = &self.purpose else {
            return Ok(());
        };
        let chosen = Purpose::Listener(Address::Tcp {
            host: host.clone(),
            port: chosen,
        });
        let mut hosts = self.invited.lock();
        if hosts.contains_key(&chosen) {
            return Err(InviteError::Taken);
        }
        let host = hosts.remove(&self.purpose).flatten();
        hosts.insert(chosen.clone(), host);
        drop(hosts);
        self.purpose = chosen;
        Ok(())
    }
}

impl Drop for Invitation {
    fn drop(&mut self) {
        self.invited.lock().remove(&self.purpose);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(host: &str, port: u16) -> Purpose {
        Purpose::Listener(Address::Tcp {
            host: host.to_owned(),
            port,
        })
    }

    #[test]
    fn only_what_was_asked_for_is_attended_to() {
        let invited = Invited::default();
        let invitation = invited.invite(listener("localhost", 80)).unwrap();
        assert!(invited.host(&listener("localhost", 80)).is_some());
        assert!(
            invited.host(&listener("127.0.0.1", 80)).is_some(),
            "as other servers tell it"
        );
        for other in [listener("localhost", 81), Purpose::Agent, Purpose::X11] {
            assert!(invited.host(&other).is_none(), "{other:?}");
        }
        drop(invitation);
        assert!(invited.host(&listener("localhost", 80)).is_none());
    }

    #[test]
    fn a_port_of_the_targets_choice_is_known_before_and_after_it_is_told() {
        let invited = Invited::default();
        let mut invitation = invited.invite(listener("localhost", 0)).unwrap();
        assert!(invited.host(&listener("localhost", 4000)).is_some(), "before");
        invitation.is_on(4000).unwrap();
        assert!(invited.host(&listener("localhost", 4000)).is_some(), "after");
        assert!(invited.host(&listener("localhost", 4001)).is_none(), "no other");
        let mut second = invited.invite(listener("localhost", 0)).unwrap();
        assert_eq!(second.is_on(4000), Err(InviteError::Taken));
        drop(second);
        assert!(invited.host(&listener("localhost", 4000)).is_some(), "the first stays");
        drop(invitation);
        assert!(invited.lock().is_empty());
    }

    #[test]
    fn what_is_given_up_is_free_again_only_when_it_was_wound_up() {
        let invited = Invited::default();
        let invitation = invited.invite(listener("", 80)).unwrap();
        assert!(invited.withdraw(&listener("", 80)));
        assert!(!invited.withdraw(&listener("", 80)), "twice");
        assert!(invited.host(&listener("", 80)).is_none());
        assert_eq!(invited.invite(listener("", 80)).err(), Some(InviteError::Taken));
        drop(invitation);
        assert!(invited.invite(listener("", 80)).is_ok());
    }

    #[test]
    fn listeners_are_bounded_and_never_the_same() {
        let invited = Invited::default();
        let kept: Vec<_> = (1..=MAX_LISTENERS)
            .map(|port| invited.invite(listener("", u16::try_from(port).unwrap())).unwrap())
            .collect();
        assert_eq!(invited.invite(listener("", 1)).err(), Some(InviteError::Taken));
        assert_eq!(invited.invite(listener("", 1000)).err(), Some(InviteError::TooMany));
        assert!(invited.invite(Purpose::Agent).is_ok(), "no listener");
        drop(kept);
        assert!(invited.invite(listener("", 1000)).is_ok());
    }
}
