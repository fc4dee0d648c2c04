//! What a client asks for beside its programs.

use std::sync::Arc;

use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelId, ChannelOpenFailure};

use super::Client;
use crate::config::Restrictions;
use crate::domain;
use crate::gateway::channel::Purpose;
use crate::gateway::drain::LEAVING;
use crate::gateway::forward::{self, Address, AddressError};
use crate::gateway::session::TargetSession;

impl Client {
    /// The session that forwards go through, or why there is none.
    fn forwards_through(&self) -> Result<Arc<TargetSession>, &str> {
        if self.shared.drain.has_begun() {
            return Err(LEAVING);
        }
        match &self.purpose {
            Some(Purpose::Target(_)) if self.restricts(|who| who.no_port_forwarding) => {
                Err("what you logged in with does not permit forwarding")
            }
            Some(Purpose::Target(session)) => Ok(session.clone()),
            Some(Purpose::Console(_)) => Err("the console forwards nothing; name a target: USER@TARGET@bastion"),
            Some(Purpose::Refuse(reason)) => Err(reason),
            Some(Purpose::Fail(reason)) => Err(reason),
            None => Err("not authenticated"),
        }
    }

    /// Connects a channel to an address on the target's side, in a task of its own.
    pub(super) async fn connect(
        &mut self,
        address: Result<Address, AddressError>,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
    ) {
        let session = match self.forwards_through() {
            Ok(session) => session,
            Err(reason) => return reply.reject(forward::prohibited(reason)).await,
        };
        // Nothing else may be asked for on it.
        let Some(over) = self.enter(channel.id(), true) else {
            return reply.reject(ChannelOpenFailure::ResourceShortage).await;
        };
        self.spawn(over, self.work(), forward::connect(session, address, channel, reply));
    }

    /// Has the target listen; gives the port.
    pub(super) async fn listen(&self, address: Result<Address, AddressError>) -> Option<u16> {
        match (self.forwards_through(), address) {
            (Ok(session), Ok(address)) => forward::listen(session, address).await,
            (refused, address) => {
                let address = address.err();
                tracing::info!(peer = %self.peer, refused = refused.err(), ?address, "a remote forward is refused");
                None
            }
        }
    }

    /// Has the target listen no longer; `false` where it did not.
    pub(super) fn forget(&self, address: Result<Address, AddressError>) -> bool {
        match (self.forwards_through(), address) {
            (Ok(session), Ok(address)) => forward::forget(&session, &address),
            _ => false,
        }
    }

    /// Whether the user's agent is taken: to be lent to what will run in a channel, or to log in to the target with.
    pub(super) fn lends_agent(&self, channel: ChannelId) -> bool {
        if self.restricts(|who| who.no_agent_forwarding) || !self.channels.contains_key(&channel) {
            return false;
        }
        let logs_in = matches!(&self.purpose, Some(Purpose::Target(session)) if session.offer_agent());
        self.lends(channel, domain::Channel::Agent) || logs_in
    }

    /// Whether the user's display may be lent to what will run in a channel.
    pub(super) fn lends_display(&self, channel: ChannelId) -> bool {
        !self.restricts(|who| who.no_x11_forwarding) && self.lends(channel, domain::Channel::X11)
    }

    /// Whether something may be lent to what will run in a channel. The channel's task puts it on record.
    fn lends(&self, channel: ChannelId, what: domain::Channel) -> bool {
        let is_waiting = self.channels.get(&channel).is_some_and(|opened| !opened.started);
        is_waiting && self.purpose.as_ref().is_some_and(|purpose| purpose.lends(what))
    }

    /// Whether what the user logged in with does not permit something.
    fn restricts(&self, what: impl Fn(&Restrictions) -> bool) -> bool {
        self.identity.as_ref().is_none_or(|who| what(&who.restrictions))
    }
}
