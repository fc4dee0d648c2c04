//! `ssh -L` and `-D`: the user opens a channel to an address on the target's side.

use std::sync::Arc;
use std::time::Instant;

use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};

use crate::domain::{self, Access};
use crate::gate::Ending;

use super::address::{Address, AddressError};
use super::pump::{Side, pump};
use super::{OpenError, Wish, ended, ended_after, in_time, pass, prohibited};
use crate::gateway::session::TargetSession;

/// What a user wants to have opened.
struct Wanted {
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
}

/// Connects the user to an address on the target's side, from the decision to the end.
pub(in crate::gateway) async fn connect(
    session: Arc<TargetSession>,
    address: Result<Address, AddressError>,
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
) {
    let address = match address {
        Ok(address) => address,
        Err(error) => return reply.reject(prohibited(&error.to_string())).await,
    };
    let wish = Wish {
        channel: domain::Channel::LocalForward,
        access: Access::Forward {
            verb: "connect",
            address: address.to_string(),
            from: None,
        },
        parent: None,
    };
    let run = |wanted, _row| move_through(&session, address, wanted);
    if let Err((wanted, reason)) = pass(&session, wish, Wanted { channel, reply }, run).await {
        wanted.reply.reject(prohibited(&reason)).await;
    }
}

async fn move_through(session: &Arc<TargetSession>, address: Address, wanted: Wanted) -> Ending {
    let began = Instant::now();
    let connection = match session.forwards_connection().await {
        Ok(connection) => connection,
        Err(error) => {
            wanted.reply.reject(prohibited(&error.to_string())).await;
            return ended(began, Some(error.to_string()));
        }
    };
    let from = session.peer();
    let opening = async move {
        match address {
            Address::Tcp { host, port } => connection.open_tcp(host, port, from).await,
            Address::Socket(path) => connection.open_socket(path).await,
        }
    };
    match in_time(session, opening).await {
        Ok(target) => {
            wanted.reply.accept().await;
            let passed = pump(
                Side::new(wanted.channel, session),
                Side::new(target, session),
                session.over(),
            )
            .await;
            ended_after(passed, began)
        }
        Err(error) => {
            wanted.reply.reject(as_the_target_said(&error)).await;
            ended(began, Some(error.to_string()))
        }
    }
}

/// The failure that the target told, so that clients show what they would without the bastion.
fn as_the_target_said(error: &OpenError) -> ChannelOpenFailure {
    match error {
        OpenError::Refused(russh::Error::ChannelOpenFailure(failure)) => failure.clone(),
        OpenError::Refused(_) | OpenError::TimedOut | OpenError::Ended => ChannelOpenFailure::ConnectFailed,
    }
}
