//! Logging in to servers that are played here, over a pipe.

use std::borrow::Cow;
use std::os::unix::fs::PermissionsExt as _;

use russh::keys::{Algorithm, PublicKeyOrCertificate};
use russh::server::{Auth, Response};
use russh::{MethodSet, client};

use super::*;

const PASSWORD: &str = "correct horse";

/// A target that lets in who says the password in one of its ways.
struct Target {
    /// The rounds of questions that it asks: each a list of prompts, and whether the answer is shown.
    rounds: Vec<Vec<(&'static str, bool)>>,
    asked: usize,
    answers: Vec<String>,
}

impl Target {
    fn asking(rounds: &[&[(&'static str, bool)]]) -> Self {
        Self {
            rounds: rounds.iter().map(|round| round.to_vec()).collect(),
            asked: 0,
            answers: Vec::new(),
        }
    }
}

impl russh::server::Handler for Target {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &str) -> Result<Auth, Self::Error> {
        let right = self.rounds.is_empty() && password == PASSWORD;
        Ok(if right { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _methods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let answers = response.into_iter().flatten();
        self.answers
            .extend(answers.map(|answer| String::from_utf8_lossy(&answer).into_owned()));
        let Some(round) = self.rounds.get(self.asked) else {
            let right = self.answers == [PASSWORD];
            return Ok(if right { Auth::Accept } else { Auth::reject() });
        };
        self.asked += 1;
        Ok(Auth::Partial {
            name: Cow::Borrowed(""),
            instructions: Cow::Borrowed(""),
            prompts: round.iter().map(|(text, echo)| (Cow::Borrowed(*text), *echo)).collect(),
        })
    }
}

/// Trusts the target that is played.
struct Trusting;

impl client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        Ok(true)
    }
}

/// Logs in to a target that offers `methods`.
async fn log_in(target: Target, methods: &[MethodKind], password: &str) -> Result<(), LoginError> {
    let (near, far) = tokio::io::duplex(1 << 16);
    let config = server::Config {
        keys: vec![PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()],
        methods: MethodSet::from(methods),
        auth_rejection_time: std::time::Duration::ZERO,
        ..server::Config::default()
    };
    let serving = tokio::spawn(async move { server::run_stream(Arc::new(config), far, target).await.map(drop) });
    let mut handle = client::connect_stream(Arc::default(), near, Trusting).await.unwrap();
    let password = Zeroizing::new(password.to_owned());
    let result = Credential::Password(password).log_in(&mut handle, "deploy").await;
    serving.await.unwrap().unwrap();
    result
}

#[tokio::test]
async fn a_password_is_said_where_passwords_are_taken() {
    let methods = [MethodKind::PublicKey, MethodKind::Password];
    assert!(log_in(Target::asking(&[]), &methods, PASSWORD).await.is_ok());
    let wrong = log_in(Target::asking(&[]), &methods, "wrong").await;
    assert!(matches!(wrong, Err(LoginError::Refused(_))), "{wrong:?}");
    let neither = log_in(Target::asking(&[]), &[MethodKind::PublicKey], PASSWORD).await;
    assert!(matches!(neither, Err(LoginError::Refused(_))), "{neither:?}");
}

#[tokio::test]
async fn a_password_answers_the_one_hidden_question() {
    let methods = [MethodKind::KeyboardInteractive];
    let pam: &[&[_]] = &[&[("Password: ", false)], &[]];
    assert!(log_in(Target::asking(pam), &methods, PASSWORD).await.is_ok());
    let wrong = log_in(Target::asking(pam), &methods, "wrong").await;
    assert!(matches!(wrong, Err(LoginError::Refused(_))), "{wrong:?}");
}

#[tokio::test]
async fn a_password_answers_no_other_question() {
    let methods = [MethodKind::KeyboardInteractive];
    let hidden = ("Password: ", false);
    let others: [&[&[_]]; 4] = [
        &[&[("Your name: ", true)]],
        &[&[hidden, ("Code: ", false)]],
        &[&[hidden], &[("Again: ", false)]],
        &[&[], &[], &[], &[], &[hidden]],
    ];
    for rounds in others {
        let result = log_in(Target::asking(rounds), &methods, PASSWORD).await;
        assert!(
            matches!(result, Err(LoginError::Unanswerable)),
            "{rounds:?}: {result:?}"
        );
    }
}

#[test]
fn a_password_file_is_private_and_holds_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("password");
    let read = |content: &str, mode| {
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        read_password(&path).map(|password| password.to_string())
    };
    assert_eq!(read("pa ss\nrest\n", 0o600).as_deref(), Ok("pa ss"));
    assert_eq!(read("pa ss\r\n", 0o400).as_deref(), Ok("pa ss"));
    assert!(read("pass", 0o640).unwrap_err().contains("chmod 600"));
    assert!(read("\npass", 0o600).is_err());
    assert!(read(&"x".repeat(1025), 0o600).is_err());
    assert!(read_password(&dir.path().join("none")).is_err());
}
