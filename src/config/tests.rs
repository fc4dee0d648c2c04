use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::domain::{Channel, Decision, FileOperation, Level};

/// Every section once, one key a line; `faults` changes one line of it and expects that line in the error.
const VALID: &str = r#"[server]
listen = ["127.0.0.1:2222", "[::1]:2222"]
public_name = "bastion.example"
state_dir = "state"
host_keys = ["host_key"]
login_grace = "20s"
max_sessions = 7
accept_env = ["LC_*"]
[store]
path = "record.db"
on_failure = "allow"
[risk]
rules = ["a.toml", "/etc/b.toml"]
model = ""
[confirm]
timeout = "2m"
max_pending = 3
[[users]]
name = "alice"
roles = ["sre"]
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNfb4s4Kg1Oc0d2GK7PHdXL+u2wHcA/0vJajD9mjlzY alice"]
[[users]]
name = "deployer"
kind = "robot"
owner = "alice"
authorized_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNfb4s4Kg1Oc0d2GK7PHdXL+u2wHcA/0vJajD9mjlzY robot"]
[[targets]]
name = "web-1"
aliases = ["web-1.internal"]
address = "[fd00::1]:2200"
login = "deploy"
logins = ["root"]
identity = "keys/web"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW web"
labels = { env = "prod" }
shell_gate = "hook"
probe = "off"
[[policies]]
name = "production"
users = ["alice"]
roles = ["sre"]
targets = ["web-*"]
logins = ["root"]
labels = { env = "prod" }
channels = ["shell", "exec"]
low = "allow"
medium = "warn"
high = "confirm"
critical = "deny"
unknown = "confirm"
remember = "5m"
files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]
[learning]
promote = true
maintenance = ["sun 02-05"]
"#;

/// An RSA key that can be broken.
const SHORT_RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDEdpDqUr9V5OI0bE6zKXzJDnKRaEDUAFcI4//BFSRewTIKAOqPYXlxpE7riRTj\
4rjgzed8hyKB9eoFecEPu+8+Smo+8ea5K76nPTEU5yI4s93WQBacBnNWZS0Pt01Qrzii3KbwbiQMr5P5YZQZisQ5MwNsJQHoKPiYflXZMrDeZw==";

const FILE: &str = "/etc/opspilot/opspilot.toml";

fn parse(text: &str) -> Result<Config, ConfigErrors> {
    Config::parse(text, Path::new(FILE))
}

fn problems(text: &str) -> Vec<Problem> {
    parse(text).expect_err("faulty").problems().to_vec()
}

/// The place of the only occurrence of `line` in [`VALID`], from 1.
fn line_of(line: &str) -> usize {
    let found: Vec<_> = VALID.lines().enumerate().filter(|(_, other)| *other == line).collect();
    assert_eq!(found.len(), 1, "`{line}` must stand once in VALID");
    found[0].0 + 1
}

#[test]
fn every_setting_arrives() {
    let config = parse(VALID).unwrap();
    assert_eq!(config.file, Path::new(FILE));
    assert_eq!(config.server.listen.len(), 2);
    assert_eq!(config.server.public_name, "bastion.example");
    assert_eq!(config.server.login_grace, Duration::from_secs(20));
    assert_eq!(config.server.max_sessions, 7);
    assert_eq!(config.server.accept_env, ["LC_*"]);
    assert_eq!(config.store.on_failure, OnFailure::Allow);
    assert!(config.risk.model.is_none());
    assert_eq!(config.confirm.timeout, Duration::from_mins(2));
    assert_eq!(config.confirm.max_pending, 3);
    assert!(config.learning.promote);
    assert_eq!(config.learning.maintenance.len(), 1);
    assert_eq!(config.warnings, []);
}

#[test]
fn the_trainers_faults_are_told_where_they_stand() {
    for (line, key) in [
        ("accuracy_floor = 101", "learning.accuracy_floor"),
        ("recall_floor = \"half\"", "learning.recall_floor"),
        ("timeout = \"0s\"", "learning.timeout"),
        ("maintenance = [\"sun 2am\"]", "learning.maintenance[0]"),
        ("promotes = true", "learning.promotes"),
    ] {
        let found = problems(&format!("[learning]\n{line}\n"));
        assert_eq!(
            (found[0].key.as_deref(), found[0].line),
            (Some(key), Some(2)),
            "{found:#?}"
        );
    }
    let learning = parse("").unwrap().learning;
    assert_eq!(learning.trainer, Path::new("/etc/opspilot/../models"));
    assert!(!learning.promote, "nobody's model takes over unwatched");
}

#[test]
fn users_targets_and_policies_arrive() {
    let config = parse(VALID).unwrap();
    let [alice, robot] = config.users.as_slice() else {
        panic!("two users")
    };
    assert_eq!(
        (alice.kind, alice.roles.len(), alice.authorized_keys.len()),
        (UserKind::Human, 1, 1)
    );
    assert_eq!((robot.kind, robot.owner.as_ref()), (UserKind::Robot, Some(&alice.name)));
    let target = &config.targets[0];
    assert_eq!((target.address.host.as_str(), target.address.port), ("fd00::1", 2200));
    assert_eq!((target.shell_gate, target.probe), (ShellGate::Hook, ProbeMode::Off));
    assert!(
        matches!(&target.host_keys, HostKeys::Pinned { keys, authorities } if keys.len() == 1 && authorities.is_empty())
    );
    let policy = &config.policies[0];
    assert_eq!(policy.channels, [Channel::Shell, Channel::Exec]);
    assert_eq!(policy.decisions[Level::Critical.index()], Decision::Deny);
    assert_eq!(
        (policy.unknown, policy.remember),
        (Decision::Confirm, Duration::from_mins(5))
    );
    let files = FileRule {
        operations: vec![FileOperation::Write, FileOperation::Remove],
        paths: vec![PathPattern::new("/etc/**").unwrap()],
        action: Decision::Deny,
    };
    assert_eq!(policy.files, [files]);
}

#[test]
fn forwards_may_be_limited_to_destinations() {
    let limited = VALID.replace("channels = ", "forward_to = [\"DB-1:5432\", \"/run/x\"]\nchannels = ");
    let policies = parse(&limited).unwrap().policies;
    assert_eq!(
        policies[0].forward_to,
        Some(vec!["db-1:5432".to_owned(), "/run/x".to_owned()])
    );
    assert_eq!(parse(VALID).unwrap().policies[0].forward_to, None);
}

#[test]
fn relative_paths_have_the_base_that_the_design_gives() {
    let config = parse(VALID).unwrap();
    assert_eq!(config.server.state_dir, Path::new("/etc/opspilot/state"));
    assert_eq!(config.server.host_keys, [Path::new("/etc/opspilot/state/host_key")]);
    assert_eq!(config.store.path, Path::new("/etc/opspilot/state/record.db"));
    assert_eq!(
        config.risk.rules,
        [Path::new("/etc/opspilot/a.toml"), Path::new("/etc/b.toml")]
    );
    assert_eq!(
        config.targets[0].login_with,
        LoginWith::Identity("/etc/opspilot/keys/web".into())
    );
    assert_eq!(
        config.server.host_ca,
        Path::new("/etc/opspilot/state/host_ca_ed25519_key")
    );
}

#[test]
fn recordings_are_kept_for_as_long_as_the_record_unless_it_says_otherwise() {
    for (lines, record, recordings) in [
        ("", Some(365), Some(365)),
        ("retention_days = 30", Some(30), Some(30)),
        ("retention_days = 0", None, None),
        ("recordings_retention_days = 90", Some(365), Some(90)),
        ("retention_days = 30\nrecordings_retention_days = 0", Some(30), None),
    ] {
        let settings = parse(&format!("[store]\n{lines}\n")).unwrap().store;
        assert_eq!(
            (settings.retention_days, settings.recordings_retention_days),
            (record, recordings),
            "{lines}"
        );
    }
}

#[test]
fn recordings_lie_below_the_state_directory_elsewhere_or_nowhere() {
    let store = |lines: &str| {
        parse(&format!("[server]\nstate_dir = \"state\"\n[store]\n{lines}\n"))
            .unwrap()
            .store
    };
    for (lines, directory) in [
        ("", Some("/etc/opspilot/state/recordings")),
        ("recordings = \"r\"", Some("/etc/opspilot/state/r")),
        ("recordings = \"/var/r\"", Some("/var/r")),
        ("recordings = \"\"", None),
    ] {
        assert_eq!(store(lines).recordings.as_deref(), directory.map(Path::new), "{lines}");
    }
    let preferred = store("recordings_on_failure = \"continue\"").recordings_on_failure;
    assert_eq!(preferred, RecordingsOnFailure::Continue);
    for (lines, limit) in [
        ("", Some(1 << 30)),
        ("recordings_max_bytes = 5_000_000", Some(5_000_000)),
        ("recordings_max_bytes = 0", None),
    ] {
        assert_eq!(store(lines).recordings_max_bytes, limit, "{lines}");
    }
}

#[test]
fn an_empty_file_has_the_defaults_of_the_design_and_denies_everything() {
    let config = parse("").unwrap();
    assert_eq!(config.server.listen, ["127.0.0.1:2222".parse().unwrap()]);
    assert_eq!(config.server.state_dir, Path::new("/etc/opspilot"));
    assert_eq!(
        config.server.host_keys,
        [Path::new("/etc/opspilot/ssh_host_ed25519_key")]
    );
    assert_eq!(config.server.login_grace, Duration::from_secs(30));
    assert_eq!(config.server.max_unauthenticated, 100);
    assert_eq!(config.server.idle_timeout, Duration::ZERO);
    assert_eq!(config.store.path, Path::new("/etc/opspilot/opspilot.db"));
    assert_eq!(config.store.on_failure, OnFailure::Deny);
    assert_eq!(
        config.store.recordings.as_deref(),
        Some(Path::new("/etc/opspilot/recordings"))
    );
    assert_eq!(config.store.recordings_on_failure, RecordingsOnFailure::End);
    assert_eq!(config.risk.rules, [Path::new("/etc/opspilot/rules.toml")]);
    assert_eq!(
        config.risk.model.as_deref(),
        Some(Path::new("/etc/opspilot/../models/risk.onnx"))
    );
    assert_eq!(config.confirm.timeout, Duration::from_mins(2));
    assert_eq!(config.confirm.max_pending, 20);
    assert!(config.policies.is_empty());
    assert!(config.warnings[0].what.contains("everything is denied"));
}

#[test]
fn the_shipped_file_is_valid_and_has_nothing_to_warn_of() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/opspilot.toml");
    let config = Config::load(&file).unwrap();
    assert_eq!(config.warnings, []);
}

#[test]
fn the_shipped_file_spells_the_defaults_as_they_are() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/opspilot.toml");
    let shipped = Config::load(&file).unwrap();
    let defaults = Config::parse("", &file).unwrap();
    assert_eq!(format!("{:?}", shipped.server), format!("{:?}", defaults.server));
    assert_eq!(format!("{:?}", shipped.store), format!("{:?}", defaults.store));
    assert_eq!(format!("{:?}", shipped.risk), format!("{:?}", defaults.risk));
    assert_eq!(format!("{:?}", shipped.learning), format!("{:?}", defaults.learning));
    assert_eq!(format!("{:?}", shipped.confirm), format!("{:?}", defaults.confirm));
    assert_eq!(shipped.impact, defaults.impact);
}

/// One fault: this line of [`VALID`], replaced by that one, is reported there under `key`.
type ExpectedFault = (&'static str, &'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const FAULTS: &[ExpectedFault] = &[
    // the line as it is, what it becomes, the key, what is wrong, the remedy
    (r"max_sessions = 7", r"max_sesions = 7", "server.max_sesions", "not a known key", "did you mean `max_sessions`?"),
    (r"max_sessions = 7", r"colour = 7", "server.colour", "not a known key", "known here: accept_env"),
    (r"max_sessions = 7", r"max_sessions = 0", "server.max_sessions", "out of range", "above 0"),
    (r"max_sessions = 7", r"max_sessions = -1", "server.max_sessions", "out of range", "above 0"),
    (r"max_sessions = 7", r"max_sessions = 99999999999999999999999", "server.max_sessions", "out of range", "above 0"),
    (r"max_sessions = 7", r#"max_sessions = "7""#, "server.max_sessions", "wrong type (string)", "a whole number"),
    (r"max_sessions = 7", "listen = []", "", "duplicate", "TOML syntax"),
    (r#"listen = ["127.0.0.1:2222", "[::1]:2222"]"#, r#"listen = ["localhost"]"#, "server.listen[0]", "`localhost` is not an address", "0.0.0.0:2222"),
    (r#"listen = ["127.0.0.1:2222", "[::1]:2222"]"#, r"listen = []", "server.listen", "is empty", "at least one"),
    (r#"listen = ["127.0.0.1:2222", "[::1]:2222"]"#, r#"listen = "127.0.0.1:2222""#, "server.listen", "wrong type (string)", "a list"),
    (r#"public_name = "bastion.example""#, r#"public_name = "a b""#, "server.public_name", "not a host name", "without a port"),
    (r#"state_dir = "state""#, r#"state_dir = """#, "server.state_dir", "is empty", "path"),
    (r#"login_grace = "20s""#, r#"login_grace = "0s""#, "server.login_grace", "may not be zero", "30s"),
    (r#"login_grace = "20s""#, r#"login_grace = "20""#, "server.login_grace", "`20` is not a duration", "\"5m\""),
    (r#"accept_env = ["LC_*"]"#, r#"accept_env = ["*"]"#, "server.accept_env[0]", "does not name environment", "LC_*"),
    (r#"accept_env = ["LC_*"]"#, r#"accept_env = ["PATH"]"#, "server.accept_env[0]", "what was not submitted", "set them on the target"),
    (r#"path = "record.db""#, r"recordings = true", "store.recordings", "wrong type (boolean)", "a string"),
    (r#"path = "record.db""#, r#"recordings_on_failure = "deny""#, "store.recordings_on_failure", "not one of end, continue", "one of those"),
    (r#"path = "record.db""#, r"recordings_max_bytes = -1", "store.recordings_max_bytes", "out of range", "0 or above"),
    (r#"path = "record.db""#, r"backup_keep = 0", "store.backup_keep", "out of range", "above 0"),
    (r#"path = "record.db""#, r#"backup_every = "0s""#, "store.backup_every", "may not be zero", "30s"),
    (r#"path = "record.db""#, r#"retention_days = "90""#, "store.retention_days", "wrong type (string)", "a whole number"),
    (r#"on_failure = "allow""#, r#"on_failure = "ignore""#, "store.on_failure", "not one of deny, allow", "one of those"),
    (r#"timeout = "2m""#, r#"timeout = "0s""#, "confirm.timeout", "may not be zero", "30s"),
    (r#"files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]"#, r#"files = [{ ops = ["chmod"], paths = ["/etc/**"], action = "deny" }]"#, "policies[0].files[0].ops[0]", "`chmod` is not one of read, write", "one of those"),
    (r#"files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]"#, r#"files = [{ ops = [], paths = ["/etc/**"], action = "deny" }]"#, "policies[0].files[0].ops", "is empty", "remove the rule"),
    (r#"files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]"#, r#"files = [{ ops = ["read"], paths = ["etc/**"], action = "deny" }]"#, "policies[0].files[0].paths[0]", "not a pattern of absolute paths", "begin with"),
    (r#"files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]"#, r#"files = [{ ops = ["read"], paths = ["/etc/**"], action = "ask" }]"#, "policies[0].files[0].action", "`ask` is not one of allow", "one of those"),
    (r#"files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]"#, r#"files = [{ ops = ["read"], paths = ["/etc/**"] }]"#, "policies[0].files[0].action", "is missing", "say what is decided"),
    (r#"files = [{ ops = ["write", "remove"], paths = ["/etc/**"], action = "deny" }]"#, r#"files = [{ ops = ["read"], path = "/etc/**", paths = ["/x"], action = "deny" }]"#, "policies[0].files[0].path", "not a known key", "paths"),
    (r"max_pending = 3", r"max_pending = 0", "confirm.max_pending", "out of range", "above 0"),
    (r#"name = "web-1""#, r#"name = "web 1""#, "targets[0].name", "`web 1` is not a name", "choose a name"),
    (r#"kind = "robot""#, r#"kind = "agent""#, "users[1].kind", "not one of human, robot", "one of those"),
    (r#"owner = "alice""#, r#"owner = "bob""#, "users[1].owner", "no user `bob`", "human"),
    (r#"owner = "alice""#, r#"owner = "deployer""#, "users[1].owner", "is a robot", "human"),
    (r#"owner = "alice""#, r#"password_hash = "x""#, "users[1].password_hash", "not a hash in PHC form", "argon2 "),
    (r#"owner = "alice""#, r#"totp_secret_file = "none""#, "users[1].totp_secret_file", "cannot read /etc/opspilot/none", "base32"),
    (r#"owner = "alice""#, r#"require = ["key"]"#, "users[1].require[0]", "not one of publickey, password, totp", "one of those"),
    (r#"owner = "alice""#, r"require = []", "users[1].require", "is empty", "any one will do"),
    (r#"owner = "alice""#, r#"require = ["totp", "publickey"]"#, "users[1].require", "can be guessed", "before it"),
    (r#"owner = "alice""#, r#"require = ["publickey", "publickey"]"#, "users[1].require", "twice", "once"),
    (r#"owner = "alice""#, r#"require = ["publickey", "totp"]"#, "users[1].require", "totp_secret_file is not given", "take totp out"),
    (r#"owner = "alice""#, r#"trusted_user_ca = "ssh-ed25519 AAAA""#, "users[1].trusted_user_ca", "where a path is expected", "in a list"),
    (r#"owner = "alice""#, r#"trusted_user_ca = ["no-pty ssh-ed25519 AAAA"]"#, "users[1].trusted_user_ca[0]", "cannot stand here", "leave out"),
    (r#"owner = "alice""#, r#"authorized_keys_file = "none""#, "users[1].authorized_keys_file", "cannot read /etc/opspilot/none", "readable"),
    (r#"aliases = ["web-1.internal"]"#, r"agent = true", "targets[0].agent", "beside identity", "one of the two"),
    (r#"aliases = ["web-1.internal"]"#, r"certificate = 1", "targets[0].certificate", "beside identity", "one of the two"),
    (r#"identity = "keys/web""#, r"agent = 1", "targets[0].agent", "wrong type (integer)", "true or false"),
    (r#"aliases = ["web-1.internal"]"#, r#"host_ca = "x""#, "targets[0].host_ca", "is not a public key", "ssh-ed25519"),
    (r#"host_keys = ["host_key"]"#, r#"user_ca = "host_ca_ed25519_key""#, "server.user_ca", "stands for something else", "its own"),
    (r#"accept_env = ["LC_*"]"#, r#"host_ca = "host_key""#, "server.host_ca", "stands for something else", "its own"),
    (r#"aliases = ["web-1.internal"]"#, r#"known_hosts = "x""#, "targets[0].known_hosts", "beside host_key", "one of the two"),
    (r#"address = "[fd00::1]:2200""#, r#"address = "web-1""#, "targets[0].address", "`web-1` is not a host and a port", "10.0.0.11:22"),
    (r#"login = "deploy""#, r#"login = """#, "targets[0].login", "`` is not a login", "ASCII"),
    (r#"identity = "keys/web""#, r"identity = 1", "targets[0].identity", "wrong type (integer)", "a string"),
    (r#"probe = "off""#, r#"probe = "on""#, "targets[0].probe", "not one of auto, off", "one of those"),
    (r#"users = ["alice"]"#, r#"users = ["bob"]"#, "policies[0].users[0]", "no user `bob`", "known: alice, deployer"),
    (r#"users = ["alice"]"#, r"users = []", "policies[0].users", "matches nothing", "leave the key out"),
    (r#"targets = ["web-*"]"#, r#"targets = ["web-2"]"#, "policies[0].targets[0]", "no target `web-2`", "known: web-1"),
    (r#"channels = ["shell", "exec"]"#, r#"channels = ["shel"]"#, "policies[0].channels[0]", "`shel` is not one of shell, exec", "one of those"),
    (r#"high = "confirm""#, r#"high = "approve""#, "policies[0].high", "not one of allow, warn, confirm, deny", "one of those"),
    (r#"remember = "5m""#, r#"remember = "always""#, "policies[0].remember", "not a duration", "5m"),
    (r#"remember = "5m""#, r"remember = 5m", "", "", "TOML syntax"),
];

#[test]
fn what_nests_too_deeply_is_found_in_its_line_too() {
    for (line, deep) in [
        ("max_sessions = 7", format!("{}x = 7", "a.".repeat(200))),
        (
            r#"channels = ["shell", "exec"]"#,
            format!("channels = {}", "[".repeat(200)),
        ),
        ("[store]", format!("[{}x]", "a.".repeat(200))),
    ] {
        let found = problems(&VALID.replacen(line, &deep, 1));
        let lines: Vec<_> = found.iter().map(|problem| problem.line).collect();
        assert!(
            lines.contains(&Some(line_of(line))) && !lines.contains(&None),
            "{found:?}"
        );
    }
}

#[test]
fn each_fault_is_found_in_its_line_with_its_key_and_a_remedy() {
    for (line, replacement, key, what, remedy) in FAULTS {
        let number = line_of(line);
        let found = problems(&VALID.replacen(line, replacement, 1));
        let matching = found.iter().find(|problem| {
            problem.line == Some(number)
                && problem.key.as_deref().unwrap_or_default() == *key
                && problem.what.contains(what)
                && problem.remedy.contains(remedy)
        });
        assert!(matching.is_some(), "{replacement}: {found:#?}");
        assert_eq!(found.len(), 1, "{replacement}: {found:#?}");
    }
}

#[test]
fn what_must_be_given_is_missed_at_the_head_of_its_table() {
    for (line, table, key) in [
        (r#"name = "deployer""#, 22, "users[1].name"),
        (r#"address = "[fd00::1]:2200""#, 27, "targets[0].address"),
        (r#"login = "deploy""#, 27, "targets[0].login"),
        (r#"identity = "keys/web""#, 27, "targets[0].identity"),
        (r#"name = "production""#, 38, "policies[0].name"),
        (r#"channels = ["shell", "exec"]"#, 38, "policies[0].channels"),
        (r#"low = "allow""#, 38, "policies[0].low"),
        (r#"medium = "warn""#, 38, "policies[0].medium"),
        (r#"high = "confirm""#, 38, "policies[0].high"),
        (r#"critical = "deny""#, 38, "policies[0].critical"),
        (r#"unknown = "confirm""#, 38, "policies[0].unknown"),
    ] {
        let found = problems(&VALID.replacen(line, "", 1));
        assert_eq!(found.len(), 1, "{line}: {found:#?}");
        assert_eq!((found[0].line, found[0].key.as_deref()), (Some(table), Some(key)));
        assert!(found[0].what.contains("is missing") && !found[0].remedy.is_empty());
    }
}

#[test]
fn a_target_without_a_host_key_is_refused() {
    let without = VALID.lines().filter(|line| !line.starts_with("host_key ="));
    let found = problems(&without.collect::<Vec<_>>().join("\n"));
    assert_eq!(found[0].key.as_deref(), Some("targets[0].host_key"));
    assert!(found[0].remedy.contains("ssh-keyscan"));
}

#[test]
fn labels_and_roles_that_nobody_has_are_refused() {
    let found = problems(&VALID.replace("channels =", "roles = [\"dba\"]\nchannels ="));
    assert!(found[0].what.contains("duplicate"));
    let policy = VALID.rfind("[[policies]]").unwrap();
    let (head, tail) = VALID.split_at(policy);
    let found = problems(&format!(
        "{head}{}",
        tail.replace("sre", "dba").replace("prod\"", "test\"")
    ));
    assert!(found[0].what.contains("no role `dba`") && found[0].remedy.contains("known: sre"));
    assert!(found[1].what.contains("no target has the label env = \"test\""));
    assert!(found[1].remedy.contains("env = \"prod\""));
}

#[test]
fn a_name_is_given_once() {
    let found = problems(&VALID.replacen("name = \"deployer\"", "name = \"alice\"", 1));
    assert_eq!(
        (found[0].line, found[0].key.as_deref()),
        (Some(23), Some("users[1].name"))
    );
    assert!(found[0].what.contains("`alice` is already taken in line 19"));
    assert!(found[0].remedy.contains("each user"));
}

#[test]
fn an_owner_is_for_robots_only() {
    let found = problems(&VALID.replacen(
        "roles = [\"sre\"]\nauth",
        "roles = [\"sre\"]\nowner = \"alice\"\nauth",
        1,
    ));
    assert_eq!(found[0].key.as_deref(), Some("users[0].owner"));
    assert!(found[0].what.contains("for a human"));
}

#[test]
fn an_alias_may_not_be_another_targets_name() {
    let (_, targets) = VALID.split_once("[[targets]]").unwrap();
    let (target, _) = targets.split_once("[[policies]]").unwrap();
    let second = target
        .replace("\"web-1\"", "\"web-2\"")
        .replace("web-1.internal", "web-1");
    let found = problems(&format!("{VALID}[[targets]]{second}"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].key.as_deref(), Some("targets[1].aliases"));
    assert!(found[0].what.contains("`web-1` is already taken in line 28"));
}

#[test]
fn a_pattern_that_matches_nothing_is_a_warning() {
    let config = parse(&VALID.replace("web-*", "db-*")).unwrap();
    let [warning] = config.warnings.as_slice() else {
        panic!("one warning")
    };
    assert_eq!(warning.line, Some(line_of(r#"targets = ["web-*"]"#)));
    assert!(warning.what.contains("no target matches `db-*`"));
}

#[test]
fn keys_that_are_not_plain_public_keys_are_refused() {
    for (pasted, what) in [
        ("", "not a public key"),
        ("ssh-ed25519 AAAA", "not a public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
        (
            r#"command=\"ls\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNf"#,
            "the option command",
        ),
        ("web-1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNf", "the option web-1"),
        ("cert-authority ssh-ed25519 AAAA", "not a public key"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "is a certificate"),
        (SHORT_RSA, "RSA key of 1024 bits"),
    ] {
        let text = format!("[[users]]\nname = \"alice\"\nauthorized_keys = [\"{pasted}\"]\n");
        let found = problems(&text);
        assert_eq!(found[0].line, Some(3));
        assert_eq!(found[0].key.as_deref(), Some("users[0].authorized_keys[0]"));
        assert!(found[0].what.contains(what), "{pasted}: {}", found[0].what);
        assert!(
            !found[0].to_string().contains("PRIVATE"),
            "what may be a secret is not repeated"
        );
    }
}

#[test]
fn an_authorized_keys_file_is_read_and_its_faults_have_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNfb4s4Kg1Oc0d2GK7PHdXL+u2wHcA/0vJajD9mjlzY alice";
    let text = "[[users]]\nname = \"alice\"\nauthorized_keys_file = \"keys\"\n";
    let file = dir.path().join("opspilot.toml");

    std::fs::write(dir.path().join("keys"), format!("# comment\n\n{key}\n")).unwrap();
    assert_eq!(Config::parse(text, &file).unwrap().users[0].authorized_keys.len(), 1);

    std::fs::write(
        dir.path().join("keys"),
        format!("# comment\n{key}\ntunnel=\"1\" {key}\n"),
    )
    .unwrap();
    let errors = Config::parse(text, &file).unwrap_err();
    let problem = &errors.problems()[0];
    assert_eq!(
        (problem.file.as_path(), problem.line),
        (dir.path().join("keys").as_path(), Some(3))
    );
    assert!(problem.what.contains("the option tunnel"));
}

#[test]
fn a_known_hosts_file_must_know_the_address_and_hold_no_marker_that_is_not_understood() {
    let dir = tempfile::tempdir().unwrap();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";
    let text =
        "[[targets]]\nname = \"a\"\naddress = \"h:2200\"\nlogin = \"l\"\nidentity = \"i\"\nknown_hosts = \"kh\"\n";
    for (content, expected) in [
        (format!("[h]:2200 {key}\n"), None),
        (format!("h {key}\n"), Some("no key for [h]:2200")),
        (format!("@revoked * {key}\n[h]:2200 {key}\n"), None),
        (format!("@cert-authority h {key}\n"), None),
        (format!("@unheard-of h {key}\n"), Some("line 1 has a marker")),
        (String::new(), Some("no key for")),
    ] {
        std::fs::write(dir.path().join("kh"), &content).unwrap();
        let result = Config::parse(text, &dir.path().join("opspilot.toml"));
        match expected {
            None => assert!(result.is_ok(), "{content}"),
            Some(what) => {
                let errors = result.unwrap_err();
                assert_eq!(errors.problems()[0].line, Some(6));
                assert!(errors.to_string().contains(what), "{errors}");
            }
        }
    }
}

#[test]
fn all_faults_are_told_in_one_go_in_the_order_of_the_file() {
    let text = VALID
        .replace("max_sessions = 7", "max_sessions = 0")
        .replace("kind = \"robot\"", "kind = \"cat\"")
        .replace("[fd00::1]:2200", "nowhere")
        .replace("medium = \"warn\"", "medium = \"maybe\"");
    let lines: Vec<_> = problems(&text).iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [Some(7), Some(24), Some(30), Some(47)]);
}

#[test]
fn the_forests_bounds_are_percents_and_never_reach_critical() {
    let with = |line: &str| VALID.replace("model = \"\"", &format!("model = \"\"\n{line}"));
    let bounds = parse(&with("model_raises_from = 95\nmodel_lowers = \"none\""))
        .unwrap()
        .risk
        .bounds;
    assert_eq!((bounds.raises_from, bounds.lowers), (0.95, None));
    for fault in [
        "model_raises_from = 0",
        "model_lowers_from = 101",
        "model_lowers = \"critical\"",
    ] {
        let key = fault.split(' ').next().unwrap_or_default();
        assert_eq!(problems(&with(fault))[0].key, Some(format!("risk.{key}")), "{fault}");
    }
}

#[test]
fn what_is_found_later_can_still_name_the_line() {
    let config = parse(VALID).unwrap();
    let problem = config.problem("targets[0].identity", "is gone", "make one");
    assert_eq!(problem.line, Some(line_of(r#"identity = "keys/web""#)));
    assert_eq!(config.problem("risk.rules[1]", "", "").line, Some(13));
    assert_eq!(
        config.problem("server.keepalive", "", "").line,
        None,
        "a default has no line"
    );
}

#[test]
fn an_error_reads_as_the_manual_promises() {
    let errors = Config::parse("[server]\nlisen = []\n", Path::new("config/opspilot.toml")).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "the configuration cannot be used (1 wrong)\n\
         config/opspilot.toml:2: server.lisen: is not a known key\n  remedy: did you mean `listen`?"
    );
}

#[test]
fn hostile_text_in_a_file_cannot_act_on_the_terminal() {
    let found = problems("\"\\u001b[2J\" = 1\n[[users]]\nname = \"\\u001b]0;x\\u0007\"\n");
    assert!(
        found.iter().all(|problem| !problem.to_string().contains('\u{1b}')),
        "{found:?}"
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn sections_of_the_wrong_shape_are_refused() {
    for (text, key) in [
        ("server = 1", "server"),
        ("[users]\nname = \"a\"", "users"),
        ("users = [1]", "users[0]"),
        ("[[server]]\n", "server"),
        ("[leaning]\n", "leaning"),
    ] {
        let found = problems(text);
        assert_eq!(found[0].key.as_deref(), Some(key), "{text}: {found:#?}");
    }
}

#[test]
fn a_file_that_is_missing_or_too_large_is_an_error_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opspilot.toml");
    assert!(Config::load(&file).unwrap_err().to_string().contains("-c"));
    std::fs::write(&file, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(
        Config::load(&file)
            .unwrap_err()
            .to_string()
            .contains("larger than 1 MiB")
    );
    assert_eq!(locate(Some(&file)).unwrap(), file);
}

proptest! {
    #[test]
    fn any_text_is_a_configuration_or_an_explained_error(text in "[\\[\\]a-z_=\"{}0-9 \n.,#]{0,200}") {
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.problems().is_empty());
            prop_assert!(errors.problems().iter().all(|problem| !problem.remedy.is_empty()));
        }
    }

    #[test]
    fn a_line_less_or_twice_never_makes_a_valid_file_fall_over(removed in 0usize..60, doubled in 0usize..60) {
        let lines = VALID.lines().enumerate().flat_map(|(index, line)| {
            let times = usize::from(index != removed) + usize::from(index == doubled);
            std::iter::repeat_n(line, times)
        });
        let text = lines.collect::<Vec<_>>().join("\n");
        if let Err(errors) = parse(&text) {
            prop_assert!(!errors.problems().is_empty());
        }
    }
}
