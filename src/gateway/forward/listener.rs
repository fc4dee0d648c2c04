//! `ssh -R`: the target listens, and opens a channel for each connection, which is opened to the user in turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::server::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::domain::{self, Access, CommandId};
use crate::gate::Ending;

use super::address::Address;
use super::invited::{Purpose, Visitor};
use super::visit::{show_in, welcome};
use super::{Wish, ended, pass};
use crate::gateway::session::TargetSession;
use crate::gateway::target::Connection;

/// How long a user's connection stands still at most for the answer to `ssh -R`: it includes the connection to the target.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(20);

/// Has the target listen; gives the port, or `None` where it does not. What it does is on record and in the log.
pub(in crate::gateway) async fn listen(session: Arc<TargetSession>, address: Address) -> Option<u16> {
    let (listens, answer) = oneshot::channel();
    session.clone().spawn(serve(session, address, listens));
    timeout(LISTEN_TIMEOUT, answer).await.ok()?.ok()
}

/// Ends a listener; `false` where there is none.
pub(in crate::gateway) fn forget(session: &TargetSession, address: &Address) -> bool {
    session.invited.withdraw(&Purpose::Listener(address.clone()))
}

async fn serve(session: Arc<TargetSession>, address: Address, listens: oneshot::Sender<u16>) {
    let wish = Wish {
        channel: domain::Channel::RemoteForward,
        access: Access::Forward {
            verb: "listen",
            address: address.to_string(),
            from: None,
        },
        parent: None,
    };
    let run = |listens, row| attend(&session, address, row, listens);
    // The protocol has no place for the reason; it is on record and logged.
    if let Err((listens, _reason)) = pass(&session, wish, listens, run).await {
        drop(listens);
    }
}

async fn attend(
    session: &Arc<TargetSession>,
    address: Address,
    row: Option<CommandId>,
    listens: oneshot::Sender<u16>,
) -> Ending {
    let began = Instant::now();
    ended(began, attend_visitors(session, address, row, listens).await.err())
}

/// Attends to visitors until the listener is given up, by the user or with the session.
async fn attend_visitors(
    session: &Arc<TargetSession>,
    address: Address,
    row: Option<CommandId>,
    listens: oneshot::Sender<u16>,
) -> Result<(), String> {
    let purpose = Purpose::Listener(address.clone());
    let mut invitation = session.invited.invite(purpose).map_err(|error| error.to_string())?;
    let connection = session.forwards_connection().await.map_err(|error| error.to_string())?;
    let address = tokio::select! {
        answer = timeout(LISTEN_TIMEOUT, ask(&connection, address)) => {
            let answer = answer.map_err(|_| "the target did not say whether it listens".to_owned())?;
            answer.map_err(|error| error.to_string())?
        }
        () = session.ended.cancelled() => return Err("the session ended before the target listened".to_owned()),
    };
    if let Address::Tcp { port, .. } = address {
        invitation.is_on(port).map_err(|error| error.to_string())?;
    }
    let is_awaited = listens.send(port_of(&address)).is_ok();
    if is_awaited {
        let on = address.clone();
        let attending = welcome(session, &mut invitation, |session, visitor| {
            admit(session, on.clone(), row, visitor)
        });
        tokio::select! {
            () = attending => {}
            () = connection.ended().cancelled() => {}
        }
    }
    // A target whose connection has ended listens no longer by itself.
    if !session.ended.is_cancelled() && !connection.is_closed() {
        give_up(&connection, address).await;
    }
    drop(invitation);
    if is_awaited {
        Ok(())
    } else {
        Err("the target answered too late".to_owned())
    }
}

fn port_of(address: &Address) -> u16 {
    match address {
        Address::Tcp { port, .. } => *port,
        Address::Socket(_) => 0,
    }
}

/// Asks the target to listen; gives the address with the port that it chose.
async fn ask(connection: &Connection, address: Address) -> Result<Address, russh::Error> {
    match address {
        Address::Tcp { host, port } => {
            let chosen = connection.listen_tcp(&host, port).await?;
            Ok(Address::Tcp {
                host,
                port: if port == 0 { chosen } else { port },
            })
        }
        Address::Socket(path) => {
            connection.listen_socket(&path).await?;
            Ok(Address::Socket(path))
        }
    }
}

async fn give_up(connection: &Connection, address: Address) {
    let given_up = async {
        match address {
            Address::Tcp { host, port } => connection.unlisten_tcp(&host, port).await,
            Address::Socket(path) => connection.unlisten_socket(&path).await,
        }
    };
    if !matches!(timeout(LISTEN_TIMEOUT, given_up).await, Ok(Ok(()))) {
        tracing::debug!("a target did not say that it listens no longer");
    }
}

/// Leads one connection to the user.
async fn admit(session: Arc<TargetSession>, address: Address, row: Option<CommandId>, visitor: Visitor) {
    let wish = Wish {
        channel: domain::Channel::RemoteForward,
        access: Access::Forward {
            verb: "accept",
            address: address.to_string(),
            from: origin(&address, &visitor),
        },
        parent: row,
    };
    let open = |user: Handle, (host, port): (String, u32)| async move {
        match address {
            Address::Tcp {
                host: listened,
                port: on,
            } => {
                user.channel_open_forwarded_tcpip(listened, u32::from(on), host, port)
                    .await
            }
            Address::Socket(path) => user.channel_open_forwarded_streamlocal(path).await,
        }
    };
    show_in(&session, wish, visitor, open).await;
}

fn origin(address: &Address, visitor: &Visitor) -> Option<String> {
    let (host, port) = &visitor.from;
    match address {
        Address::Tcp { .. } => Address::listened_on(host, *port).ok().map(|from| from.to_string()),
        Address::Socket(_) => None,
    }
}
