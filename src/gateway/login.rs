//! Logging in to a target, once its host key has been checked: with a key, a certificate, the user's agent, or a password.

use std::path::Path;
use std::sync::Arc;

use russh::client::{AuthResult, Handle, Handler, KeyboardInteractiveAuthResponse, Prompt};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey};
use russh::{AgentAuthError, MethodKind, server};
use zeroize::Zeroizing;

use crate::config::{LoginWith, read_secret};

use super::authority::certify_user;

/// Identities of an agent that are tried: targets end a connection after six failures.
const MAX_IDENTITIES: usize = 5;
/// Rounds of questions that a target may ask before it lets the bastion in.
const MAX_ROUNDS: usize = 4;
/// The longest password, bytes.
const MAX_PASSWORD: usize = 1024;

/// Why a login failed; the texts go to users and name no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoginError {
    /// The bastion lacks what it should log in with.
    #[error("the bastion cannot use {0}; ask its admin")]
    Unusable(&'static str),
    /// There is no agent to log in with.
    #[error("it is logged in to with your own key: forward your agent (ssh -A)")]
    NoAgent,
    /// The agent did not do its part.
    #[error("your agent did not answer as it should: {0}")]
    Agent(#[from] AgentAuthError),
    /// The target did not let it in.
    #[error("it refused {0}")]
    Refused(&'static str),
    /// The target asked for more than a password.
    #[error("it asks for more than the password that the bastion has")]
    Unanswerable,
    /// The SSH conversation failed.
    #[error(transparent)]
    Protocol(#[from] russh::Error),
}

/// What is at hand for a login.
pub(super) struct Means<'a> {
    /// Signs the certificate.
    pub user_ca: &'a PrivateKey,
    /// What a certificate says of whom it is for.
    pub key_id: String,
    /// The user's connection, if they forward their agent over it.
    pub agent: Option<&'a server::Handle>,
}

/// What a login is tried with.
pub(super) enum Credential {
    Key(PrivateKey),
    Certified(PrivateKey, Box<Certificate>),
    Agent(server::Handle),
    Password(Zeroizing<String>),
}

impl Credential {
    /// Makes ready what the configuration names, before anything is sent.
    pub(super) async fn prepare(with: &LoginWith, login: &str, means: Means<'_>) -> Result<Self, LoginError> {
        match with {
            LoginWith::Identity(path) => read(path, "its key for this target", read_private_key)
                .await
                .map(Self::Key),
            LoginWith::PasswordFile(path) => read(path, "its password for this target", read_password)
                .await
                .map(Self::Password),
            LoginWith::Agent => means.agent.cloned().map(Self::Agent).ok_or(LoginError::NoAgent),
            LoginWith::Certificate => certify_user(means.user_ca, login, &means.key_id)
                .map(|(key, certificate)| Self::Certified(key, Box::new(certificate)))
                .map_err(|error| {
                    tracing::error!(%error, "cannot sign a user certificate");
                    LoginError::Unusable("its user CA")
                }),
        }
    }

    /// Logs in with it.
    pub(super) async fn log_in<H: Handler>(self, target: &mut Handle<H>, login: &str) -> Result<(), LoginError> {
        match self {
            Self::Key(key) => {
                let hash = rsa_hash(target, key.public_key()).await?;
                let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
                accepted(&target.authenticate_publickey(login, key).await?, "the bastion's key")
            }
            Self::Certified(key, certificate) => accepted(
                &target
                    .authenticate_openssh_cert(login, Arc::new(key), *certificate)
                    .await?,
                "the bastion's certificate; its sshd_config must name the bastion's user CA in TrustedUserCAKeys",
            ),
            Self::Agent(user) => log_in_by_agent(target, login, &user).await,
            Self::Password(password) => log_in_by_password(target, login, &password).await,
        }
    }
}

fn accepted(result: &AuthResult, what: &'static str) -> Result<(), LoginError> {
    result.success().then_some(()).ok_or(LoginError::Refused(what))
}

async fn read<T: Send + 'static>(
    path: &Path,
    what: &'static str,
    read: fn(&Path) -> Result<T, String>,
) -> Result<T, LoginError> {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read(&owned)).await;
    // The path stays out of what users see; the admin finds it in the log and with `opspilot check`.
    let error = match read {
        Ok(Ok(content)) => return Ok(content),
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    tracing::error!(path = %path.display(), %error, "cannot use {what}");
    Err(LoginError::Unusable(what))
}

/// A private key from a file that nobody else may read. The error says what to do.
pub(super) fn read_private_key(path: &Path) -> Result<PrivateKey, String> {
    let text = read_text(path)?;
    russh::keys::decode_secret_key(&text, None).map_err(|error| error.to_string())
}

/// The first line of a file that nobody else may read.
pub(crate) fn read_password(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = read_text(path)?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || line.len() > MAX_PASSWORD {
        let path = path.display();
        return Err(format!(
            "the first line of {path} must hold a password of at most {MAX_PASSWORD} bytes"
        ));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn read_text(path: &Path) -> Result<Zeroizing<String>, String> {
    read_secret(path).map_err(|error| format!("{error}; {}", error.remedy()))
}

/// The hash that an RSA key signs with: never SHA-1.
async fn rsa_hash<H: Handler>(target: &Handle<H>, key: &PublicKey) -> Result<Option<HashAlg>, LoginError> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    let best = target.best_supported_rsa_hash().await?.flatten();
    Ok(best.or(Some(HashAlg::Sha256)))
}

/// Tries what the user's agent holds. It is asked to list, and to sign this one login; nothing else goes to it.
async fn log_in_by_agent<H: Handler>(
    target: &mut Handle<H>,
    login: &str,
    user: &server::Handle,
) -> Result<(), LoginError> {
    let channel = user.channel_open_agent().await.map_err(|error| {
        tracing::debug!(%error, "a user's agent cannot be reached");
        LoginError::NoAgent
    })?;
    let mut agent = AgentClient::connect(channel.into_stream());
    if let Some(binding) = target.agent_session_binding() {
        // Agents before OpenSSH 8.9 do not know it, and those that do hold back keys that are for other hosts.
        if let Err(error) = agent.bind_session(binding, false).await {
            tracing::debug!(%error, "a user's agent does not take the host that it signs for");
        }
    }
    let identities = agent.request_identities().await.map_err(AgentAuthError::from)?;
    for identity in identities.into_iter().take(MAX_IDENTITIES) {
        let hash = rsa_hash(target, &identity.public_key()).await?;
        let result = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                target.authenticate_publickey_with(login, key, hash, &mut agent).await?
            }
            AgentIdentity::Certificate { certificate, .. } => {
                let signed = target.authenticate_certificate_with(login, certificate, hash, &mut agent);
                signed.await?
            }
        };
        if result.success() {
            return Ok(());
        }
        if target.is_closed() {
            break;
        }
    }
    Err(LoginError::Refused("every key of your agent"))
}

async fn log_in_by_password<H: Handler>(
    target: &mut Handle<H>,
    login: &str,
    password: &Zeroizing<String>,
) -> Result<(), LoginError> {
    const PASSWORD: &str = "the bastion's password";
    let AuthResult::Failure { remaining_methods, .. } = target.authenticate_none(login).await? else {
        return Ok(());
    };
    if remaining_methods.contains(&MethodKind::Password) {
        let result = target.authenticate_password(login, password.as_str()).await?;
        return accepted(&result, PASSWORD);
    }
    if !remaining_methods.contains(&MethodKind::KeyboardInteractive) {
        return Err(LoginError::Refused("passwords as such"));
    }
    let mut password = Some(password);
    let mut response = target.authenticate_keyboard_interactive_start(login, None).await?;
    for _ in 0..MAX_ROUNDS {
        match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(()),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Err(LoginError::Refused(PASSWORD)),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = answers(&prompts, &mut password).ok_or(LoginError::Unanswerable)?;
                response = target.authenticate_keyboard_interactive_respond(answers).await?;
            }
        }
    }
    Err(LoginError::Unanswerable)
}

/// The answers to one round of questions: the password to the only hidden one, once; nothing to none.
fn answers(prompts: &[Prompt], password: &mut Option<&Zeroizing<String>>) -> Option<Vec<String>> {
    match prompts {
        [] => Some(Vec::new()),
        [only] if !only.echo => password.take().map(|password| vec![password.to_string()]),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
