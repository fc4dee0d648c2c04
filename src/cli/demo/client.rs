//! The script's SSH client: a real connection over TCP, with the real authentication.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail, ensure};
use russh::client::{self, Handle, Handler, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};
use tokio::time::timeout;

use super::stage::{Stage, TARGET, USER};
use crate::cli::keys::read_private;

/// How long anything that must come may take.
const DEADLINE: Duration = Duration::from_secs(30);
/// The window of the script's terminal, in characters.
const COLUMNS: u32 = 80;
const ROWS: u32 = 24;

/// A connection through the bastion to the target.
pub(super) struct Client {
    handle: Handle<Verifier>,
}

impl Client {
    /// Connects as `ssh` would.
    pub(super) async fn connect(stage: &Stage) -> anyhow::Result<Self> {
        let verifier = Verifier {
            trusted: stage.host_key.clone(),
        };
        let config = Arc::new(client::Config::default());
        let mut handle = client::connect(config, ("127.0.0.1", stage.port), verifier)
            .await
            .context("cannot connect to the bastion")?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(read_private(&stage.user_key)?), None);
        let answer = handle.authenticate_publickey(format!("{USER}@{TARGET}"), key).await?;
        ensure!(answer.success(), "the bastion did not accept the demo's key");
        Ok(Self { handle })
    }

    /// Runs a command without a terminal.
    pub(super) async fn exec(&self, command: &str) -> anyhow::Result<Conversation> {
        let channel = self.handle.channel_open_session().await?;
        channel.exec(true, command).await?;
        Ok(Conversation::new(channel))
    }

    /// Runs a command on a terminal.
    pub(super) async fn exec_on_terminal(&self, command: &str) -> anyhow::Result<Conversation> {
        let channel = self.terminal().await?;
        channel.exec(true, command).await?;
        Ok(Conversation::new(channel))
    }

    /// Opens an interactive shell.
    pub(super) async fn shell(&self) -> anyhow::Result<Conversation> {
        let channel = self.terminal().await?;
        channel.request_shell(true).await?;
        Ok(Conversation::new(channel))
    }

    async fn terminal(&self) -> anyhow::Result<Channel<Msg>> {
        let channel = self.handle.channel_open_session().await?;
        // A terminal without colours, so that what it shows can be read line by line.
        channel.request_pty(true, "dumb", COLUMNS, ROWS, 0, 0, &[]).await?;
        Ok(channel)
    }

    /// Says goodbye.
    pub(super) async fn leave(self) -> anyhow::Result<()> {
        Ok(self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await?)
    }
}

/// One channel, and what came on it.
pub(super) struct Conversation {
    channel: Channel<Msg>,
    /// What came on standard output and has not been asked for yet.
    output: Vec<u8>,
    /// What came on standard error and has not been asked for yet.
    errors: Vec<u8>,
    exit_code: Option<u32>,
    closed: bool,
}

impl Conversation {
    fn new(channel: Channel<Msg>) -> Self {
        let (output, errors) = (Vec::new(), Vec::new());
        Self {
            channel,
            output,
            errors,
            exit_code: None,
            closed: false,
        }
    }

    /// Waits for `text` on standard output; answers what came up to its end.
    pub(super) async fn expect(&mut self, text: &str) -> anyhow::Result<String> {
        self.await_text(text, |conversation| &mut conversation.output).await
    }

    /// Waits for `text` on standard error; answers what came up to its end.
    pub(super) async fn expect_error(&mut self, text: &str) -> anyhow::Result<String> {
        self.await_text(text, |conversation| &mut conversation.errors).await
    }

    /// Types.
    pub(super) async fn send(&self, text: &str) -> anyhow::Result<()> {
        Ok(self.channel.data_bytes(text.as_bytes().to_vec()).await?)
    }

    /// Ends the input and waits for the end; answers what came on both streams, and the exit code.
    pub(super) async fn finish(mut self) -> anyhow::Result<(String, u32)> {
        if !self.closed {
            self.channel.eof().await?;
        }
        while !self.closed {
            self.hear().await.context("waiting for the end")?;
        }
        let code = self.exit_code.context("the command ended without an exit code")?;
        let text = [self.errors, self.output].concat();
        Ok((String::from_utf8_lossy(&text).into_owned(), code))
    }

    async fn await_text(&mut self, text: &str, stream: impl Fn(&mut Self) -> &mut Vec<u8>) -> anyhow::Result<String> {
        loop {
            if let Some(found) = take_through(stream(self), text.as_bytes()) {
                return Ok(found);
            }
            let heard = if self.closed {
                Err(anyhow!("the channel closed"))
            } else {
                self.hear().await
            };
            if let Err(error) = heard {
                let before = String::from_utf8_lossy(stream(self)).into_owned();
                return Err(error.context(format!("waiting for {text:?}, after {before:?}")));
            }
        }
    }

    async fn hear(&mut self) -> anyhow::Result<()> {
        let heard = timeout(DEADLINE, self.channel.wait()).await;
        match heard.with_context(|| format!("nothing came within {} s", DEADLINE.as_secs()))? {
            Some(ChannelMsg::Data { data }) => self.output.extend_from_slice(&data),
            Some(ChannelMsg::ExtendedData { data, .. }) => self.errors.extend_from_slice(&data),
            Some(ChannelMsg::ExitStatus { exit_status }) => self.exit_code = Some(exit_status),
            Some(ChannelMsg::Failure) => bail!("the bastion refused a request"),
            Some(ChannelMsg::Close) | None => self.closed = true,
            Some(_) => {}
        }
        Ok(())
    }
}

/// Takes everything up to the end of `needle` off the beginning.
fn take_through(bytes: &mut Vec<u8>, needle: &[u8]) -> Option<String> {
    let end = memchr::memmem::find(bytes, needle)? + needle.len();
    let taken: Vec<u8> = bytes.drain(..end).collect();
    Some(String::from_utf8_lossy(&taken).into_owned())
}

/// Trusts the bastion's host key and nothing else.
struct Verifier {
    trusted: PublicKey,
}

impl Handler for Verifier {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => key.key_data() == self.trusted.key_data(),
            PublicKeyOrCertificate::Certificate(_) => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_is_taken_and_the_rest_stays() {
        let mut bytes = b"one two three".to_vec();
        assert_eq!(take_through(&mut bytes, b"two"), Some("one two".to_owned()));
        assert_eq!(take_through(&mut bytes, b"two"), None);
        assert_eq!(bytes, b" three");
    }
}
