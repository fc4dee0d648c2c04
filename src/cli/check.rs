//! `opspilot check`.

mod questions;
mod record;

use std::path::Path;
use std::process::ExitCode;

use super::ConfigArg;
use super::keys::read_private;
use crate::config::{Config, ConfigErrors, LoginWith, Problem, Target};
use crate::gateway::{host_key_is_strong, read_password};
use crate::http;
use crate::risk::{Assessor, ModelInForce, RiskError, RulesError, model_in_force};

/// Arguments of `opspilot check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Leave out the pages of the database, which take long to read where it is large
    #[arg(long)]
    without_record: bool,
}

/// Validates the configuration and everything that it names; says every error at once.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.load()?;
    let assessor = check(&config, args.without_record).map_err(ConfigErrors::new)?;
    let questions = questions::warnings(&config, &assessor.rules);
    super::print(|out| {
        for warning in config.warnings.iter().chain(&questions) {
            writeln!(out, "warning: {warning}")?;
        }
        writeln!(out, "{}", summary(&config))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The rules and the model; or what is wrong with the files that the configuration names, in its order.
fn check(config: &Config, without_record: bool) -> Result<Assessor, Vec<Problem>> {
    let mut problems = [
        check_state(config),
        if without_record {
            Vec::new()
        } else {
            record::check(config)
        },
        check_recordings(config),
        check_own_keys(config),
    ]
    .concat();
    let assessor = check_risk(config).map_err(|faults| problems.extend(faults));
    problems.extend(check_logins(config));
    problems.extend(check_tls(config));
    assessor.ok().filter(|_| problems.is_empty()).ok_or(problems)
}

fn check_state(config: &Config) -> Vec<Problem> {
    let missing = (!config.server.state_dir.is_dir()).then(|| {
        let dir = config.server.state_dir.display();
        let what = format!("{dir} is not a directory");
        config.problem("server.state_dir", what, format!("mkdir -p {dir}"))
    });
    missing.into_iter().collect()
}

/// The directory is made when it is first needed; until then, what it is made in must take it.
fn check_recordings(config: &Config) -> Vec<Problem> {
    let wanted = config.store.recordings.as_deref();
    let existing = wanted.and_then(|wanted| wanted.ancestors().find(|directory| directory.exists()));
    let problem = existing.and_then(|directory| {
        let error = tempfile::tempfile_in(directory).err()?;
        let what = format!("cannot write to {}: {error}", directory.display());
        let remedy = "give the directory to the user who runs the daemon, or set recordings = \"\" to record nothing";
        Some(config.problem("store.recordings", what, remedy))
    });
    problem.into_iter().collect()
}

/// The bastion's own keys are made on the first start, so only those that are there can be wrong.
fn check_own_keys(config: &Config) -> Vec<Problem> {
    let server = &config.server;
    let host_keys = server.host_keys.iter().enumerate();
    let host_keys = host_keys
        .filter(|(_, path)| path.exists())
        .filter_map(|(index, path)| check_host_key(config, &format!("server.host_keys[{index}]"), path));
    let authorities = [("server.host_ca", &server.host_ca), ("server.user_ca", &server.user_ca)];
    let authorities = authorities
        .into_iter()
        .filter(|(_, path)| path.exists())
        .filter_map(|(key, path)| check_private(config, key, path));
    host_keys.chain(authorities).collect()
}

fn check_host_key(config: &Config, key: &str, path: &Path) -> Option<Problem> {
    match read_private(path) {
        Ok(host_key) if host_key_is_strong(&host_key) => None,
        Ok(_) => {
            let what = format!("{} is neither Ed25519 nor RSA with 3072 bits or more", path.display());
            Some(config.problem(key, what, "name a new file; a key is made there at the next start"))
        }
        Err(error) => Some(config.problem(key, error.to_string(), error.remedy())),
    }
}

/// What the targets are logged in to with.
fn check_logins(config: &Config) -> Vec<Problem> {
    let targets = config.targets.iter().enumerate();
    let check = |(index, target): (usize, &Target)| match &target.login_with {
        LoginWith::Identity(path) => check_private(config, &format!("targets[{index}].identity"), path),
        LoginWith::PasswordFile(path) => {
            let error = read_password(path).err()?;
            let remedy = "write the password to the file's first line, and let nobody else read it: chmod 600";
            Some(config.problem(&format!("targets[{index}].password_file"), error, remedy))
        }
        LoginWith::Agent | LoginWith::Certificate => None,
    };
    targets.filter_map(check).collect()
}

/// What the HTTP API proves with who it is.
fn check_tls(config: &Config) -> Option<Problem> {
    let error = http::load_tls(config.http.tls.as_ref()?).err()?;
    let remedy = "name a certificate with those that it depends on, and its key, both in PEM";
    Some(config.problem("http.tls_certificate", error.to_string(), remedy))
}

fn check_private(config: &Config, key: &str, path: &Path) -> Option<Problem> {
    let error = read_private(path).err()?;
    Some(config.problem(key, error.to_string(), error.remedy()))
}

/// Loads the rules and the model as the daemon would, and runs the rules' examples.
fn check_risk(config: &Config) -> Result<Assessor, Vec<Problem>> {
    let assessor = Assessor::load(&config.risk).map_err(|error| vec![risk_problem(config, error)])?;
    if assessor.rules.is_empty() {
        let remedy = "list a file with rules; `opspilot init` writes the shipped ones";
        return Err(vec![config.problem(
            "risk.rules",
            "there is no rule: every command would be low",
            remedy,
        )]);
    }
    let faults = failing_examples(&assessor);
    if faults.is_empty() { Ok(assessor) } else { Err(faults) }
}

fn failing_examples(assessor: &Assessor) -> Vec<Problem> {
    let faults = assessor.rules.check_examples().into_iter();
    let problems = faults.map(|fault| {
        let verb = if fault.expected { "does not match" } else { "matches" };
        let what = format!("rule `{}` {verb} its example `{}`", fault.rule, fault.example);
        in_rules(fault.file, Some(fault.line), what, "correct the rule or the example")
    });
    problems.collect()
}

fn risk_problem(config: &Config, error: RiskError) -> Problem {
    match error {
        RiskError::ReadRules { path, cause } => {
            let what = format!("cannot read {}: {cause}", path.display());
            config.problem("risk.rules", what, "correct the path")
        }
        RiskError::Model(error) => {
            let remedy = "install a working model, or set model = \"\" for rules only";
            config.problem("risk.model", error.to_string(), remedy)
        }
        RiskError::InstalledModel { number, cause } => {
            let what = format!("installed model number {number}: {cause}");
            config.problem("risk.model", what, "go back from it: opspilot model rollback")
        }
        RiskError::Installed(error) => {
            let remedy = "give the directory to the user who runs the daemon";
            config.problem("server.state_dir", error.to_string(), remedy)
        }
        RiskError::Rules(RulesError::Invalid {
            path,
            line,
            message,
            remedy,
        }) => in_rules(path, Some(line), message, &remedy),
        RiskError::Rules(RulesError::Syntax { path, line, message }) => in_rules(
            path,
            Some(line),
            message,
            "correct the line; config/rules.toml begins with what a rule may say",
        ),
    }
}

fn in_rules(path: String, line: Option<usize>, what: String, remedy: &str) -> Problem {
    Problem {
        file: path.into(),
        line,
        key: None,
        what,
        remedy: remedy.into(),
    }
}

fn summary(config: &Config) -> String {
    format!(
        "{} is valid; users: {}, targets: {}, policies: {}, rule files: {}, {}",
        config.file.display(),
        config.users.len(),
        config.targets.len(),
        config.policies.len(),
        config.risk.rules.len(),
        model(config),
    )
}

fn model(config: &Config) -> String {
    match model_in_force(&config.risk) {
        Ok(Some(ModelInForce {
            number: Some(number), ..
        })) => format!("installed model number {number}"),
        Ok(Some(_)) => "the configured model".to_owned(),
        Ok(None) | Err(_) => "no model".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "[risk]\nrules = [\"r\"]\nmodel = \"\"\n[[targets]]\nname = \"web-1\"\naddress = \"h:22\"\nlogin = \"l\"\n\
        identity = \"key\"\n\
        host_key = \"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW\"\n";

    /// The smallest file of rules.
    const RULES: &str = "[[rule]]\nid = \"a.b\"\nfamily = \"a\"\nlevel = \"low\"\nsentence = \"S.\"\nwhen = [{ program = [\"x\"] }]\n\
        match = [\"x\"]\nno_match = [\"y\"]\n";

    fn found(dir: &Path) -> Vec<Problem> {
        faults(&Config::parse(TARGET, &dir.join("opspilot.toml")).unwrap())
    }

    fn faults(config: &Config) -> Vec<Problem> {
        check(config, false).err().unwrap_or_default()
    }

    #[test]
    fn a_missing_identity_is_reported_at_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r"), RULES).unwrap();
        let problems = found(dir.path());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (problems[0].line, problems[0].key.as_deref()),
            (Some(8), Some("targets[0].identity"))
        );
        assert!(problems[0].remedy.contains("ssh-keygen"));
    }

    #[test]
    fn a_private_identity_passes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r"), RULES).unwrap();
        super::super::keys::generate(&dir.path().join("key"), "x").unwrap();
        assert_eq!(found(dir.path()), []);
    }

    #[test]
    fn a_password_file_that_others_may_read_is_reported_at_its_line() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r"), RULES).unwrap();
        let text = TARGET.replace("identity = ", "password_file = ");
        let config = Config::parse(&text, &dir.path().join("opspilot.toml")).unwrap();
        super::super::keys::write_new(&dir.path().join("key"), b"word\n", 0o644).unwrap();
        let problems = faults(&config);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(
            (problems[0].line, problems[0].key.as_deref()),
            (Some(8), Some("targets[0].password_file"))
        );
        assert!(problems[0].what.contains("others may read") && !problems[0].what.contains("word\n"));
    }

    #[test]
    fn faulty_rules_and_missing_models_are_reported_where_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("opspilot.toml");
        let found = |text: &str| faults(&Config::parse(text, &file).unwrap());

        let missing = found("[risk]\nrules = [\"r\"]\nmodel = \"\"\n");
        assert_eq!(
            (missing[0].line, missing[0].key.as_deref()),
            (Some(2), Some("risk.rules"))
        );

        std::fs::write(dir.path().join("r"), "").unwrap();
        let empty = found("[risk]\nrules = [\"r\"]\nmodel = \"\"\n");
        assert!(empty[0].what.contains("no rule"), "{empty:?}");

        std::fs::write(dir.path().join("r"), "\n[[rule]]\nno-such-key = 1\n").unwrap();
        let faulty = found("[risk]\nrules = [\"r\"]\nmodel = \"\"\n");
        assert_eq!(faulty[0].file, dir.path().join("r"));
        assert!(
            faulty[0].line.is_some_and(|line| line > 1) && !faulty[0].remedy.is_empty(),
            "{faulty:?}"
        );

        std::fs::write(dir.path().join("r"), RULES).unwrap();
        let missing = found("[risk]\nrules = [\"r\"]\nmodel = \"m\"\n");
        assert_eq!(
            (missing[0].line, missing[0].key.as_deref()),
            (Some(3), Some("risk.model"))
        );
    }

    #[test]
    fn recordings_must_have_a_place_that_can_be_written() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r"), RULES).unwrap();
        std::fs::write(dir.path().join("taken"), "").unwrap();
        let found = |recordings: &str| {
            let text = format!("[store]\nrecordings = \"{recordings}\"\n[risk]\nrules = [\"r\"]\nmodel = \"\"\n");
            faults(&Config::parse(&text, &dir.path().join("opspilot.toml")).unwrap())
        };
        assert_eq!(found(""), []);
        assert_eq!(found("not/yet/there"), []);
        let taken = found("taken/recordings");
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert_eq!(
            (taken[0].line, taken[0].key.as_deref()),
            (Some(2), Some("store.recordings"))
        );
    }

    #[test]
    fn a_host_key_that_is_there_must_be_usable() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("r"), RULES).unwrap();
        super::super::keys::generate(&dir.path().join("key"), "x").unwrap();
        super::super::keys::write_new(&dir.path().join("ssh_host_ed25519_key"), b"junk", 0o600).unwrap();
        let problems = found(dir.path());
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].key.as_deref(), Some("server.host_keys[0]"));
    }
}
