//! What a session channel is set up with beside its terminal: variables, the user's agent, X11.

use std::sync::Arc;

use crate::config::{accepts_variable, may_be_set};
use crate::domain::Channel;

use super::forward::{self, X11Request};
use super::session::TargetSession;

/// Variables of one channel, at most.
const MAX_VARIABLES: usize = 128;

/// What surrounds a program on a target.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The variables that are passed on.
    pub(super) variables: Vec<(String, String)>,
    /// Whether the user's agent is to be lent.
    pub(super) agent: bool,
    /// How X11 is to be forwarded, if it is.
    pub(super) x11: Option<X11Request>,
}

impl Environment {
    /// Takes a variable that is to be passed on.
    pub(super) fn set(&mut self, name: String, value: String) {
        if self.variables.len() < MAX_VARIABLES {
            self.variables.push((name, value));
        }
    }

    /// Puts on record what is lent to the target, and leaves out what the policy denies.
    pub(super) async fn agreed(mut self, session: &Arc<TargetSession>) -> Self {
        let accepted = &session.gate().engine().config.server.accept_env;
        let beyond: Vec<&str> = self
            .variables
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| !accepts_variable(accepted, name))
            .collect();
        if !beyond.is_empty() && !forward::set_variables(session, beyond.join(" ")).await {
            self.variables.retain(|(name, _)| accepts_variable(accepted, name));
        }
        self.agent = self.agent && forward::lend_agent(session).await;
        if self.x11.is_some() && !forward::show_x11(session).await {
            self.x11 = None;
        }
        self
    }
}

/// Whether a variable is passed on: those of `accept_env`, and beyond them all others that may be set at all where the policy
/// lists the channel `env`.
pub(super) fn passes_variable(session: &TargetSession, name: &str) -> bool {
    let accepted = &session.gate().engine().config.server.accept_env;
    accepts_variable(accepted, name) || (may_be_set(name) && session.permits(Channel::Env))
}
