//! X11: what a program on the target draws, the user's X server shows. Cookies pass as they are: OpenSSH's client makes one up
//! and puts the real one in its place only on its own side.

use std::sync::Arc;

use russh::server::Handle;

use crate::domain::{self, Access, CommandId};

use super::Wish;
use super::invited::{Purpose, Visitor};
use super::visit::{lend, show_in};
use crate::gateway::session::TargetSession;

/// A request of RFC 4254, section 6.3.1.
#[derive(Debug, Clone)]
pub(in crate::gateway) struct X11Request {
    /// Whether only one connection is to be forwarded.
    pub(in crate::gateway) single: bool,
    /// The protocol of authentication.
    pub(in crate::gateway) protocol: String,
    /// What it authenticates with.
    pub(in crate::gateway) cookie: String,
    /// The screen's number.
    pub(in crate::gateway) screen: u32,
}

/// Lets this session's programs show themselves to the user, until it ends; `true` where the target may be asked for it.
pub(in crate::gateway) async fn show(session: &Arc<TargetSession>) -> bool {
    lend(session, Purpose::X11, domain::Channel::X11, admit).await
}

async fn admit(session: Arc<TargetSession>, row: Option<CommandId>, visitor: Visitor) {
    let wish = Wish {
        channel: domain::Channel::X11,
        access: Access::Channel {
            verb: "accept",
            name: "x11".to_owned(),
        },
        parent: row,
    };
    let open = |user: Handle, (host, port): (String, u32)| async move { user.channel_open_x11(host, port).await };
    show_in(&session, wish, visitor, open).await;
}
