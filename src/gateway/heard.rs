//! What is heard of a program on a target: how much it wrote, and how it ended.

use std::time::Duration;

use russh::{ChannelMsg, Sig};

use crate::gate::Ending;

use super::user::{Gone, Voice, fail};

/// What was heard of a program.
pub(super) struct Heard {
    has_pty: bool,
    exit_code: Option<u32>,
    signal: Option<Sig>,
    stdout: u64,
    stderr: u64,
}

impl Heard {
    pub(super) fn new(has_pty: bool) -> Self {
        Self {
            has_pty,
            exit_code: None,
            signal: None,
            stdout: 0,
            stderr: 0,
        }
    }

    pub(super) fn note(&mut self, message: &ChannelMsg) {
        match message {
            ChannelMsg::Data { data } => self.stdout += data.len() as u64,
            ChannelMsg::ExtendedData { data, .. } => self.stderr += data.len() as u64,
            ChannelMsg::ExitStatus { exit_status } => self.exit_code = Some(*exit_status),
            ChannelMsg::ExitSignal { signal_name, .. } => self.signal = Some(signal_name.clone()),
            _ => {}
        }
    }

    /// How it ended, after `duration`.
    pub(super) fn ending(&self, duration: Duration) -> Ending {
        let seen = self.exit_code.is_some() || self.signal.is_some();
        Ending {
            exit_code: self.exit_code.map(u32::cast_signed),
            exit_signal: self.signal.as_ref().map(signal_name),
            pipe_status: Vec::new(),
            duration,
            stdout_length: Some(self.stdout),
            stderr_length: (!self.has_pty).then_some(self.stderr),
            input_length: None,
            input_sha256: None,
            cwd: None,
            lost: (!seen).then(|| "the connection ended before the command did".to_owned()),
        }
    }
    /// How the line ended that was running when its shell did: with the shell's exit code, and after what was not counted.
    pub(super) fn last_ending(&self, duration: Duration) -> Ending {
        Ending {
            stdout_length: None,
            ..self.ending(duration)
        }
    }

    /// Ends the user's channel as the program ended.
    pub(super) async fn tell(&self, voice: &Voice) -> Result<(), Gone> {
        match (&self.signal, self.exit_code) {
            (Some(signal), _) => voice.exit_signal(signal.clone()).await,
            (None, Some(code)) => voice.exit(code).await,
            (None, None) => fail(voice, self.has_pty, "the connection to the target has ended").await,
        }
    }
}

/// The name of a signal as RFC 4254 spells it.
fn signal_name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_nobody_saw_is_not_a_success() {
        let ending = Heard::new(false).ending(Duration::ZERO);
        assert!(ending.lost.is_some());
        assert_eq!(ending.exit_code, None);
    }

    #[test]
    fn a_pty_has_one_stream() {
        let mut heard = Heard::new(true);
        heard.note(&ChannelMsg::ExitStatus { exit_status: 0 });
        let ending = heard.ending(Duration::ZERO);
        assert_eq!((ending.stdout_length, ending.stderr_length), (Some(0), None));
    }
}
