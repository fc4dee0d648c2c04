//! Both directions of the subsystem, moved by what its conversation says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use russh::ChannelMsg;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use crate::domain::{Access, Channel, CommandId, printable_line};
use crate::gate::{Answer, Ending, Observer, Refusal, Request, Submission};
use crate::sftp::{Conversation, Effect, Ended, Fault, Ticket};
use crate::terminal::prompt;

use super::super::heard::Heard;
use super::super::intake::Intake;
use super::super::session::{LAST_WORDS, TargetSession};
use super::super::submitted::{Order, Running, Submitted};
use super::super::target_channel::{TargetChannel, TargetEar};
use super::super::target_writer::TargetWriter;
use super::super::user::Voice;
use super::block;
use super::outbox::{Outbox, outbox};

/// Orders of the gate that wait.
const ORDERS: usize = 64;
/// Reasons of refusals that are told; each is told once.
const MAX_REASONS: usize = 16;

/// One conversation between a client and a target.
pub(super) struct Relay<'a> {
    session: &'a Arc<TargetSession>,
    voice: &'a Voice,
    heard: &'a mut Heard,
    /// The subsystem's own.
    row: Option<CommandId>,
    observer: Observer,
    conversation: Conversation,
    to_self: mpsc::Sender<(Ticket, Order)>,
    orders: mpsc::Receiver<(Ticket, Order)>,
    /// Questions that stand open: who asks would take their loss for the session's end.
    asking: HashMap<Ticket, oneshot::Sender<Answer>>,
    running: HashMap<Ticket, Running>,
    /// Reasons that the user has been told.
    told: HashSet<String>,
    /// Bytes that went to the target, and to the client.
    sent: u64,
    received: u64,
}

/// How the conversation goes on.
enum Course {
    On,
    /// Without the client, who has left.
    Left,
}

/// Both sides, for what they are told.
struct Sides {
    target: TargetWriter,
    client: Outbox,
}

impl<'a> Relay<'a> {
    /// One in which nothing has been said; `row` is the subsystem's own.
    pub(super) fn new(
        session: &'a Arc<TargetSession>,
        voice: &'a Voice,
        heard: &'a mut Heard,
        row: Option<CommandId>,
    ) -> Self {
        let (to_self, orders) = mpsc::channel(ORDERS);
        Self {
            session,
            voice,
            heard,
            row,
            observer: session.observer(),
            conversation: Conversation::new(),
            to_self,
            orders,
            asking: HashMap::new(),
            running: HashMap::new(),
            told: HashSet::new(),
            sent: 0,
            received: 0,
        }
    }

    /// Moves both directions until the target has closed, the client has left, or one of them says what is not SFTP.
    pub(super) async fn serve(mut self, channel: TargetChannel, ear: &mut Intake, began: Instant) -> Ending {
        let (target_ear, target_voice) = channel.split();
        let (client, delivery) = outbox();
        let sides = Sides {
            target: TargetWriter::new(target_voice),
            client,
        };
        let (session, voice) = (self.session, self.voice);
        let conversing = async { tokio::join!(self.converse(target_ear, ear, sides), delivery.deliver(voice)) };
        let fault = tokio::select! {
            (conversed, ()) = conversing => conversed.err(),
            // Both directions may stand still, each because its other side takes nothing.
            () = session.over() => None,
        };
        self.end(fault, began.elapsed())
    }

    async fn converse(&mut self, mut target_ear: TargetEar, ear: &mut Intake, sides: Sides) -> Result<(), Fault> {
        // When a target has had the time for its last words, once the client has left.
        let mut over_at: Option<Instant> = None;
        loop {
            let (to_target, to_client) = (sides.target.has_room(), sides.client.has_room());
            let is_there = over_at.is_none();
            let hears_client = is_there && to_target && has_room_for_answers(&self.conversation, &sides.client);
            let course = tokio::select! {
                message = ear.next(), if hears_client => self.hear_client(message, &sides)?,
                message = target_ear.hear(), if to_client => match message {
                    Some(message) => self.hear_target(message, &sides)?,
                    None => return Ok(()),
                },
                Some((ticket, order)) = self.orders.recv() => self.obey(ticket, order, &sides),
                () = sides.target.room(), if !to_target => Course::On,
                () = sides.client.room(), if !to_client => Course::On,
                () = self.voice.closed(), if is_there && !hears_client => Course::Left,
                () = until(over_at), if !is_there => return Ok(()),
            };
            if matches!(course, Course::Left) {
                sides.target.close();
                over_at = Some(Instant::now() + LAST_WORDS);
            }
        }
    }

    fn hear_client(&mut self, message: Option<ChannelMsg>, sides: &Sides) -> Result<Course, Fault> {
        let effects = match message {
            Some(ChannelMsg::Data { data }) => {
                let session = self.session;
                let engine = session.gate().engine();
                let judges = engine.has_file_rules(&session.user, &session.target, &session.login, Channel::Sftp);
                self.conversation.judge_files(judges);
                self.conversation.from_client(&data)?
            }
            Some(ChannelMsg::Eof) => self.conversation.end_of_input(),
            None | Some(ChannelMsg::Close) => return Ok(Course::Left),
            Some(_) => return Ok(Course::On),
        };
        self.carry_out(effects, sides);
        Ok(Course::On)
    }

    fn hear_target(&mut self, message: ChannelMsg, sides: &Sides) -> Result<Course, Fault> {
        self.heard.note(&message);
        match message {
            ChannelMsg::Data { data } => {
                let effects = self.conversation.from_target(&data)?;
                self.carry_out(effects, sides);
            }
            ChannelMsg::ExtendedData { .. } => sides.client.put(message),
            _ => {}
        }
        Ok(Course::On)
    }

    fn carry_out(&mut self, effects: Vec<Effect>, sides: &Sides) {
        for effect in effects {
            match effect {
                Effect::ToTarget(bytes) => {
                    self.sent += bytes.len() as u64;
                    sides.target.input(bytes);
                }
                Effect::ToClient(bytes) => {
                    self.received += bytes.len() as u64;
                    sides.client.data(bytes);
                }
                Effect::EndOfInput => sides.target.end_of_input(),
                Effect::Decide { ticket, access, packet } => self.submit(ticket, access, &packet),
                Effect::Ended(ticket, ended) => self.ended(ticket, &ended),
            }
        }
    }

    /// Sends a request on its way through the gate, in a task of its own: those that came together are recorded together.
    fn submit(&self, ticket: Ticket, access: Access, packet: &Bytes) {
        let request = Request {
            session: self.session.seen_by_gate(),
            channel: Channel::Sftp,
            submission: Submission::Access {
                access,
                bytes: packet.to_vec(),
            },
            cwd: None,
            parent: self.row,
        };
        let (session, observer) = (self.session.clone(), self.observer.clone());
        let mut submitted = Submitted {
            subject: ticket,
            orders: self.to_self.clone(),
        };
        self.session.spawn(async move {
            let passed = session.gate().pass_access(request, &observer, &mut submitted).await;
            if let Err(refusal) = passed
                && submitted.order(Order::Refused(refusal)).await.is_err()
            {
                tracing::debug!("the session ended before a refusal");
            }
        });
    }

    fn obey(&mut self, ticket: Ticket, order: Order, sides: &Sides) -> Course {
        let effects = match order {
            Order::Warn(question) => {
                sides.client.stderr(line(&prompt::warning(&question)));
                Vec::new()
            }
            Order::Ask(asked, reply) => {
                self.asking.insert(ticket, reply);
                sides.client.stderr(block(self.session, &asked));
                Vec::new()
            }
            Order::Run(permit, reply) => {
                self.asking.remove(&ticket);
                self.running.insert(ticket, Running::new(reply));
                self.conversation.permitted(ticket, permit.redeem().into())
            }
            Order::Refused(refusal) => {
                self.asking.remove(&ticket);
                self.tell_once(&refusal, sides);
                self.conversation.refused(ticket, &refusal.to_string())
            }
        };
        self.carry_out(effects, sides);
        Course::On
    }

    /// Clients show that something was denied, and not why.
    fn tell_once(&mut self, refusal: &Refusal, sides: &Sides) {
        let reason = refusal.to_string();
        if self.told.len() < MAX_REASONS && self.told.insert(reason.clone()) {
            sides.client.stderr(line(&reason));
        }
    }

    fn ended(&mut self, ticket: Ticket, ended: &Ended) {
        let Some(running) = self.running.remove(&ticket) else {
            return;
        };
        let ending = Ending {
            exit_code: ended.status.map(u32::cast_signed),
            duration: running.began.elapsed(),
            stdout_length: ended.read,
            input_length: ended.written,
            input_sha256: ended.sha256,
            lost: ended.status.is_none().then(|| UNFINISHED.to_owned()),
            ..Ending::default()
        };
        running.end(ending);
    }

    /// Ends what has not ended.
    fn end(&mut self, fault: Option<Fault>, duration: Duration) -> Ending {
        for effect in self.conversation.end() {
            if let Effect::Ended(ticket, ended) = effect {
                self.ended(ticket, &ended);
            }
        }
        let heard = self.heard.ending(duration);
        Ending {
            lost: fault.map(|fault| fault.to_string()).or(heard.lost),
            stdout_length: Some(self.received),
            input_length: Some(self.sent),
            ..heard
        }
    }
}

/// Whether the client may be read: what it asks may be answered at once, without the target.
fn has_room_for_answers(conversation: &Conversation, client: &Outbox) -> bool {
    client.has_room() && !conversation.is_full()
}

async fn until(then: Option<Instant>) {
    if let Some(then) = then {
        sleep_until(then.into()).await;
    }
}

/// Why the end of an operation was not seen.
const UNFINISHED: &str = "the connection ended before the file was closed or the target had answered";

/// One `opspilot:` line.
fn line(text: &str) -> String {
    format!("opspilot: {}\n", printable_line(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_no_answers_is_not_heard() {
        let conversation = Conversation::new();
        let (client, _delivery) = outbox();
        assert!(has_room_for_answers(&conversation, &client));
        client.data(vec![0; 1024 * 1024].into());
        assert!(!has_room_for_answers(&conversation, &client));
    }
}
