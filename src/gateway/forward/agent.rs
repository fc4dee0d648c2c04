//! The user's agent, lent to the target: it may list keys and sign, and each signature passes the gate and is on record before
//! the agent hears of it.

use std::sync::Arc;
use std::time::Instant;

use russh::{ChannelMsg, ChannelOpenFailure, client, server};

use crate::domain::{self, Access, CommandId};
use crate::gate::{Answer, Asked, Ending, Engine, Intercept, Permit};
use crate::terminal::Question;

use super::agent_protocol::{Messages, ProtocolError, Request, answers, failure, is_failure, signature};
use super::invited::{Purpose, Visitor};
use super::pump::Side;
use super::sign::{Bastion, Claim, describe};
use super::{Wish, ended, in_time, prohibited, submit, visit};
use crate::gateway::intake::Intake;
use crate::gateway::session::TargetSession;

/// Lends the user's agent to the target until the session ends; `true` where the target may be told.
pub(in crate::gateway) async fn lend(session: &Arc<TargetSession>) -> bool {
    visit::lend(session, Purpose::Agent, domain::Channel::Agent, admit).await
}

/// Serves one connection to the agent.
async fn admit(session: Arc<TargetSession>, row: Option<CommandId>, visitor: Visitor) {
    let Visitor { channel, reply, .. } = visitor;
    if !session.permits(domain::Channel::Agent) {
        return reply.reject(prohibited("no policy allows this any longer")).await;
    }
    let user = session.user_handle().clone();
    let agent = match in_time(&session, async move { user.channel_open_agent().await }).await {
        Ok(agent) => Side::new(agent, &session),
        Err(error) => {
            tracing::debug!(%error, "a user's agent was not to be had");
            return reply.reject(ChannelOpenFailure::ConnectFailed).await;
        }
    };
    reply.accept().await;
    let mut relay = Relay {
        session: &session,
        row,
        agent,
        target: Side::new(channel, &session),
        replies: Messages::default(),
        logs_in_here: false,
    };
    if let Err(error) = relay.serve().await {
        tracing::info!(user = %session.user, host = %session.target, %error, "a connection to an agent was cut off");
    }
    relay.agent.close().await;
    relay.target.close().await;
}

/// One connection of a target to the user's agent: a question, an answer, and so on.
struct Relay<'s> {
    session: &'s Arc<TargetSession>,
    row: Option<CommandId>,
    agent: Side<server::Msg>,
    target: Side<client::Msg>,
    replies: Messages,
    /// Whether the target has said that it logs in to this bastion.
    logs_in_here: bool,
}

impl Relay<'_> {
    /// Serves until either side is gone. Never dropped half-way: a signature's row would stay open.
    async fn serve(&mut self) -> Result<(), ProtocolError> {
        let mut requests = Messages::default();
        while let Some(message) = self.next_request(&mut requests).await? {
            let answer = match Request::read(&message) {
                request @ Request::Identities => self.ask(&message, &request).await?,
                Request::Sign { key, data } => self.sign(&message, key, data).await?,
                Request::Bind { host_key } => {
                    self.logs_in_here |= self.bastion(&self.session.gate().engine()).is_host_key(host_key);
                    failure()
                }
                Request::Other => failure(),
            };
            if !self.target.write(answer).await {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn next_request(&mut self, requests: &mut Messages) -> Result<Option<Vec<u8>>, ProtocolError> {
        tokio::select! {
            message = next(&mut self.target.ear, requests) => message,
            () = self.agent.ear.closed().cancelled() => Ok(None),
            () = self.session.ended.cancelled() => Ok(None),
        }
    }

    /// The agent's answer to a request; a failure where it gives none that fits.
    async fn ask(&mut self, message: &[u8], request: &Request<'_>) -> Result<Vec<u8>, ProtocolError> {
        if self.replies.has_begun() {
            return Err(ProtocolError::Unasked);
        }
        if !self.agent.write(message.to_vec()).await {
            return Ok(failure());
        }
        let answer = tokio::select! {
            answer = next(&mut self.agent.ear, &mut self.replies) => answer?,
            () = self.target.ear.closed().cancelled() => None,
            () = self.session.ended.cancelled() => None,
        };
        Ok(answer.filter(|answer| answers(answer, request)).unwrap_or_else(failure))
    }

    /// A signature by the agent, once it is allowed and on record.
    async fn sign(&mut self, message: &[u8], key: &[u8], data: &[u8]) -> Result<Vec<u8>, ProtocolError> {
        let claim = Claim::read(data);
        let wish = Wish {
            channel: domain::Channel::Agent,
            access: Access::Channel {
                verb: "sign",
                name: describe(key, &claim),
            },
            parent: self.row,
        };
        let session = self.session.clone();
        let mut answer = Ok(failure());
        let mut signing = Signing {
            objection: self.objection(key, &claim),
            relay: self,
            message,
            key,
            data,
            answer: &mut answer,
        };
        // The target hears of a refusal as of any agent's.
        if submit(&session, wish, &mut signing).await.is_err() {
            return Ok(failure());
        }
        answer
    }

    fn objection(&self, key: &[u8], claim: &Claim<'_>) -> Option<&'static str> {
        if self.logs_in_here {
            return Some("it would log in to this bastion");
        }
        self.bastion(&self.session.gate().engine()).objection(key, claim)
    }

    fn bastion<'b>(&'b self, engine: &'b Engine) -> Bastion<'b> {
        Bastion {
            host_keys: &self.session.shared.keys.host_blobs,
            users: &engine.config.users,
        }
    }

    /// Whether an answer of the agent's is a signature that may go to the target. One that lets somebody in here is
    /// remembered before the target has it.
    fn releases(&self, answer: &[u8], data: &[u8]) -> bool {
        let engine = self.session.gate().engine();
        let remember = |user: &str| {
            let lent = &self.session.shared.lent;
            lent.remember(user, Instant::now(), engine.config.server.login_grace)
        };
        signature(answer).is_some_and(|signature| {
            self.bastion(&engine)
                .releases(&Claim::read(data), data, signature, remember)
        })
    }
}

/// A signature that is allowed, unless something is known against it.
struct Signing<'r, 's, 'm> {
    relay: &'r mut Relay<'s>,
    message: &'m [u8],
    key: &'m [u8],
    data: &'m [u8],
    objection: Option<&'static str>,
    answer: &'r mut Result<Vec<u8>, ProtocolError>,
}

impl Intercept for Signing<'_, '_, '_> {
    async fn warn(&mut self, _question: &Question) {}

    async fn ask(&mut self, _asked: &Asked) -> Option<Answer> {
        None
    }

    async fn run(&mut self, permit: Permit) -> Ending {
        let began = Instant::now();
        // It stands for the right to do this, and owns no bytes.
        permit.redeem();
        if let Some(why) = self.objection {
            let session = self.relay.session;
            tracing::warn!(user = %session.user, host = %session.target, why, "a signature was refused");
            return ended(began, Some(format!("refused: {why}")));
        }
        let (key, data) = (self.key, self.data);
        let mut answer = self.relay.ask(self.message, &Request::Sign { key, data }).await;
        let is_signed = matches!(&answer, Ok(answer) if !is_failure(answer));
        if let Ok(signed) = &answer
            && is_signed
            && !self.relay.releases(signed, data)
        {
            let session = self.relay.session;
            tracing::warn!(user = %session.user, host = %session.target, "a signature for a login here was held back");
            answer = Ok(failure());
        }
        *self.answer = answer;
        Ending {
            exit_code: Some(i32::from(!is_signed)),
            ..ended(began, None)
        }
    }
}

/// The next whole message; `None` when no more will come.
async fn next(ear: &mut Intake, messages: &mut Messages) -> Result<Option<Vec<u8>>, ProtocolError> {
    loop {
        if let Some(message) = messages.next()? {
            return Ok(Some(message));
        }
        match ear.next().await {
            Some(ChannelMsg::Data { data }) => messages.feed(&data),
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Ok(None),
            Some(_) => {}
        }
    }
}
