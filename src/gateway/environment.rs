//! What a session channel is set up with beside its terminal: variables, the user's agent, X11.

use std::sync::Arc;

use crate::config::{accepts_variable, may_be_set};
use crate::domain::Channel;

use super::forward::{self, X11Request};
use super::session::TargetSession;

/// Variables of one channel, at most.
const MAX_VARIABLES: usize = 128;
/// Their names and values, bytes at most.
const MAX_VARIABLE_BYTES: usize = 64 * 1024;

/// The variables that a channel has asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    variables: usize,
    bytes: usize,
}

impl Asked {
    /// Counts a variable; `false` where it is one too many.
    pub(super) fn count(&mut self, name: &str, value: &str) -> bool {
        self.variables += 1;
        self.bytes += name.len() + value.len();
        self.variables <= MAX_VARIABLES && self.bytes <= MAX_VARIABLE_BYTES
    }
}

/// What surrounds a program on a target.
#[derive(Debug, Default)]
pub(super) struct Environment {
    /// The variables that are passed on.
    pub(super) variables: Vec<(String, String)>,
    asked: Asked,
    /// Whether the user's agent is to be lent.
    pub(super) agent: bool,
    /// How X11 is to be forwarded, if it is.
    pub(super) x11: Option<X11Request>,
}

impl Environment {
    /// Takes a variable that is to be passed on, where it is `accepted`.
    pub(super) fn set(&mut self, name: String, value: String, accepted: bool) {
        if self.asked.count(&name, &value) && accepted {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many variables with values of so many bytes are taken.
    fn taken(count: usize, length: usize) -> usize {
        let mut environment = Environment::default();
        for _ in 0..count {
            environment.set("A".to_owned(), "x".repeat(length), true);
        }
        environment.variables.len()
    }

    #[test]
    fn variables_are_bounded_by_number_and_by_bytes() {
        assert_eq!(taken(MAX_VARIABLES + 1, 1), MAX_VARIABLES);
        assert_eq!(taken(1, MAX_VARIABLE_BYTES - 1), 1);
        assert_eq!(taken(1, MAX_VARIABLE_BYTES), 0);
        assert_eq!(taken(MAX_VARIABLES, 1000), MAX_VARIABLE_BYTES / 1001);
    }

    #[test]
    fn those_that_are_not_accepted_count_as_they_do_for_the_answer() {
        let mut environment = Environment::default();
        environment.set("A".to_owned(), "x".repeat(MAX_VARIABLE_BYTES), false);
        environment.set("B".to_owned(), String::new(), true);
        assert!(environment.variables.is_empty());
    }
}
