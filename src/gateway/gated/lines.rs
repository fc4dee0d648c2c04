//! The lines of a gated terminal: each is held, asked about, run or cancelled.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::command::Opens;
use crate::domain::{CommandId, Dialect, Exactness};
use crate::gate::{Ending, Permit, Refusal, Request, Submission};
use crate::terminal::{self, AnswerReader, Line, LineEnd, Lost, Verdict};

use super::{GatedTerminal, OpenLine, OpenQuestion, Over, Stage};
use crate::gateway::ask::terminal_block;
use crate::gateway::submitted::{Order, Running, Seen, Subject, Submitted};
use crate::gateway::user::{Gone, UNKNOWN_FROM_HERE, say};

impl GatedTerminal<'_> {
    /// The shell is understood, for the first time or again: lines are known one by one from here on.
    pub(super) async fn ready(&mut self) -> Result<(), Gone> {
        // A rest that waits with its line has not begun, and is not over.
        if self.rest_begins_with_line {
            return Ok(());
        }
        match self.rest.take() {
            None | Some(Stage::Refused) => {}
            Some(Stage::Running(running)) => running.end(Ending::default()),
            Some(Stage::Held(input)) => {
                self.withdraw(self.rest_subject()).await?;
                self.target.input(input);
            }
        }
        Ok(())
    }

    pub(super) async fn submit(&mut self, line: Line) -> Result<(), Gone> {
        self.asked += 1;
        if terminal::is_own_line(&line.bytes) {
            return self.take_back_own_line(line.opens).await;
        }
        self.lines.push(OpenLine {
            number: self.asked,
            opens: line.opens,
            stage: Stage::Held(line.bytes.clone()),
            row: None,
        });
        let submission = match line.exactness {
            Exactness::Unknown => Submission::Opaque {
                description: "line that the shell could not tell",
                judged: true,
            },
            exactness => Submission::Command {
                bytes: line.bytes,
                dialect: line.dialect,
                exactness,
                aliases: line.aliases,
            },
        };
        self.pass(Subject::Line(self.asked), submission, line.cwd);
        Ok(())
    }

    /// What was typed to an inner shell met the outer one, because the inner one had just ended: it must not run there.
    async fn take_back_own_line(&mut self, opens: Option<Opens>) -> Result<(), Gone> {
        self.lines.push(OpenLine {
            number: self.asked,
            opens,
            stage: Stage::Refused,
            row: None,
        });
        Box::pin(self.feed(|gate, effects| gate.answer(Verdict::Cancel, effects))).await
    }

    /// From here on it is not known what runs: the rest of it is one thing.
    pub(super) fn lost(&mut self, why: Lost) {
        if self.rest.is_some() {
            return;
        }
        self.rest = Some(Stage::Held(Vec::new()));
        let submission = Submission::Opaque {
            description: why.description(),
            judged: true,
        };
        self.asked += 1;
        self.rest_number = self.asked;
        self.pass(self.rest_subject(), submission, None);
    }

    const fn rest_subject(&self) -> Subject {
        Subject::Rest(self.rest_number)
    }

    /// The row of what runs on top: what comes next is typed to it.
    fn innermost_row(&self) -> Option<CommandId> {
        let is_running = |line: &&OpenLine| matches!(line.stage, Stage::Running(_));
        let line = self.lines.iter().rfind(is_running);
        line.map_or(self.opener, |line| line.row)
    }

    /// Sends something on its way through the gate.
    fn pass(&self, subject: Subject, submission: Submission, cwd: Option<String>) {
        let request = Request {
            session: self.session.seen_by_gate(),
            channel: self.channel,
            submission,
            cwd,
            parent: self.innermost_row(),
        };
        let orders = self.to_self.clone();
        let (session, mut submitted) = (self.session.clone(), Submitted { subject, orders });
        let room = self.way.clone().try_acquire_owned().ok();
        self.session.spawn(async move {
            let _room = room;
            let passed = session.gate().pass(request, &session.observer(), &mut submitted).await;
            if let Err(refusal) = passed
                && submitted.order(Order::Refused(refusal)).await.is_err()
            {
                tracing::debug!("the session ended before a refusal");
            }
        });
    }

    /// Draws the next question, unless one stands on the screen; shows what waited, when there is none.
    pub(super) async fn ask_next(&mut self) -> Result<(), Gone> {
        while self.question.is_none() {
            let Some((subject, asked, reply)) = self.next_questions.pop_front() else {
                return self.flush().await;
            };
            if reply.is_closed() {
                continue;
            }
            let drawn = Instant::now();
            if asked.here {
                let block = terminal_block(&asked.question, Some(&self.pty));
                self.voice.stdout(block.into_bytes()).await?;
            } else {
                let waiting = format!("held until {} runs: confirm {}", asked.answerer, asked.code);
                say(self.voice, true, &waiting).await?;
            }
            let reader = AnswerReader::new(asked.question.expect.clone(), 0);
            self.question = Some(OpenQuestion {
                subject,
                asked,
                reader,
                drawn,
                reply,
            });
        }
        Ok(())
    }

    /// The permit is for the very bytes that the shell waits with, or for nothing.
    pub(super) async fn run(
        &mut self,
        subject: Subject,
        permit: Permit,
        reply: oneshot::Sender<Ending>,
    ) -> Result<(), Gone> {
        self.withdraw(subject).await?;
        let row = permit.recorded();
        self.voice.mark(row).await?;
        let running = Running::new(reply);
        match (subject, self.stage(subject)) {
            (Subject::Line(_), Some(stage @ Stage::Held(_))) if stage.holds(&permit.redeem()) => {
                *stage = Stage::Running(running);
                self.note_row(subject, row);
                self.let_run(subject).await?;
            }
            (Subject::Rest(_), Some(Stage::Held(input))) => {
                let input = std::mem::take(input);
                self.rest = Some(Stage::Running(running));
                say(self.voice, true, UNKNOWN_FROM_HERE).await?;
                self.send(input);
                if std::mem::take(&mut self.rest_begins_with_line) {
                    self.feed(|gate, effects| gate.answer(Verdict::Run, effects)).await?;
                }
            }
            _ => running.end(Ending::lost("the shell no longer waits", Duration::ZERO)),
        }
        Ok(())
    }

    fn note_row(&mut self, subject: Subject, row: Option<CommandId>) {
        if let Some(line) = self.lines.iter_mut().find(|line| Subject::Line(line.number) == subject) {
            line.row = row;
        }
    }

    /// Tells the shell to run its line; where that will hide what runs from then on, after that has been decided too.
    async fn let_run(&mut self, subject: Subject) -> Result<(), Gone> {
        let line = self.lines.iter().find(|line| Subject::Line(line.number) == subject);
        match line.and_then(|line| line.opens) {
            // What runs is unknown already, by a decision that has been taken or that holds back this answer too.
            Some(_) if self.rest.is_some() => {
                return self.feed(|gate, effects| gate.answer(Verdict::Run, effects)).await;
            }
            opens => match opens.and_then(Lost::by_opening) {
                Some(why) => self.lost(why),
                None => return self.feed(|gate, effects| gate.answer(Verdict::Run, effects)).await,
            },
        }
        self.rest_begins_with_line = true;
        Ok(())
    }

    pub(super) async fn refused(&mut self, subject: Subject, refusal: &Refusal) -> Result<Option<Over>, Gone> {
        self.withdraw(subject).await?;
        let Some(stage @ Stage::Held(_)) = self.stage(subject) else {
            // The shell gave up meanwhile, or is understood again: nobody waits for this answer.
            return Ok(None);
        };
        *stage = Stage::Refused;
        say(self.voice, true, &refusal.to_string()).await?;
        if matches!(subject, Subject::Rest(_)) && !self.forget_rest() {
            return Ok(Some(Over::Refused));
        }
        self.feed(|gate, effects| gate.answer(Verdict::Cancel, effects)).await?;
        Ok(None)
    }

    /// A rest that has not begun is not to come, if its line does not run.
    fn forget_rest(&mut self) -> bool {
        if self.rest_begins_with_line {
            self.rest = None;
        }
        std::mem::take(&mut self.rest_begins_with_line)
    }

    /// Where `subject` stands; `None` for what is past.
    fn stage(&mut self, subject: Subject) -> Option<&mut Stage> {
        match subject {
            Subject::Line(number) => {
                let mut lines = self.lines.iter_mut();
                lines.find_map(|line| (line.number == number).then_some(&mut line.stage))
            }
            Subject::Rest(number) => self.rest.as_mut().filter(|_| number == self.rest_number),
        }
    }

    /// Takes a question off the screen that was answered elsewhere, or not at all.
    async fn withdraw(&mut self, subject: Subject) -> Result<(), Gone> {
        self.next_questions.retain(|(about, _, _)| *about != subject);
        if self.question.take_if(|question| question.subject == subject).is_some() {
            self.voice.stdout(b"\r\n".to_vec()).await?;
        }
        self.ask_next().await
    }

    /// The innermost shell gave its line up. Where that was running by the record, its end was not seen.
    pub(super) async fn cancelled(&mut self) -> Result<(), Gone> {
        let Some(OpenLine { number, stage, .. }) = self.lines.pop() else {
            return Ok(());
        };
        if self.forget_rest() {
            self.withdraw(self.rest_subject()).await?;
        }
        if let Stage::Running(running) = stage {
            running.end(Ending::lost("the shell gave the line up", Duration::ZERO));
        }
        self.withdraw(Subject::Line(number)).await
    }

    /// The innermost shell's line has ended.
    pub(super) fn ended(&mut self, line_end: LineEnd) {
        let Some(OpenLine {
            stage: Stage::Running(running),
            ..
        }) = self.lines.pop()
        else {
            return;
        };
        let ending = Ending {
            exit_code: line_end.exit_code,
            pipe_status: line_end.pipe_status,
            duration: running.began.elapsed(),
            stdout_length: Some(line_end.output_bytes),
            cwd: line_end.cwd,
            ..Ending::default()
        };
        running.end(ending);
    }

    pub(super) fn record_unasked(&self, text: String, dialect: Dialect) {
        tracing::warn!(host = %self.session.target, "a line ran unasked");
        let request = Request {
            session: self.session.seen_by_gate(),
            channel: self.channel,
            submission: Submission::Ran {
                bytes: text.into_bytes(),
                dialect,
            },
            cwd: None,
            parent: None,
        };
        let session = self.session.clone();
        let room = self.way.clone().try_acquire_owned().ok();
        self.session.spawn(async move {
            let _room = room;
            if let Err(refusal) = session.gate().pass(request, &session.observer(), &mut Seen).await {
                tracing::error!(%refusal, "a line that ran unasked is not on record");
            }
        });
    }
}

impl Stage {
    /// Whether it waits with these very bytes.
    fn holds(&self, bytes: &[u8]) -> bool {
        matches!(self, Self::Held(held) if held == bytes)
    }
}
