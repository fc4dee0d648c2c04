//! The HTTP API as programs see it, through curl.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::World;
use super::bastion::Bastion;
use super::config::Config;
use super::sshd::Sshd;
use super::wait::{eventually, free_port};

/// A world whose daemon listens for HTTP on loopback.
pub(crate) struct Api {
    /// Everything else.
    pub(crate) world: World,
    /// The port on 127.0.0.1.
    pub(crate) port: u16,
    tokens: Vec<String>,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The status line and the headers, in lower case.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

impl Api {
    /// Starts one after `change`, with a token for each of `tokens`: the arguments of `opspilot token add`.
    pub(crate) fn start(tokens: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        Self::start_on(Sshd::start(), tokens, change)
    }

    /// As [`Self::start`], in front of `target`.
    pub(crate) fn start_on(target: Sshd, tokens: &[&str], change: impl FnOnce(&mut Config)) -> Self {
        let port = free_port();
        let world = World::on(target, |config| {
            config.http = format!("listen = [\"127.0.0.1:{port}\"]\n");
            change(config);
        });
        let mut api = Self {
            world,
            port,
            tokens: Vec::new(),
        };
        eventually("the API to answer", || {
            (api.curl(&["/healthz"]).status == 200).then_some(())
        });
        api.add(tokens);
        api
    }

    /// Has the daemon add tokens.
    pub(crate) fn add(&mut self, tokens: &[&str]) {
        let added = tokens.iter().map(|arguments| add_token(&self.world.bastion, arguments));
        self.tokens.extend(added);
    }

    /// The n-th token.
    pub(crate) fn token(&self, index: usize) -> &str {
        &self.tokens[index]
    }

    /// Asks for `path` with the n-th token.
    pub(crate) fn get(&self, token: usize, path: &str) -> Answer {
        self.curl(&["-H", &bearer(self.token(token)), path])
    }

    /// Sends `json` to `path` with the n-th token.
    pub(crate) fn post(&self, token: usize, path: &str, json: &str) -> Answer {
        self.curl(&["-H", &bearer(self.token(token)), "--json", json, path])
    }

    /// Runs curl; the last argument is the path.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Answer {
        let (path, options) = arguments.split_last().unwrap();
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        curl(&[options, &[url.as_str()]].concat())
    }
}

/// The header that shows a token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

/// Runs curl with these arguments; status 0 where nothing was answered.
pub(crate) fn curl(arguments: &[&str]) -> Answer {
    let output = Command::new("curl")
        .args([
            "-sS",
            "-i",
            "--http1.1",
            "--path-as-is",
            "--max-time",
            "30",
            "-H",
            "Expect:",
        ])
        .args(arguments)
        .output()
        .expect("curl is needed: install curl");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.unwrap_or(0),
        head: head.to_lowercase(),
        body: body.to_owned(),
    }
}

/// Adds a token and gives it.
fn add_token(bastion: &Bastion, arguments: &str) -> String {
    let arguments: Vec<&str> = ["token", "add"]
        .into_iter()
        .chain(arguments.split_whitespace())
        .collect();
    let output = bastion.opspilot(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status, and the code of the fault.
    pub(crate) fn fault(&self) -> (u16, String) {
        let fault = self.json();
        assert!(
            fault["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{self:?}"
        );
        (self.status, fault["code"].as_str().unwrap().to_owned())
    }
}

/// A certificate for 127.0.0.1 and its key, below `dir`.
pub(crate) fn certificate(dir: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join("http.pem"), dir.join("http.key"));
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args(["-subj", "/CN=opspilot test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .expect("openssl is needed: install openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (certificate, key)
}
