//! `opspilot policy`.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::anyhow;
use serde::Serialize;

use super::ConfigArg;
use crate::command::{self, Script};
use crate::config::{Config, Target, User};
use crate::domain::{Access, Channel, Decision, Dialect, Level, Name, printable_json, printable_line};
use crate::policy::{Matter, Policies, Request, Verdict};
use crate::risk::{Assessment, Assessor, Circumstances, Reason};

/// Arguments of `opspilot policy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Who would run it
    #[arg(long, value_name = "NAME")]
    user: Name,
    /// Where
    #[arg(long, value_name = "NAME")]
    target: Name,
    /// As whom, there; default: the target's login
    #[arg(long)]
    login: Option<String>,
    /// In which way: shell, exec, sftp, scp, rsync, git, ...
    #[arg(long, default_value_t = Channel::Exec)]
    channel: Channel,
    /// The language that the command is written in: bash, sh, zsh, fish
    #[arg(long, default_value_t = Dialect::Bash)]
    shell: Dialect,
    /// Answer in one line of JSON
    #[arg(long)]
    json: bool,
    /// The command
    cmd: String,
}

/// Assesses a command and says what the policy makes of it; nothing is run, and the history is neutral.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let assessor = Assessor::load(&config.risk)?;
    let (user, target) = (user(&config, &args.user)?, target(&config, &args.target)?);
    let login = login(target, args.login.as_deref())?;
    let script = command::parse(&args.cmd, args.shell);
    let assessment = assess(&assessor, target, &script);
    let (channel, matter) = matter(args.channel, &script, assessment.level);
    let request = Request::new(user, target, login, channel, &matter);
    let verdict = Policies::new(&config.policies).decide(&request);
    let answer = Answer::new(&request, &assessment, &verdict);
    super::print(|out| {
        if args.json {
            answer.write_json(out)
        } else {
            answer.write_text(out)
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// What is decided about, and through which channel it goes: an exec request may be a transfer, or SFTP.
fn matter(channel: Channel, script: &Script, level: Level) -> (Channel, Matter) {
    if channel == Channel::Exec && command::serves_sftp(script) {
        let access = Access::Channel {
            verb: "exec",
            name: script.text.clone(),
        };
        return (Channel::Sftp, Matter::Access(access));
    }
    match command::transfer(script).filter(|_| channel == Channel::Exec) {
        Some(transfer) => (transfer.channel, Matter::Transfer(Some(level), transfer.touches)),
        None => (channel, Matter::Command(Some(level))),
    }
}

fn assess(assessor: &Assessor, target: &Target, script: &Script) -> Assessment {
    let circumstances = Circumstances {
        environment: target.labels.get("env").map(String::as_str),
        ..Circumstances::default()
    };
    assessor.assess(script, &circumstances)
}

fn user<'c>(config: &'c Config, name: &Name) -> anyhow::Result<&'c User> {
    let found = config.users.iter().find(|user| user.name == *name);
    found.ok_or_else(|| {
        let known = config.users.iter().map(|user| user.name.as_str());
        anyhow!(
            "there is no user `{name}` in {}; known: {}",
            config.file.display(),
            list(known)
        )
    })
}

fn target<'c>(config: &'c Config, name: &Name) -> anyhow::Result<&'c Target> {
    let found = config.targets.iter().find(|target| target.name == *name);
    found.ok_or_else(|| {
        let known = config.targets.iter().map(|target| target.name.as_str());
        anyhow!(
            "there is no target `{name}` in {}; known: {}",
            config.file.display(),
            list(known)
        )
    })
}

/// The login that is meant, which must be one of the target's.
fn login<'c>(target: &'c Target, asked: Option<&str>) -> anyhow::Result<&'c str> {
    let Some(asked) = asked else {
        return Ok(&target.login);
    };
    let mut known = std::iter::once(&target.login).chain(&target.logins);
    known.find(|login| *login == asked).map(String::as_str).ok_or_else(|| {
        let known = std::iter::once(&target.login).chain(&target.logins).map(String::as_str);
        anyhow!(
            "`{}` is not a login of {}; known: {}",
            printable_line(asked),
            target.name,
            list(known)
        )
    })
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        "none".into()
    } else {
        names.join(", ")
    }
}

/// What is printed; the fields are those of `opspilot score --json`, and who, where and the decision.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    user: &'a Name,
    target: &'a Name,
    login: &'a str,
    channel: Channel,
    redacted: &'a str,
    level: Level,
    score: f64,
    reasons: &'a [Reason],
    rule_level: Level,
    ml_level: Option<Level>,
    ml_confidence: Option<f64>,
    understood: bool,
    policy: Option<&'a str>,
    decision: Decision,
    remember_s: u64,
    #[serde(skip)]
    parts: String,
}

impl<'a> Answer<'a> {
    fn new(request: &Request<'a>, assessment: &'a Assessment, verdict: &'a Verdict) -> Self {
        Self {
            user: request.user,
            target: request.target,
            login: request.login,
            channel: request.channel,
            redacted: &assessment.redacted,
            level: assessment.level,
            score: assessment.score,
            reasons: &assessment.reasons,
            rule_level: assessment.rule_level,
            ml_level: assessment.prediction.map(|prediction| prediction.level),
            ml_confidence: assessment.prediction.map(|prediction| prediction.confidence),
            understood: assessment.understood,
            policy: verdict.rule.as_deref(),
            decision: verdict.decision,
            remember_s: verdict.remember.as_secs(),
            parts: assessment.parts(),
        }
    }

    fn write_json(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", printable_json(&serde_json::to_string(self)?))
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self {
            user,
            login,
            target,
            channel,
            ..
        } = self;
        let doubt = if self.understood { "" } else { ", not fully understood" };
        writeln!(out, "command   {}", printable_line(self.redacted))?;
        writeln!(out, "access    {user} as {login} on {target} ({channel})")?;
        writeln!(out, "level     {} (score {:.2}{doubt})", self.level, self.score)?;
        for reason in self.reasons {
            let sentence = printable_line(&reason.sentence);
            writeln!(out, "reason    {sentence} ({}, {})", reason.rule, reason.level)?;
        }
        writeln!(out, "parts     {}", self.parts)?;
        writeln!(out, "policy    {}", self.policy.unwrap_or("none applies"))?;
        writeln!(out, "decision  {}", self.decision)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const CONFIG: &str = r#"
[[users]]
name = "alice"
[[targets]]
name = "web-1"
address = "h:22"
login = "deploy"
logins = ["root"]
identity = "k"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW"
"#;

    fn config() -> Config {
        Config::parse(CONFIG, Path::new("/c.toml")).unwrap()
    }

    #[test]
    fn who_is_not_known_is_told_who_is() {
        let config = config();
        let error = user(&config, &"bob".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "there is no user `bob` in /c.toml; known: alice");
        let error = target(&config, &"db-1".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "there is no target `db-1` in /c.toml; known: web-1");
    }

    #[test]
    fn only_the_targets_own_logins_can_be_asked_for() {
        let config = config();
        let target = &config.targets[0];
        assert_eq!(login(target, None).unwrap(), "deploy");
        assert_eq!(login(target, Some("root")).unwrap(), "root");
        let error = login(target, Some("admin")).unwrap_err();
        assert!(error.to_string().ends_with("known: deploy, root"), "{error}");
    }
}
