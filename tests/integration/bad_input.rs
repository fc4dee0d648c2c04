//! Bad input at start: exit code 1, and an error that says what to do; never a panic, never a door left open.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;

use crate::harness::{Bastion, Child, Config, Sshd, opspilot};

/// A configuration directory whose daemon is not started yet.
struct Prepared {
    target: Sshd,
    dir: tempfile::TempDir,
    config: Config,
}

impl Prepared {
    fn new() -> Self {
        let target = Sshd::start();
        let (dir, config) = Bastion::prepare(&target);
        Self { target, dir, config }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// Serves the configuration `text`, which must end with exit code 1; gives what it said.
    #[track_caller]
    fn refusal_of(&self, text: &str) -> String {
        std::fs::write(self.path("opspilot.toml"), text).unwrap();
        let log = self.path("log");
        let mut command = opspilot(&["serve", "-c"]);
        let code = Child::server(command.arg(self.path("opspilot.toml")), &log).code();
        let said = std::fs::read_to_string(log).unwrap();
        assert_eq!(code, 1, "{said}");
        assert!(!said.contains("panicked"), "{said}");
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.config.port)).is_err(),
            "it listens"
        );
        said
    }

    /// Serves the ordinary configuration as it stands, as [`Self::refusal_of`] does.
    #[track_caller]
    fn refusal(&self) -> String {
        self.refusal_of(&self.config.render())
    }

    /// Serves the ordinary configuration with `old` replaced, and asserts that the line of `new` and `words` are named.
    #[track_caller]
    fn assert_line_named(&self, old: &str, new: &str, words: &[&str]) {
        let text = self.config.render().replacen(old, new, 1);
        let line = 1 + text
            .lines()
            .position(|line| line.contains(new))
            .expect("the replacement is there");
        let said = self.refusal_of(&text);
        for word in words.iter().copied().chain([format!("opspilot.toml:{line}").as_str()]) {
            assert!(said.contains(word), "{word} is not in:\n{said}");
        }
    }
}

#[test]
fn a_configuration_that_is_not_toml_names_file_and_line() {
    Prepared::new().assert_line_named("low = \"allow\"", "low = allow", &[]);
}

#[test]
fn an_unknown_key_is_an_error() {
    Prepared::new().assert_line_named("public_name = ", "pubic_name = ", &["pubic_name", "public_name"]);
}

#[test]
fn an_unknown_word_names_the_known_ones() {
    Prepared::new().assert_line_named("high = \"confirm\"", "high = \"ask\"", &["ask", "confirm", "deny"]);
}

#[test]
fn a_policy_must_decide_every_level() {
    let prepared = Prepared::new();
    let said = prepared.refusal_of(&prepared.config.render().replace("unknown = \"allow\"\n", ""));
    assert!(said.contains("unknown") && said.contains("opspilot.toml:"), "{said}");
}

#[test]
fn a_target_without_a_host_key_is_an_error() {
    let prepared = Prepared::new();
    let text = prepared.config.render();
    let line = text.lines().find(|line| line.starts_with("host_key =")).unwrap();
    let said = prepared.refusal_of(&text.replace(line, ""));
    assert!(said.contains("host_key"), "{said}");
}

#[test]
fn a_broken_public_key_is_an_error() {
    Prepared::new().assert_line_named("ssh-ed25519 AAAA", "ssh-ed25519 !!!!", &["authorized_keys"]);
}

#[test]
fn a_missing_configuration_is_named() {
    let prepared = Prepared::new();
    let output = opspilot(&["serve", "-c"])
        .arg(prepared.path("nothing.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nothing.toml"), "{said}");
}

/// Asserts that with `identity` as the target's key, `check` names it at its line, and the daemon serves everything else.
#[track_caller]
fn assert_identity_refused(identity: &str, content: Option<&str>) {
    let mut prepared = Prepared::new();
    if let Some(content) = content {
        std::fs::write(prepared.path(identity), content).unwrap();
    }
    let key = prepared.target.client_key.path.display().to_string();
    prepared.config.targets = prepared.config.targets.replace(&key, identity);
    let text = prepared.config.render();
    let line = 1 + text.lines().position(|line| line.contains(identity)).unwrap();
    std::fs::write(prepared.path("opspilot.toml"), &text).unwrap();
    let output = opspilot(&["check", "-c"])
        .arg(prepared.path("opspilot.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains(identity) && said.contains(&format!("opspilot.toml:{line}")),
        "{said}"
    );

    let bastion = Bastion::start(&prepared.target, |config| {
        config.targets = config
            .targets
            .replace(&key, &prepared.path(identity).display().to_string());
    });
    bastion.ssh("alice@web-1").run("id").assert_failed();
    assert_eq!(bastion.ssh("alice").run("whoami").code, 0);
}

#[test]
fn a_missing_key_is_named_and_closes_its_target_only() {
    assert_identity_refused("missing", None);
}

#[test]
fn a_key_that_is_none_is_named_and_closes_its_target_only() {
    assert_identity_refused("garbage", Some("not a key"));
}

#[test]
fn a_port_in_use_is_named() {
    let prepared = Prepared::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = prepared.config.render().replace(
        &format!("127.0.0.1:{}\"]", prepared.config.port),
        &format!("{address}\"]"),
    );
    let said = prepared.refusal_of(&text);
    assert!(said.contains(&address), "{said}");
}

#[test]
fn missing_rules_are_named() {
    let mut prepared = Prepared::new();
    prepared.config.risk = "rules = [\"nothing.toml\"]\nmodel = \"\"\n".to_owned();
    let said = prepared.refusal();
    assert!(said.contains("nothing.toml"), "{said}");
}

/// The shipped rules and the model `file`.
fn model(file: &Path) -> String {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/rules.toml");
    format!("rules = [\"{}\"]\nmodel = \"{}\"\n", rules.display(), file.display())
}

#[test]
fn a_missing_model_is_an_error_unless_rules_only_is_said() {
    let mut prepared = Prepared::new();
    prepared.config.risk = model(Path::new("nothing.onnx"));
    let said = prepared.refusal();
    assert!(said.contains("nothing.onnx"), "{said}");
}

#[test]
fn a_corrupt_model_is_an_error() {
    let mut prepared = Prepared::new();
    let file = prepared.path("corrupt.onnx");
    prepared.config.risk = model(&file);
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    std::fs::copy(models.join("risk.json"), prepared.path("corrupt.json")).unwrap();
    let shipped = std::fs::read(models.join("risk.onnx")).unwrap();
    let mut flipped = shipped.clone();
    let half = shipped.len() / 2;
    flipped[half] ^= 0xff;
    for bytes in [b"not a model".as_slice(), b"", &shipped[..half], &flipped] {
        std::fs::write(&file, bytes).unwrap();
        let said = prepared.refusal();
        assert!(said.contains("corrupt.onnx"), "{said}");
    }
}

#[test]
fn a_database_from_a_newer_version_is_left_alone() {
    let prepared = Prepared::new();
    let database = prepared.path("state/opspilot.db");
    rusqlite::Connection::open(&database)
        .unwrap()
        .pragma_update(None, "user_version", 999)
        .unwrap();
    let before = std::fs::read(&database).unwrap();
    let said = prepared.refusal();
    assert!(said.contains("opspilot.db") && said.contains("newer"), "{said}");
    assert_eq!(std::fs::read(&database).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let prepared = Prepared::new();
    let database = prepared.path("state/opspilot.db");
    std::fs::write(&database, "this is not a database, but somebody's notes\n".repeat(100)).unwrap();
    let said = prepared.refusal();
    assert!(said.contains("opspilot.db"), "{said}");
    assert!(std::fs::read_to_string(&database).unwrap().starts_with("this is not"));
}

#[test]
fn a_state_directory_that_cannot_be_one_is_named() {
    let prepared = Prepared::new();
    std::fs::remove_dir(prepared.path("state")).unwrap();
    std::fs::write(prepared.path("state"), "a file").unwrap();
    let said = prepared.refusal();
    assert!(said.contains("state"), "{said}");
}

#[test]
fn check_reports_every_error_at_once() {
    let prepared = Prepared::new();
    let text = prepared
        .config
        .render()
        .replacen("high = \"confirm\"", "high = \"ask\"", 1)
        .replacen("kind = \"robot\"", "kind = \"machine\"", 1);
    std::fs::write(prepared.path("opspilot.toml"), text).unwrap();
    let output = opspilot(&["check", "-c"])
        .arg(prepared.path("opspilot.toml"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("ask") && said.contains("machine"), "{said}");
}

#[test]
fn noise_at_the_door_does_no_harm() {
    use std::io::{Read as _, Write as _};
    let world = crate::harness::World::new();
    let port = world.bastion.config.port;
    for noise in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 100_000],
        b"SSH-2.0-x\r\n\xff\xff\xff\xff".to_vec(),
    ] {
        let mut connection = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        // The bastion may hang up while it is still being written to.
        if connection.write_all(&noise).is_ok() {
            connection.shutdown(std::net::Shutdown::Write).unwrap_or_default();
            connection.read_to_end(&mut Vec::new()).unwrap_or_default();
        }
    }
    assert_eq!(world.alice().run("echo fine").text(), "fine\n");
    assert!(!world.bastion.log().contains("panicked"), "{}", world.bastion.log());
}
