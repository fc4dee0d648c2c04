//! The questions about a program that runs as a whole, on its terminal or by a code.

use std::time::Instant;

use russh::ChannelMsg;

use crate::domain::{AnswerChannel, whole_millis};
use crate::gate::{Answer, Asked};
use crate::terminal::{self, AnswerReader, FirstLine, StdinCode, prompt};

use super::Whole;
use crate::gateway::ask::{answered, console, terminal_block};
use crate::gateway::user::{Gone, Size};

/// Standard input taken while a question is open, bytes. Beyond it nothing more is taken until the answer: it waits where all
/// waits that nobody has taken.
const MAX_HELD: usize = 1024 * 1024;

impl Whole {
    /// Ends the line of a question that was answered elsewhere or not at all.
    pub(super) async fn leave_question(&mut self) -> Result<(), Gone> {
        if std::mem::take(&mut self.question_open) && self.pty.is_some() {
            self.voice.stdout(b"\r\n".to_vec()).await?;
        }
        Ok(())
    }

    /// Asks in a framed block on the PTY; the answer is a line.
    pub(super) async fn ask_on_terminal(&mut self, asked: &Asked) -> Result<Option<Answer>, Gone> {
        let pty = self.pty.as_ref();
        self.voice
            .stdout(terminal_block(&asked.question, pty).into_bytes())
            .await?;
        self.question_open = true;
        let began = Instant::now();
        let mut reader = AnswerReader::new(asked.question.expect.clone(), 0);
        while self.held.bytes() <= MAX_HELD
            && let Some(message) = self.ear.next().await
        {
            let data = match message {
                ChannelMsg::Data { data } => data,
                ChannelMsg::Eof | ChannelMsg::Signal { .. } => return Ok(Some(no(asked))),
                ChannelMsg::Close => break,
                other => {
                    self.note(&other);
                    continue;
                }
            };
            let fed = reader.feed(&data, whole_millis(began.elapsed()));
            self.voice.stdout(fed.echo).await?;
            self.held.push_data(fed.type_ahead);
            if let Some(answer) = fed.answer {
                self.question_open = false;
                return Ok(Some(answered(
                    asked,
                    answer == terminal::Answer::Yes,
                    AnswerChannel::Terminal,
                )));
            }
        }
        Ok(None)
    }

    /// Asks on standard error; the code is taken from the first line of standard input, or at the console.
    pub(super) async fn ask_by_code(&mut self, asked: &Asked) -> Result<Option<Answer>, Gone> {
        let block = self.code_block(asked);
        match self.pty {
            Some(_) => self.voice.stdout(block.replace('\n', "\r\n").into_bytes()).await?,
            None => self.voice.stderr(block.into_bytes()).await?,
        }
        let mut first_line = asked.here.then(|| StdinCode::new(&asked.code));
        loop {
            if self.held.bytes() > MAX_HELD {
                self.voice.closed().await;
                return Ok(None);
            }
            let Some(message) = self.ear.next().await else {
                return Ok(None);
            };
            let line = match &message {
                ChannelMsg::Data { data } => first_line.as_mut().and_then(|reader| reader.feed(data)),
                ChannelMsg::Eof => first_line.as_mut().map(StdinCode::end),
                ChannelMsg::Signal { .. } => return Ok(Some(no(asked))),
                ChannelMsg::Close => return Ok(None),
                _ => None,
            };
            self.note(&message);
            self.held.push(message);
            match line {
                None => {}
                Some(FirstLine::Data) => first_line = None,
                Some(FirstLine::Code { swallow }) => {
                    self.held.swallow(swallow);
                    return Ok(Some(answered(asked, true, AnswerChannel::Stdin)));
                }
            }
        }
    }

    fn code_block(&self, asked: &Asked) -> String {
        let engine = self.session.gate().engine();
        let address = console(&engine.config.server, asked);
        if asked.here {
            prompt::render_plain(&asked.question, &asked.code, &address)
        } else {
            prompt::render_for_owner(&asked.question, &asked.code, &address)
        }
    }

    /// Remembers what changes the terminal.
    fn note(&mut self, message: &ChannelMsg) {
        if let (Some(pty), Some(size)) = (self.pty.as_mut(), Size::told_by(message)) {
            pty.size = size;
        }
    }
}

fn no(asked: &Asked) -> Answer {
    answered(asked, false, AnswerChannel::Terminal)
}
