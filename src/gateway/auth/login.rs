//! One connection's attempts, whatever they are and in whatever order.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use russh::MethodSet;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, Certificate};
use tokio::time::{Instant, sleep_until};

use super::methods::{begins_with_password, first_methods, kinds};
use super::password::Expected;
use super::progress::{Progress, Proof, Proven, Step};
use super::{Identity, certificate};
use crate::config::{AuthMethod, Restrictions, User};
use crate::domain::printable_line;
use crate::gate::Engine;
use crate::gateway::Shared;
use crate::gateway::address::Route;

/// From a password or a code to the answer that it was wrong: no less, whatever was wrong.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// Characters of what a stranger has sent that go to the log.
const SHOWN: usize = 128;

/// The answer to an attempt.
#[derive(Debug)]
pub(in crate::gateway) enum Answer {
    /// This is who it is.
    Admitted(Box<Identity>),
    /// The attempt counts; one of these must follow.
    Continue(MethodSet),
    /// The attempt does not count; these may be tried.
    Refused(MethodSet),
}

/// What keyboard-interactive asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gateway) enum Question {
    /// The password.
    Password,
    /// A one-time code.
    Code,
}

/// One connection's attempts.
pub(in crate::gateway) struct Login {
    shared: Arc<Shared>,
    peer: SocketAddr,
    progress: Progress,
    /// What keyboard-interactive has asked and has no answer to.
    asked: Option<Question>,
    /// Whether it has tried anything.
    tried: bool,
    /// Whether it got in, or a failure of it is counted already.
    settled: bool,
    /// Whether a failure of it has closed its address: nothing that it says from then on is right.
    cut_off: bool,
}

impl Login {
    /// A connection that has tried nothing.
    pub(in crate::gateway) fn new(shared: Arc<Shared>, peer: SocketAddr) -> Self {
        let progress = Progress::default();
        Self {
            shared,
            peer,
            progress,
            asked: None,
            tried: false,
            settled: false,
            cut_off: false,
        }
    }

    /// Whether anything has been tried.
    pub(in crate::gateway) fn has_tried(&self) -> bool {
        self.tried
    }

    /// What may be tried first. The same for every name.
    pub(in crate::gateway) fn methods(&mut self) -> MethodSet {
        self.tried = true;
        first_methods(&self.shared.gate.engine().config.users)
    }

    /// Whether a signature by a key is worth having. Nothing is proved yet. Where certificates are trusted, every key is: which
    /// one comes in a certificate cannot be told here.
    pub(in crate::gateway) fn wants_signature(&mut self, name: &str, key: &KeyData, algorithm: &Algorithm) -> bool {
        self.tried = true;
        let engine = self.shared.gate.engine();
        let held = known_key(&engine, name, key, self.peer.ip()).is_some();
        let any_ca = engine.config.users.iter().any(|user| !user.trusted_user_ca.is_empty());
        let is_sha1 = matches!(algorithm, Algorithm::Rsa { hash: None });
        (held || any_ca) && !is_sha1
    }

    /// A key whose holder has signed.
    pub(in crate::gateway) fn key(&mut self, name: &str, key: &KeyData) -> Answer {
        let engine = self.shared.gate.engine();
        let proven = known_key(&engine, name, key, self.peer.ip());
        self.attempt(&engine, name, proven, "publickey")
    }

    /// A certificate whose holder has signed.
    pub(in crate::gateway) fn certificate(&mut self, name: &str, certificate: &Certificate) -> Answer {
        let engine = self.shared.gate.engine();
        let (shown_name, key_id, serial) = (shown(name), shown(certificate.key_id()), certificate.serial());
        let (user, key_id) = (&*shown_name, &*key_id);
        let examined =
            named(&engine, name).map(|user| certificate::examine(certificate, user, self.peer.ip(), Timestamp::now()));
        match &examined {
            Some(Ok(_)) => {
                tracing::info!(peer = %self.peer, user, key_id, serial, "valid certificate");
            }
            Some(Err(reason)) => {
                tracing::info!(peer = %self.peer, user, key_id, serial, %reason, "certificate refused");
            }
            None => {}
        }
        let proven = examined.and_then(Result::ok);
        self.attempt(&engine, name, proven, "certificate")
    }

    /// A password.
    pub(in crate::gateway) async fn password(&mut self, name: &str, password: &str) -> Answer {
        let answer_at = Instant::now() + REFUSAL_TIME;
        let engine = self.shared.gate.engine();
        let proof = match self.expected(&engine, name).filter(|_| !self.cut_off) {
            Some(expected) => self.shared.guard.check_password(expected, password).await,
            None => None,
        };
        let answer = self.attempt(&engine, name, proof.map(Proven::from), "password");
        self.delay(answer, answer_at).await
    }

    /// The beginning of keyboard-interactive: what to ask, if anything.
    pub(in crate::gateway) fn question(&mut self, name: &str) -> Option<Question> {
        self.tried = true;
        let engine = self.shared.gate.engine();
        let next = named(&engine, name).map_or(Vec::new(), |user| self.progress.next(name, user));
        self.asked = if self.progress.has_begun(name) {
            next.first().and_then(|method| match method {
                AuthMethod::PublicKey => None,
                AuthMethod::Password => Some(Question::Password),
                AuthMethod::Totp => Some(Question::Code),
            })
        } else {
            // The same for every name, and so for those without a password too.
            begins_with_password(&engine.config.users).then_some(Question::Password)
        };
        self.asked
    }

    /// The answer to the question; `None` where it was not given as one text.
    pub(in crate::gateway) async fn respond(&mut self, name: &str, response: Option<&str>) -> Answer {
        match (self.asked.take(), response) {
            (Some(Question::Password), Some(password)) => self.password(name, password).await,
            (Some(Question::Code), Some(code)) => self.code(name, code).await,
            _ => self.attempt(&self.shared.gate.engine(), name, None, "keyboard-interactive"),
        }
    }

    async fn code(&mut self, name: &str, code: &str) -> Answer {
        let answer_at = Instant::now() + REFUSAL_TIME;
        let engine = self.shared.gate.engine();
        let user = named(&engine, name).filter(|user| self.progress.next(name, user).contains(&AuthMethod::Totp));
        let may_be_right = user.filter(|_| !self.cut_off);
        let proof = may_be_right.and_then(|user| self.shared.guard.take_code(user, code));
        let answer = self.attempt(&engine, name, proof.map(Proven::from), "totp");
        self.delay(answer, answer_at).await
    }

    /// What a password is held against: the user's own where it may follow now, else nothing, at the same cost.
    fn expected(&self, engine: &Engine, name: &str) -> Option<Expected> {
        let may_follow = |user: &&User| self.progress.next(name, user).contains(&AuthMethod::Password);
        let user = named(engine, name).filter(may_follow);
        let may_begin = begins_with_password(&engine.config.users);
        (may_begin || user.is_some()).then(|| Expected::of(user, &engine.config.users))?
    }

    /// Has the outcome of one attempt decided, and says it.
    fn attempt(&mut self, engine: &Engine, name: &str, proven: Option<Proven>, method: &str) -> Answer {
        let step = self.progress.attempt(name, named(engine, name), proven);
        match step {
            Step::Admitted(proofs, restrictions) => self.admitted(engine, name, proofs, restrictions),
            Step::Continue(methods) => Answer::Continue(kinds(&methods)),
            Step::Refused => {
                tracing::info!(peer = %self.peer, user = &*shown(name), method, "authentication failed");
                Answer::Refused(first_methods(&engine.config.users))
            }
        }
    }

    fn admitted(&mut self, engine: &Engine, name: &str, proofs: Vec<Proof>, restrictions: Restrictions) -> Answer {
        let Ok(Route { user, destination }) = Route::parse(name) else {
            return Answer::Refused(first_methods(&engine.config.users));
        };
        self.settled = true;
        Answer::Admitted(Box::new(Identity {
            user,
            from: self.peer.ip(),
            proofs,
            restrictions,
            destination,
        }))
    }

    /// Counts a refusal against the address, and holds it back until its time.
    async fn delay(&mut self, answer: Answer, answer_at: Instant) -> Answer {
        if matches!(answer, Answer::Refused(_)) {
            self.fail();
            sleep_until(answer_at).await;
        }
        answer
    }

    fn fail(&mut self) {
        self.settled = true;
        let engine = self.shared.gate.engine();
        self.cut_off |= self.shared.guard.failed(self.peer, &engine.config.server);
    }
}

impl Drop for Login {
    /// Keys that were not accepted are no failures one by one, for agents hold many; a connection that got in by none is one.
    fn drop(&mut self) {
        if self.tried && !self.settled {
            self.fail();
        }
    }
}

/// The user whom an SSH user name stands for. Every user is looked at, so that all names cost the same.
fn named<'e>(engine: &'e Engine, name: &str) -> Option<&'e User> {
    let route = Route::parse(name).ok();
    let users = engine.config.users.iter();
    users.fold(None, |found, user| {
        let is_meant = route.as_ref().is_some_and(|route| route.user == user.name);
        if is_meant { Some(user) } else { found }
    })
}

/// What a key proves of the user whom a name stands for. It is compared with the keys of all users, so that all names cost the same.
fn known_key(engine: &Engine, name: &str, key: &KeyData, from: IpAddr) -> Option<Proven> {
    let now = Timestamp::now();
    let meant = named(engine, name);
    let mut found = None;
    for user in &engine.config.users {
        let authorized = user.authorized_key(key, from, now);
        if meant.is_some_and(|meant| meant.name == user.name) {
            found = authorized;
        }
    }
    found.map(|authorized| Proven {
        proof: Proof::Key(key.clone()),
        restrictions: authorized.conditions.restrictions,
    })
}

/// The beginning of what a stranger has sent, for the log: to be given as a text and not as `%` of it, which would let it
/// look like other fields.
fn shown(text: &str) -> Cow<'_, str> {
    let end = text.char_indices().nth(SHOWN).map_or(text.len(), |(end, _)| end);
    printable_line(text.get(..end).unwrap_or_default())
}
