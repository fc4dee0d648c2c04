//! Channels that a target opens to the user: attended to as they come, while the session lasts.

use std::sync::Arc;
use std::time::Instant;

use russh::server::{self, Handle};
use russh::{Channel, ChannelOpenFailure};
use tokio::sync::oneshot;

use crate::domain::{self, Access, CommandId};
use crate::gate::Ending;

use super::invited::{Invitation, Purpose, Visitor};
use super::pump::{Side, pump};
use super::{Wish, ended, ended_after, in_time, pass, prohibited};
use crate::gateway::session::TargetSession;

/// Lends something of the user's to the target until the session ends, once however often it is asked for: what is to be
/// recorded is recorded, and visitors are admitted. `true` where the target may be told.
pub(super) async fn lend<A, F>(
    session: &Arc<TargetSession>,
    purpose: Purpose,
    channel: domain::Channel,
    admit: A,
) -> bool
where
    A: Fn(Arc<TargetSession>, Option<CommandId>, Visitor) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(invitation) = session.invited.invite(purpose) else {
        return true;
    };
    let wish = Wish {
        channel,
        access: Access::Channel {
            verb: "forward",
            name: channel.to_string(),
        },
        parent: None,
    };
    let (lent, answer) = oneshot::channel();
    let lending = session.clone();
    session.spawn(async move {
        let run = |(lent, invitation), row| serve_lent(&lending, lent, invitation, row, admit);
        // Who asked learns it by the answer that does not come.
        if let Err((refused, _reason)) = pass(&lending, wish, (lent, invitation), run).await {
            drop(refused);
        }
    });
    answer.await.is_ok()
}

async fn serve_lent<A, F>(
    session: &Arc<TargetSession>,
    lent: oneshot::Sender<()>,
    mut invitation: Invitation,
    row: Option<CommandId>,
    admit: A,
) -> Ending
where
    A: Fn(Arc<TargetSession>, Option<CommandId>, Visitor) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    if lent.send(()).is_ok() {
        welcome(session, &mut invitation, |session, visitor| {
            admit(session, row, visitor)
        })
        .await;
    }
    ended(began, None)
}

/// Has each visitor admitted in a task of its own, until the invitation is taken back or the session ends.
pub(super) async fn welcome<A, F>(session: &Arc<TargetSession>, invitation: &mut Invitation, admit: A)
where
    A: Fn(Arc<TargetSession>, Visitor) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    loop {
        let visitor = tokio::select! {
            visitor = invitation.next() => visitor,
            () = session.ended.cancelled() => None,
        };
        let Some(visitor) = visitor else { return };
        let Ok(place) = session.visitors.clone().try_acquire_owned() else {
            visitor.reply.reject(ChannelOpenFailure::ResourceShortage).await;
            continue;
        };
        let admitting = Box::pin(admit(session.clone(), visitor));
        let work = session.work();
        session.spawn(async move {
            admitting.await;
            drop(place);
            work.end();
        });
    }
}

/// Leads a visitor to the user, from the decision to the end; `open` opens the channel to the user.
pub(super) async fn show_in<O, F>(session: &Arc<TargetSession>, wish: Wish, visitor: Visitor, open: O)
where
    O: FnOnce(Handle, (String, u32)) -> F + Send,
    F: Future<Output = Result<Channel<server::Msg>, russh::Error>> + Send + 'static,
{
    let run = |visitor, _row| move_through(session, visitor, open);
    if let Err((visitor, reason)) = pass(session, wish, visitor, run).await {
        visitor.reply.reject(prohibited(&reason)).await;
    }
}

async fn move_through<O, F>(session: &Arc<TargetSession>, visitor: Visitor, open: O) -> Ending
where
    O: FnOnce(Handle, (String, u32)) -> F,
    F: Future<Output = Result<Channel<server::Msg>, russh::Error>> + Send + 'static,
{
    let began = Instant::now();
    let Visitor { channel, reply, from } = visitor;
    match in_time(session, open(session.user_handle().clone(), from)).await {
        Ok(user) => {
            reply.accept().await;
            let passed = pump(Side::new(user, session), Side::new(channel, session), session.over()).await;
            ended_after(passed, began)
        }
        Err(error) => {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            ended(began, Some(error.to_string()))
        }
    }
}
