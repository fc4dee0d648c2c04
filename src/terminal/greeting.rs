//! The nonce of a hook, and the one time that it is told.

use super::asking::to_target;
use super::effect::Effect;

/// Tells a hook its nonce, once: whoever asks again is not the hook.
#[derive(Debug)]
pub(super) struct Greeting {
    nonce: String,
    is_over: bool,
}

impl Greeting {
    pub(super) fn new(nonce: String) -> Self {
        let is_over = false;
        Self { nonce, is_over }
    }

    /// What makes the hook's marks authentic.
    pub(super) fn nonce(&self) -> &str {
        &self.nonce
    }

    /// The hook asks for its nonce, where it `may`; `end` is what it reads up to.
    pub(super) fn give(&mut self, may: bool, end: u8, out: &mut Vec<Effect>) {
        if !may || self.is_over {
            out.push(Effect::Forged);
            return;
        }
        self.is_over = true;
        to_target([self.nonce.as_bytes(), &[end]].concat(), out);
    }

    /// Nobody will ask for the nonce any longer who is to have it.
    pub(super) fn close(&mut self) {
        self.is_over = true;
    }
}
