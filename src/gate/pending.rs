//! Questions that wait for an answer, and the one-time codes that answer them from the console.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::domain::{AnswerChannel, Channel, CommandId, Name};
use crate::policy::Matter;
use crate::terminal::code;

/// Wrong codes in a row that lock a user's `confirm`.
const MAX_WRONG_CODES: u32 = 5;
/// For how long it stays locked.
const LOCKED_FOR: Duration = Duration::from_mins(1);

/// A person's answer to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the command may run.
    pub yes: bool,
    /// Who said so.
    pub by: Name,
    /// Through what.
    pub via: AnswerChannel,
}

/// What a code stood for, told to the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// The command, redacted.
    pub command: String,
    /// The target.
    pub target: Name,
    /// Who is connected there.
    pub user: Name,
    /// As whom.
    pub login: String,
}

/// What a question is about, as far as a policy cares: who wants what where.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Who is connected.
    pub user: Name,
    /// To where.
    pub target: Name,
    /// As whom.
    pub login: String,
    /// Through what.
    pub channel: Channel,
    /// What it is.
    pub matter: Matter,
}

/// Why a question could not be put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{user} has {limit} questions open already; answer or cancel one first")]
pub struct TooManyPending {
    user: Name,
    limit: usize,
}

/// Why a code did not answer anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfirmError {
    /// No open question of this person has the code.
    #[error("no command of yours waits for this code: it may have been answered, cancelled or mistyped")]
    UnknownCode,
    /// The policy has changed since the question was put.
    #[error("the policy does not allow this command any longer")]
    NotAllowed,
    /// Too many wrong codes.
    #[error("too many wrong codes: try again in {0} s")]
    Locked(u64),
}

/// Why a command was not answered by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No open question of this person is about it.
    #[error(
        "no question about this command waits for this user's answer: it may have been answered, or be another's to answer"
    )]
    NotWaiting,
    /// The policy does not let it be answered in this way, or denies it by now.
    #[error("the policy does not let this command be answered over HTTP; answer in the session, or at the console")]
    NotAllowed,
}

/// The open questions of all users.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    // A std mutex: it is held for a few map operations and never across an await.
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    questions: HashMap<String, Entry>,
    wrong_codes: HashMap<Name, WrongCodes>,
}

#[derive(Debug)]
struct Entry {
    answerer: Name,
    about: Confirmed,
    claim: Claim,
    /// The command's row; `None` where there is none.
    command: Option<CommandId>,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct WrongCodes {
    count: u32,
    locked_at: Option<Instant>,
}

impl Pending {
    /// Opens a question that `answerer` may answer by code.
    pub fn open(
        &self,
        answerer: &Name,
        about: Confirmed,
        claim: Claim,
        limit: usize,
    ) -> Result<Ticket, TooManyPending> {
        let mut inner = self.lock();
        let of_user = inner
            .questions
            .values()
            .filter(|entry| entry.claim.user == claim.user)
            .count();
        if of_user >= limit {
            return Err(TooManyPending {
                user: claim.user,
                limit,
            });
        }
        let code = unused_code(&inner.questions);
        let (answer, reply) = oneshot::channel();
        inner.questions.insert(
            code.clone(),
            Entry {
                answerer: answerer.clone(),
                about,
                claim,
                command: None,
                answer,
            },
        );
        Ok(Ticket {
            code,
            answered: reply,
            pending: self.clone(),
        })
    }

    /// What the question is about that has `code` and that `by` may answer. A wrong code counts as one.
    pub fn about(&self, by: &Name, code: &str, now: Instant) -> Result<Confirmed, ConfirmError> {
        let mut inner = self.lock();
        inner.check_lock(by, now)?;
        let about = inner.find(by, code).and_then(|code| inner.questions.get(&code));
        let Some(about) = about.map(|entry| entry.about.clone()) else {
            inner.count_wrong_code(by, now);
            return Err(ConfirmError::UnknownCode);
        };
        Ok(about)
    }

    /// Answers yes to the question that has `code`, on behalf of `by`, at the console, if it is still `allowed`.
    pub fn confirm(
        &self,
        by: &Name,
        code: &str,
        now: Instant,
        allowed: impl FnOnce(&Claim) -> bool,
    ) -> Result<Confirmed, ConfirmError> {
        let mut inner = self.lock();
        inner.check_lock(by, now)?;
        let Some(entry) = inner.take(by, code) else {
            inner.count_wrong_code(by, now);
            return Err(ConfirmError::UnknownCode);
        };
        inner.wrong_codes.remove(by);
        if !allowed(&entry.claim) {
            return Err(ConfirmError::NotAllowed);
        }
        let answer = Answer {
            yes: true,
            by: by.clone(),
            via: AnswerChannel::Console,
        };
        // The asking side may have given up between the lookup and now: then nothing was answered.
        entry.answer.send(answer).map_err(|_| ConfirmError::UnknownCode)?;
        Ok(entry.about)
    }

    /// Answers the question about a command over HTTP, on behalf of `by`, if that is `allowed`.
    pub fn answer(
        &self,
        by: &Name,
        command: CommandId,
        yes: bool,
        allowed: impl FnOnce(&Claim) -> bool,
    ) -> Result<(), AnswerError> {
        let mut inner = self.lock();
        let mut questions = inner.questions.iter();
        let found = questions.find(|(_, entry)| entry.command == Some(command) && entry.answerer == *by);
        let Some((code, entry)) = found else {
            return Err(AnswerError::NotWaiting);
        };
        if !allowed(&entry.claim) {
            return Err(AnswerError::NotAllowed);
        }
        let code = code.clone();
        let entry = inner.questions.remove(&code).ok_or(AnswerError::NotWaiting)?;
        let answer = Answer {
            yes,
            by: by.clone(),
            via: AnswerChannel::Http,
        };
        entry.answer.send(answer).map_err(|_| AnswerError::NotWaiting)
    }

    /// How many questions are open.
    pub fn count(&self) -> usize {
        self.lock().questions.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave these maps half-changed in a way that grants anything.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take(&mut self, by: &Name, given: &str) -> Option<Entry> {
        let code = self.find(by, given)?;
        self.questions.remove(&code)
    }

    fn find(&self, by: &Name, given: &str) -> Option<String> {
        let mut of_theirs = self.questions.iter().filter(|(_, entry)| entry.answerer == *by);
        of_theirs
            .find(|(code, _)| code::same_code(code, given))
            .map(|(code, _)| code.clone())
    }

    fn check_lock(&mut self, by: &Name, now: Instant) -> Result<(), ConfirmError> {
        let Some(locked_at) = self.wrong_codes.get(by).and_then(|wrong| wrong.locked_at) else {
            return Ok(());
        };
        let left = LOCKED_FOR.saturating_sub(now.saturating_duration_since(locked_at));
        if left.is_zero() {
            self.wrong_codes.remove(by);
            return Ok(());
        }
        Err(ConfirmError::Locked(left.as_secs().max(1)))
    }

    fn count_wrong_code(&mut self, by: &Name, now: Instant) {
        let wrong = self.wrong_codes.entry(by.clone()).or_default();
        wrong.count += 1;
        if wrong.count >= MAX_WRONG_CODES {
            wrong.locked_at = Some(now);
        }
    }
}

fn unused_code(taken: &HashMap<String, Entry>) -> String {
    loop {
        let code = code::new_code(rand::random());
        if !taken.contains_key(&code) {
            return code;
        }
    }
}

/// One open question; it is closed when the ticket is dropped.
#[derive(Debug)]
pub struct Ticket {
    code: String,
    answered: oneshot::Receiver<Answer>,
    pending: Pending,
}

impl Ticket {
    /// The code that answers the question with yes.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// Lets the question be answered by the command's number too.
    pub fn is_about(&self, command: CommandId) {
        if let Some(entry) = self.pending.lock().questions.get_mut(&self.code) {
            entry.command = Some(command);
        }
    }

    /// Waits for the answer from elsewhere; for ever, if none comes.
    pub async fn answered(&mut self) -> Answer {
        match (&mut self.answered).await {
            Ok(answer) => answer,
            Err(_closed) => std::future::pending().await,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.pending.lock().questions.remove(&self.code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Level;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn about() -> Confirmed {
        Confirmed {
            command: "rm -rf /etc/x".to_owned(),
            target: name("web-1"),
            user: name("alice"),
            login: "deploy".to_owned(),
        }
    }

    fn claim() -> Claim {
        claim_of("alice")
    }

    fn claim_of(user: &str) -> Claim {
        Claim {
            user: name(user),
            target: name("web-1"),
            login: "deploy".to_owned(),
            channel: Channel::Exec,
            matter: Matter::Command(Some(Level::High)),
        }
    }

    #[test]
    fn what_is_not_allowed_any_longer_is_not_confirmed() {
        let pending = Pending::default();
        let ticket = pending.open(&name("alice"), about(), claim(), 1).unwrap();
        let confirmed = pending.confirm(&name("alice"), ticket.code(), Instant::now(), |_| false);
        assert_eq!(confirmed, Err(ConfirmError::NotAllowed));
    }

    #[tokio::test]
    async fn a_code_answers_its_question_once() {
        let pending = Pending::default();
        let mut ticket = pending.open(&name("alice"), about(), claim(), 1).unwrap();
        let code = ticket.code().to_owned();

        assert_eq!(
            pending.confirm(&name("alice"), &code.to_lowercase(), Instant::now(), |_| true),
            Ok(about())
        );
        let answer = ticket.answered().await;
        assert_eq!(
            answer,
            Answer {
                yes: true,
                by: name("alice"),
                via: AnswerChannel::Console
            }
        );
        assert_eq!(
            pending.confirm(&name("alice"), &code, Instant::now(), |_| true),
            Err(ConfirmError::UnknownCode)
        );
    }

    #[test]
    fn what_waits_is_told_to_the_person_asked_alone_and_stays_open() {
        let pending = Pending::default();
        let ticket = pending.open(&name("alice"), about(), claim(), 1).unwrap();
        let (code, now) = (ticket.code(), Instant::now());
        assert_eq!(pending.about(&name("bob"), code, now), Err(ConfirmError::UnknownCode));
        assert_eq!(pending.about(&name("alice"), code, now), Ok(about()));
        assert!(pending.confirm(&name("alice"), code, now, |_| true).is_ok());
    }

    #[test]
    fn asking_what_waits_tries_no_more_codes_than_answering() {
        let pending = Pending::default();
        let now = Instant::now();
        for _ in 0..MAX_WRONG_CODES {
            assert_eq!(
                pending.about(&name("alice"), "000000", now),
                Err(ConfirmError::UnknownCode)
            );
        }
        assert_eq!(
            pending.about(&name("alice"), "000000", now),
            Err(ConfirmError::Locked(60))
        );
    }

    #[test]
    fn only_the_person_asked_can_answer() {
        let pending = Pending::default();
        let ticket = pending.open(&name("alice"), about(), claim(), 1).unwrap();
        assert_eq!(
            pending.confirm(&name("bob"), ticket.code(), Instant::now(), |_| true),
            Err(ConfirmError::UnknownCode)
        );
        assert!(
            pending
                .confirm(&name("alice"), ticket.code(), Instant::now(), |_| true)
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_command_is_answered_by_its_number_by_the_person_asked_alone_and_once() {
        let pending = Pending::default();
        let (seven, alice) = (CommandId(7), name("alice"));
        let mut ticket = pending.open(&alice, about(), claim(), 1).unwrap();
        let answer = |by: &str, id, allowed: bool| pending.answer(&name(by), id, false, |_| allowed);
        assert_eq!(
            answer("alice", seven, true),
            Err(AnswerError::NotWaiting),
            "it has no row"
        );
        ticket.is_about(seven);
        assert_eq!(answer("bob", seven, true), Err(AnswerError::NotWaiting));
        assert_eq!(answer("alice", CommandId(8), true), Err(AnswerError::NotWaiting));
        assert_eq!(answer("alice", seven, false), Err(AnswerError::NotAllowed));
        assert_eq!(answer("alice", seven, true), Ok(()), "what was not allowed stays open");
        let given = Answer {
            yes: false,
            by: alice,
            via: AnswerChannel::Http,
        };
        assert_eq!(ticket.answered().await, given);
        assert_eq!(answer("alice", seven, true), Err(AnswerError::NotWaiting));
    }

    #[test]
    fn a_dropped_question_cannot_be_answered_and_frees_its_place() {
        let pending = Pending::default();
        let ticket = pending.open(&name("alice"), about(), claim(), 1).unwrap();
        assert!(
            pending.open(&name("alice"), about(), claim(), 1).is_err(),
            "the limit holds"
        );
        assert!(
            pending.open(&name("bob"), about(), claim_of("bob"), 1).is_ok(),
            "for each user alone"
        );
        let code = ticket.code().to_owned();
        drop(ticket);
        assert_eq!(
            pending.confirm(&name("alice"), &code, Instant::now(), |_| true),
            Err(ConfirmError::UnknownCode)
        );
        assert!(pending.open(&name("alice"), about(), claim(), 1).is_ok());
    }

    #[test]
    fn five_wrong_codes_lock_for_a_minute_and_only_that_user() {
        let pending = Pending::default();
        let start = Instant::now();
        let mine = pending.open(&name("alice"), about(), claim(), 9).unwrap();
        let others = pending.open(&name("bob"), about(), claim(), 9).unwrap();
        for _ in 0..MAX_WRONG_CODES {
            assert_eq!(
                pending.confirm(&name("alice"), "000000", start, |_| true),
                Err(ConfirmError::UnknownCode)
            );
        }
        assert_eq!(
            pending.confirm(&name("alice"), mine.code(), start, |_| true),
            Err(ConfirmError::Locked(60))
        );
        assert!(pending.confirm(&name("bob"), others.code(), start, |_| true).is_ok());
        assert!(
            pending
                .confirm(&name("alice"), mine.code(), start + LOCKED_FOR, |_| true)
                .is_ok()
        );
    }
}
