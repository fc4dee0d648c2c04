//! What a forwarded agent is asked to sign, and whether that would lead past the bastion.

use russh::keys::ssh_key::Certificate;
use russh::keys::{HashAlg, PublicKey};

use crate::config::User;
use crate::domain::printable_line;

use super::agent_protocol::Fields;
use crate::gateway::address::Route;

/// `SSH_MSG_USERAUTH_REQUEST`; RFC 4252, section 5.
const USERAUTH_REQUEST: u8 = 50;
/// What a signature by `ssh-keygen -Y sign` begins with.
const SSHSIG: &[u8] = b"SSHSIG";
/// Characters of what a target claims that are recorded.
const MAX_CLAIM: usize = 64;

/// What is to be signed, by its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim<'m> {
    /// A login over SSH.
    Login {
        /// As whom.
        user: &'m str,
        /// The host key of the server, where the login names it.
        host_key: Option<&'m [u8]>,
    },
    /// A login that does not read as one.
    Malformed,
    /// A text or file, for a purpose such as `git`.
    Text {
        /// The purpose.
        namespace: &'m str,
    },
    /// Something else.
    Unknown,
}

impl<'m> Claim<'m> {
    /// Reads what is to be signed.
    pub(super) fn read(data: &'m [u8]) -> Self {
        if let Some(rest) = data.strip_prefix(SSHSIG) {
            let namespace = Fields(rest).string().and_then(|text| std::str::from_utf8(text).ok());
            return namespace.map_or(Self::Unknown, |namespace| Self::Text { namespace });
        }
        let mut rest = Fields(data);
        let is_login = rest.string().is_some() && rest.byte() == Some(USERAUTH_REQUEST);
        if is_login {
            login(rest).unwrap_or(Self::Malformed)
        } else {
            Self::Unknown
        }
    }

    /// What it is, for people.
    fn description(&self) -> String {
        let claimed = |text: &str| -> String { printable_line(text).chars().take(MAX_CLAIM).collect() };
        match self {
            Self::Login { user, .. } => format!("login as {}", claimed(user)),
            Self::Malformed => "a malformed login".to_owned(),
            Self::Text { namespace } => format!("a text for {}", claimed(namespace)),
            Self::Unknown => "something unknown".to_owned(),
        }
    }
}

/// Reads a login from after its message number: user, service, method, `true`, algorithm, key, and where the method binds it
/// to a host, that host's key.
fn login(mut rest: Fields<'_>) -> Option<Claim<'_>> {
    let user = std::str::from_utf8(rest.string()?).ok()?;
    let (_service, method) = (rest.string()?, rest.string()?);
    let _has_signature = rest.byte()?;
    let (_algorithm, _key) = (rest.string()?, rest.string()?);
    let host_key = match method {
        b"publickey" => None,
        b"publickey-hostbound-v00@openssh.com" => Some(rest.string()?),
        _ => return None,
    };
    rest.0.is_empty().then_some(Claim::Login { user, host_key })
}

/// What is recorded of a signature: the key's fingerprint, and what is signed.
pub(super) fn describe(key: &[u8], claim: &Claim<'_>) -> String {
    format!("{} for {}", fingerprint(key), claim.description())
}

fn fingerprint(key: &[u8]) -> String {
    let plain = PublicKey::from_bytes(key).ok();
    let certified = || Certificate::from_bytes(key).map(|signed| PublicKey::from(signed.public_key().clone()));
    plain.or_else(|| certified().ok()).map_or_else(
        || "a key of an unknown kind".to_owned(),
        |key| key.fingerprint(HashAlg::Sha256).to_string(),
    )
}

/// Who this bastion is, to agents.
pub(super) struct Bastion<'b> {
    /// Its public host keys.
    pub(super) host_keys: &'b [Vec<u8>],
    /// Its users.
    pub(super) users: &'b [User],
}

impl Bastion<'_> {
    /// Whether this is one of its host keys.
    pub(super) fn is_host_key(&self, key: &[u8]) -> bool {
        self.host_keys.iter().any(|own| own == key)
    }

    /// Why a signature must not be made; `None` where nothing is known against it. The session that a login belongs to is a
    /// number that does not say which server it is with.
    pub(super) fn objection(&self, key: &[u8], claim: &Claim<'_>) -> Option<&'static str> {
        match claim {
            _ if self.is_host_key(key) => Some("this is the bastion's own host key"),
            Claim::Login {
                host_key: Some(host_key),
                ..
            } if self.is_host_key(host_key) => Some("it would log in to this bastion"),
            Claim::Login { user, .. } if self.user_with_target(user) => Some("it would log in through a bastion"),
            Claim::Malformed => Some("it is a login that cannot be read"),
            Claim::Login { .. } | Claim::Text { .. } | Claim::Unknown => None,
        }
    }

    /// The user of this bastion whom a login as `name` would log in, without a target. As such it may as well be an account
    /// elsewhere.
    pub(super) fn user_named<'c>(&self, claim: &'c Claim<'_>) -> Option<&'c str> {
        match claim {
            Claim::Login { user, .. } if self.users.iter().any(|known| known.name.as_str() == *user) => Some(user),
            _ => None,
        }
    }

    fn user_with_target(&self, name: &str) -> bool {
        let route = Route::parse(name).ok().filter(|route| route.destination.is_some());
        route.is_some_and(|route| self.users.iter().any(|user| user.name == route.user))
    }
}

#[cfg(test)]
mod tests {
    use super::super::agent_protocol::tests::string;
    use super::*;
    use crate::config::Config;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";

    fn login_data(user: &str, method: &str, host_key: Option<&[u8]>) -> Vec<u8> {
        let mut data = string(&[7; 32]);
        data.push(USERAUTH_REQUEST);
        for field in [user, "ssh-connection", method] {
            data.extend(string(field.as_bytes()));
        }
        data.push(1);
        data.extend(string(b"ssh-ed25519"));
        data.extend(string(b"key"));
        data.extend(host_key.map(string).unwrap_or_default());
        data
    }

    #[test]
    fn what_is_signed_is_read_off_its_bytes() {
        let plain = login_data("deploy", "publickey", None);
        let expected = Claim::Login {
            user: "deploy",
            host_key: None,
        };
        assert_eq!(Claim::read(&plain), expected);
        let bound = login_data("deploy", "publickey-hostbound-v00@openssh.com", Some(b"host"));
        assert!(matches!(
            Claim::read(&bound),
            Claim::Login {
                host_key: Some(b"host"),
                ..
            }
        ));
        let text = [SSHSIG, &string(b"git"), &string(b"")].concat();
        assert_eq!(Claim::read(&text), Claim::Text { namespace: "git" });
        assert_eq!(Claim::read(b"anything"), Claim::Unknown);
        assert_eq!(Claim::read(b""), Claim::Unknown);
        for cut in 37..plain.len() {
            assert_eq!(Claim::read(&plain[..cut]), Claim::Malformed, "{cut}");
        }
        assert_eq!(Claim::read(&[plain, vec![0]].concat()), Claim::Malformed);
    }

    #[test]
    fn a_signature_is_described_without_what_could_act() {
        let key = PublicKey::from_openssh(KEY).unwrap();
        let blob = key.to_bytes().unwrap();
        let data = login_data("x\x1b[2J", "publickey", None);
        let expected = format!("{} for login as x\\x1b[2J", key.fingerprint(HashAlg::Sha256));
        assert_eq!(describe(&blob, &Claim::read(&data)), expected);
        let long = login_data(&"a".repeat(1000), "publickey", None);
        assert!(describe(b"?", &Claim::read(&long)).len() < 200);
    }

    #[test]
    fn nothing_is_signed_that_would_log_in_to_the_bastion() {
        let text = format!("[[users]]\nname = \"alice\"\nauthorized_keys = [\"{KEY}\"]\n");
        let config = Config::parse(&text, std::path::Path::new("/c.toml")).unwrap();
        let host_keys = [b"own".to_vec()];
        let bastion = Bastion {
            host_keys: &host_keys,
            users: &config.users,
        };
        let objects = |key: &[u8], data: &[u8]| bastion.objection(key, &Claim::read(data)).is_some();
        let hostbound = "publickey-hostbound-v00@openssh.com";
        assert!(objects(b"own", b"anything"));
        assert!(objects(b"k", &login_data("deploy", hostbound, Some(b"own"))));
        for user in ["alice@web-1", "alice+web-1", "alice@root@web-1"] {
            assert!(objects(b"k", &login_data(user, "publickey", None)), "{user}");
        }
        assert!(objects(b"k", &login_data("deploy", "password", None)), "malformed");
        for user in ["deploy", "alice", "bob@web-1", ""] {
            assert!(!objects(b"k", &login_data(user, "publickey", None)), "{user}");
        }
        assert!(!objects(b"k", &login_data("deploy", hostbound, Some(b"other"))));
        assert_eq!(
            bastion.user_named(&Claim::read(&login_data("alice", "publickey", None))),
            Some("alice")
        );
        assert_eq!(
            bastion.user_named(&Claim::read(&login_data("deploy", "publickey", None))),
            None
        );
    }
}
