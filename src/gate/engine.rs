//! What decides: one configuration with its policies and its assessor, replaced as a whole.

use std::path::Path;

use crate::command::Script;
use crate::config::{Config, ConfigErrors, Target, User};
use crate::domain::{Access, Channel, Decision, Name};
use crate::policy::{self, Matter, Policies, Verdict};
use crate::risk::{Assessment, Assessor, Circumstances, Forest, RiskError, stray_models};

use super::pending::Claim;

/// Why an engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The configuration has faults.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// Rules or model cannot be used.
    #[error(transparent)]
    Risk(#[from] RiskError),
}

/// One consistent set of settings. A command is judged by one engine from beginning to end.
#[derive(Debug)]
pub struct Engine {
    /// The settings.
    pub config: Config,
    policies: Policies,
    assessor: Assessor,
}

impl Engine {
    /// Reads a configuration and all that it names. Blocks: call it outside asynchronous code.
    ///
    /// # Errors
    /// A fault in the configuration, the rules or the model; nothing is left half-made.
    pub fn load(file: &Path) -> Result<Self, EngineError> {
        let config = Config::load(file)?;
        let assessor = Assessor::load(&config.risk)?;
        for stray in stray_models(&config.risk).map_err(RiskError::from)? {
            tracing::warn!("{}", stray.why_stray());
        }
        Ok(Self::new(config, assessor))
    }

    /// The engine of a configuration.
    pub fn new(config: Config, assessor: Assessor) -> Self {
        let policies = Policies::new(&config.policies);
        Self {
            config,
            policies,
            assessor,
        }
    }

    /// A configured user.
    pub fn user(&self, name: &Name) -> Option<&User> {
        self.config.users.iter().find(|user| user.name == *name)
    }

    /// A configured target.
    pub fn target(&self, name: &Name) -> Option<&Target> {
        self.config.targets.iter().find(|target| target.name == *name)
    }

    /// The targets that a user may reach, and the logins that they may have there, the usual one first.
    pub fn reached_by<'a>(&'a self, user: &'a User) -> impl Iterator<Item = (&'a Target, Vec<String>)> {
        self.config.targets.iter().filter_map(|target| {
            let all = std::iter::once(&target.login).chain(&target.logins);
            let admitted = all.filter(|login| self.policies.admits(user, target, login));
            let logins: Vec<String> = admitted.cloned().collect();
            (!logins.is_empty()).then_some((target, logins))
        })
    }

    /// Whether the user may reach a target as anybody at all.
    pub fn may_reach(&self, user: &Name, target: &Name) -> bool {
        self.user(user).zip(self.target(target)).is_some_and(|(user, target)| {
            let mut logins = std::iter::once(&target.login).chain(&target.logins);
            logins.any(|login| self.policies.admits(user, target, login))
        })
    }

    /// The login that `asked` stands for at a target that the user may reach with it.
    pub fn admit(&self, user: &Name, target: &Name, asked: Option<&str>) -> Option<String> {
        let (user, target) = (self.user(user)?, self.target(target)?);
        let login = asked.unwrap_or(&target.login);
        let offered = login == target.login || target.logins.iter().any(|other| other == login);
        (offered && self.policies.admits(user, target, login)).then(|| login.to_owned())
    }

    /// Whether the user may use this channel for anything at all.
    pub fn permits(&self, user: &Name, target: &Name, login: &str, channel: Channel) -> bool {
        let known = self.user(user).zip(self.target(target));
        known.is_some_and(|(user, target)| self.policies.permits(user, target, login, channel))
    }

    /// Whether anything is decided about files apart, for who may use the channel.
    pub fn has_file_rules(&self, user: &Name, target: &Name, login: &str, channel: Channel) -> bool {
        let known = self.user(user).zip(self.target(target));
        known.is_some_and(|(user, target)| self.policies.has_file_rules(user, target, login, channel))
    }

    /// What scoring says of a command.
    pub fn assess(&self, script: &Script, circumstances: &Circumstances<'_>) -> Assessment {
        self.assessor.assess(script, circumstances)
    }

    /// The digest of the model that scores; `None` without one.
    pub fn model_digest(&self) -> Option<&str> {
        self.assessor.forest.as_ref().map(Forest::digest)
    }

    /// The digest of the model that runs in the shadow; `None` without one.
    pub fn shadow_digest(&self) -> Option<&str> {
        self.assessor.shadow.as_ref().map(Forest::digest)
    }

    /// What the policy says; `None` where user or target are not configured any longer.
    pub fn decide(&self, claim: &Claim) -> Option<Verdict> {
        let (user, target) = (self.user(&claim.user)?, self.target(&claim.target)?);
        let request = policy::Request::new(user, target, &claim.login, claim.channel, &claim.matter);
        let verdict = self.policies.decide(&request);
        let detour = self.detour(user, target, &claim.matter);
        Some(match detour {
            Some(why) if verdict.decision != Decision::Deny => Verdict::denied(None).because(why),
            _ => verdict,
        })
    }

    /// Whether the policy that applies lets a question about this be answered over HTTP.
    pub(super) fn lets_http_answer(&self, claim: &Claim) -> bool {
        let known = self.user(&claim.user).zip(self.target(&claim.target));
        known.is_some_and(|(user, target)| {
            let request = policy::Request::new(user, target, &claim.login, claim.channel, &claim.matter);
            self.policies.lets_http_answer(&request)
        })
    }

    /// Why a forward would lead past the bastion, if it would: to the SSH server of a target. The right way is named where the
    /// user may take it.
    fn detour(&self, user: &User, here: &Target, matter: &Matter) -> Option<String> {
        let Matter::Access(Access::Forward {
            verb: "connect",
            address,
            ..
        }) = matter
        else {
            return None;
        };
        let there = policy::ssh_target_at(&self.config.targets, here, address)?;
        let bastion = &self.config.server.public_name;
        Some(if self.policies.admits(user, there, &there.login) {
            let (user, login, name) = (&user.name, &there.login, &there.name);
            format!("this is the SSH server of {name}: use ssh -J {user}@{bastion} {login}@{name}")
        } else {
            "this is an SSH server behind the bastion, which a forward may not lead to".to_owned()
        })
    }
}
