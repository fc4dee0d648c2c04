//! The bastion's configuration, as text that a test can change.

use std::fmt::Write as _;

use super::key::Key;
use super::sshd::Sshd;

/// Shells and exec are for everybody, and everything from `high` up is asked about.
const POLICY_ASK: &str = r#"
[[policies]]
name = "ask"
users = ["*"]
channels = ["shell", "exec"]
low = "allow"
medium = "warn"
high = "confirm"
critical = "confirm"
unknown = "allow"
"#;

/// Everybody may move files by the channels, apart from what the rules say of them.
const POLICY_FILES: &str = r#"
[[policies]]
name = "NAME"
users = ["*"]
channels = [CHANNELS]
low = "allow"
medium = "allow"
high = "confirm"
critical = "deny"
unknown = "deny"
files = [RULES]
"#;

/// The parts of a configuration; each is TOML, but for the names.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    /// What it logs; empty for the default.
    pub(crate) log: &'static str,
    /// How: `text` or `json`.
    pub(crate) log_format: &'static str,
    /// More lines of `[server]`.
    pub(crate) server: String,
    /// The lines of `[store]`.
    pub(crate) store: String,
    /// The lines of `[risk]`.
    pub(crate) risk: String,
    /// How long a question waits, as TOML spells it in quotes.
    pub(crate) confirm_timeout: String,
    /// The lines of `[http]`.
    pub(crate) http: String,
    /// Users' tables.
    pub(crate) users: String,
    /// Targets' tables.
    pub(crate) targets: String,
    /// Policies' tables.
    pub(crate) policies: String,
}

impl Config {
    /// alice and bob, who are people, and `robot`, whose owner is alice; `web-1`, which is `target`; and [`POLICY_ASK`].
    pub(crate) fn ordinary(port: u16, target: &Sshd, alice: &Key, bob: &Key, robot: &Key) -> Self {
        let house = env!("CARGO_MANIFEST_DIR");
        Self {
            port,
            log: "",
            log_format: "text",
            server: String::new(),
            store: String::new(),
            risk: format!("rules = [\"{house}/config/rules.toml\"]\nmodel = \"{house}/models/risk.onnx\"\n"),
            confirm_timeout: "60s".to_owned(),
            http: String::new(),
            users: [
                Self::person("alice", alice),
                Self::person("bob", bob),
                user("robot", "kind = \"robot\"\nowner = \"alice\"", robot),
            ]
            .concat(),
            targets: Self::target("web-1", target, ""),
            policies: POLICY_ASK.to_owned(),
        }
    }

    /// Lets every command run unasked.
    pub(crate) fn allow_everything(&mut self) {
        self.policies = self.policies.replace("\"confirm\"", "\"allow\"");
    }

    /// Gives alice the role `admin`.
    pub(crate) fn make_alice_admin(&mut self) {
        self.users = self
            .users
            .replacen("roles = [\"sre\"]", "roles = [\"sre\", \"admin\"]", 1);
    }

    /// Lets what is asked about be answered over HTTP.
    pub(crate) fn let_http_answer(&mut self) {
        self.policies.push_str("http_answers = true\n");
    }

    /// Has one policy, of this name, for those who move files by `channels`; `rules` are what it says of files.
    pub(crate) fn move_files(&mut self, name: &str, channels: &str, rules: &str) {
        let policy = POLICY_FILES.replace("NAME", name).replace("CHANNELS", channels);
        self.policies = policy.replace("RULES", rules);
    }

    /// Asks about what cannot be known.
    pub(crate) fn ask_about_the_unknown(&mut self) {
        self.policies = self.policies.replace("unknown = \"allow\"", "unknown = \"confirm\"");
    }

    /// The table of one human user.
    pub(crate) fn person(name: &str, key: &Key) -> String {
        user(name, "kind = \"human\"", key)
    }

    /// The table of one target, with `more` lines in it.
    pub(crate) fn target(name: &str, target: &Sshd, more: &str) -> String {
        Self::target_at(name, target.port, &target.host_key.public, target, more)
    }

    /// As [`Self::target`], at another port of 127.0.0.1 or with another host key.
    pub(crate) fn target_at(name: &str, port: u16, host_key: &str, target: &Sshd, more: &str) -> String {
        let login = &target.login;
        let identity = target.client_key.path.display();
        format!(
            "\n[[targets]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nlogin = \"{login}\"\n\
             identity = \"{identity}\"\nhost_key = \"{host_key}\"\nlabels = {{ env = \"prod\" }}\n{more}\n"
        )
    }

    /// The whole file.
    pub(crate) fn render(&self) -> String {
        let mut text = format!(
            "[server]\nlisten = [\"127.0.0.1:{}\"]\npublic_name = \"127.0.0.1\"\nstate_dir = \"state\"\n{}\n",
            self.port, self.server
        );
        write!(
            text,
            "[store]\n{}\n[risk]\n{}\n[confirm]\ntimeout = \"{}\"\n[http]\n{}\n",
            self.store, self.risk, self.confirm_timeout, self.http
        )
        .unwrap();
        text + &self.users + &self.targets + &self.policies
    }
}

fn user(name: &str, kind: &str, key: &Key) -> String {
    format!(
        "\n[[users]]\nname = \"{name}\"\n{kind}\nroles = [\"sre\"]\nauthorized_keys = [\"{}\"]\n",
        key.public
    )
}
