//! Who may run what where. Pure: the settings and a request in, a verdict out.

mod access;
mod destination;
mod files;
mod forward;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::config::{Policy, Target, User, glob_matches};
use crate::domain::{Access, Channel, Decision, Level, Name, Touch};

pub use forward::ssh_target_at;

/// The policies of a configuration, in order; the first whose conditions hold decides.
#[derive(Debug, Clone, Default)]
pub struct Policies(Vec<Policy>);

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who.
    pub user: &'a Name,
    /// Their roles.
    pub roles: &'a [Name],
    /// Where.
    pub target: &'a Name,
    /// The target's labels.
    pub labels: &'a BTreeMap<String, String>,
    /// As whom, there.
    pub login: &'a str,
    /// In which way.
    pub channel: Channel,
    /// What is decided about.
    pub matter: &'a Matter,
}

/// What is decided about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matter {
    /// A command, and how dangerous it is; `None` where that could not be known.
    Command(Option<Level>),
    /// A command that moves files and does no more: its level as above, and what it touches.
    Transfer(Option<Level>, Vec<Touch>),
    /// What needs no command.
    Access(Access),
}

/// What the policies make of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What is to be done.
    pub decision: Decision,
    /// The name of the policy that decided; `None` where none applies, which denies.
    pub rule: Option<String>,
    /// For how long a yes holds for the same command. Zero for never: always so for what is `critical` or unknown.
    pub remember: Duration,
    /// Why it is denied, where that is more than the policy's decision.
    pub because: Option<String>,
    /// What an answer holds for instead of the same command: the patterns of files that it was asked for.
    pub tree: Option<String>,
}

impl Policies {
    /// The policies in the order of the configuration.
    #[must_use]
    pub fn new(policies: &[Policy]) -> Self {
        Self(policies.to_vec())
    }

    /// Decides a request. Where no policy applies, or the one that does leaves the channel out, that is `deny`.
    #[must_use]
    pub fn decide(&self, request: &Request<'_>) -> Verdict {
        let Some(policy) = self.applying(request) else {
            return Verdict::denied(None);
        };
        if !covers(policy, request.channel) {
            return Verdict::denied(Some(policy.name.clone()));
        }
        let rule = Some(policy.name.clone());
        let judged = match request.matter {
            Matter::Command(level) => command(policy, *level),
            Matter::Transfer(level, touches) => access::transfer(policy, command(policy, *level), touches),
            Matter::Access(access) => {
                if let Some(why) = forward::objection(policy, access) {
                    return Verdict::denied(rule).because(why);
                }
                access::decide(policy, access)
            }
        };
        Verdict {
            decision: judged.decision,
            rule,
            remember: judged.remember,
            tree: judged.tree,
            because: None,
        }
    }

    /// Whether anything is decided about files apart, for who may use the channel.
    #[must_use]
    pub fn has_file_rules(&self, user: &User, target: &Target, login: &str, channel: Channel) -> bool {
        self.applying(&Request::new(user, target, login, channel, &Matter::Command(None)))
            .is_some_and(|policy| !policy.files.is_empty())
    }

    /// Whether the user may use this channel to this target under this login for anything at all.
    #[must_use]
    pub fn permits(&self, user: &User, target: &Target, login: &str, channel: Channel) -> bool {
        self.applying(&Request::new(user, target, login, channel, &Matter::Command(None)))
            .is_some_and(|policy| covers(policy, channel) && allows_something(policy))
    }

    /// Whether the user may reach this target under this login through any channel.
    #[must_use]
    pub fn admits(&self, user: &User, target: &Target, login: &str) -> bool {
        Channel::ALL
            .iter()
            .any(|channel| self.permits(user, target, login, *channel))
    }

    /// Whether somebody who is asked by the policy that applies may answer over HTTP. Never what is critical: there, the word that
    /// must be typed is part of the question.
    #[must_use]
    pub fn lets_http_answer(&self, request: &Request<'_>) -> bool {
        let is_critical = matches!(
            request.matter,
            Matter::Command(Some(Level::Critical)) | Matter::Transfer(Some(Level::Critical), _)
        );
        !is_critical && self.applying(request).is_some_and(|policy| policy.http_answers)
    }

    fn applying(&self, request: &Request<'_>) -> Option<&Policy> {
        self.0.iter().find(|policy| applies(policy, request))
    }
}

impl<'a> Request<'a> {
    /// A request of a configured user for a configured target.
    #[must_use]
    pub fn new(user: &'a User, target: &'a Target, login: &'a str, channel: Channel, matter: &'a Matter) -> Self {
        Self {
            user: &user.name,
            roles: &user.roles,
            target: &target.name,
            labels: &target.labels,
            login,
            channel,
            matter,
        }
    }
}

impl Verdict {
    /// A denial, by the policy `rule` or because none allows it.
    #[must_use]
    pub fn denied(rule: Option<String>) -> Self {
        Self {
            decision: Decision::Deny,
            rule,
            remember: Duration::ZERO,
            tree: None,
            because: None,
        }
    }

    /// The same, with the reason.
    #[must_use]
    pub fn because(self, why: String) -> Self {
        Self {
            because: Some(why),
            ..self
        }
    }
}

/// What a policy that applies makes of something.
struct Judged {
    decision: Decision,
    remember: Duration,
    tree: Option<String>,
}

fn command(policy: &Policy, level: Option<Level>) -> Judged {
    let decision = decision_for(policy, level);
    Judged {
        decision,
        remember: remember_for(policy, decision, level),
        tree: None,
    }
}

/// Whether every condition that the policy gives holds.
fn applies(policy: &Policy, request: &Request<'_>) -> bool {
    any_matches(policy.users.as_deref(), &[request.user.as_str()])
        && any_matches(policy.roles.as_deref(), &names(request.roles))
        && any_matches(policy.targets.as_deref(), &[request.target.as_str()])
        && any_matches(policy.logins.as_deref(), &[request.login])
        && policy
            .labels
            .iter()
            .all(|(key, value)| request.labels.get(key) == Some(value))
}

fn names(names: &[Name]) -> Vec<&str> {
    names.iter().map(Name::as_str).collect()
}

/// Whether one of the patterns matches one of the values; a condition that is not given always holds.
fn any_matches(patterns: Option<&[String]>, values: &[&str]) -> bool {
    patterns.is_none_or(|patterns| {
        patterns
            .iter()
            .any(|pattern| values.iter().any(|value| glob_matches(pattern, value)))
    })
}

/// Whether the policy lists the channel, by its own name or under `forward`.
fn covers(policy: &Policy, channel: Channel) -> bool {
    let is_forward = matches!(channel, Channel::LocalForward | Channel::RemoteForward);
    policy.channels.contains(&channel) || (is_forward && policy.channels.contains(&Channel::Forward))
}

fn decision_for(policy: &Policy, level: Option<Level>) -> Decision {
    level.map_or(policy.unknown, |level| policy.decisions[level.index()])
}

fn remember_for(policy: &Policy, decision: Decision, level: Option<Level>) -> Duration {
    let can_be_the_same_again = level.is_some_and(|level| level < Level::Critical);
    if decision == Decision::Confirm && can_be_the_same_again {
        policy.remember
    } else {
        Duration::ZERO
    }
}

fn allows_something(policy: &Policy) -> bool {
    policy
        .decisions
        .iter()
        .chain([&policy.unknown])
        .any(|decision| *decision != Decision::Deny)
}

#[cfg(test)]
mod tests;
