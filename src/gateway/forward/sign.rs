//! What a forwarded agent is asked to sign, and whether that would lead past the bastion.

use russh::keys::HashAlg;
use russh::keys::key::parse_public_key;
use russh::keys::signature::Verifier as _;
use russh::keys::ssh_key::Signature;
use russh::keys::ssh_key::public::KeyData;

use crate::config::User;
use crate::domain::printable_line;

use super::agent_protocol::Fields;
use crate::gateway::address::Route;
use crate::gateway::auth::may_admit;

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
        /// The key or certificate that the server is shown.
        key: &'m [u8],
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
    let (_algorithm, key) = (rest.string()?, rest.string()?);
    let host_key = match method {
        b"publickey" => None,
        b"publickey-hostbound-v00@openssh.com" => Some(rest.string()?),
        _ => return None,
    };
    rest.0.is_empty().then_some(Claim::Login { user, key, host_key })
}

/// What is recorded of a signature: the key's fingerprint, and what is signed.
pub(super) fn describe(key: &[u8], claim: &Claim<'_>) -> String {
    format!("{} for {}", fingerprint(key), claim.description())
}

/// Certificates within certificates are bounded by the parser that login uses, too: their depth would be that of the stack.
fn fingerprint(key: &[u8]) -> String {
    parse_public_key(key).map_or_else(
        |_| "a key of an unknown kind".to_owned(),
        |key| bare(key.key_data()).fingerprint(HashAlg::Sha256).to_string(),
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

    /// Whether a signature may go to the target. One that would let somebody in here, without a target, must be remembered
    /// first; as such it may as well be for an account elsewhere. What does not hold here cannot be told from what is made up
    /// to have that user turned away, so neither goes out.
    pub(super) fn releases(
        &self,
        claim: &Claim<'_>,
        data: &[u8],
        signature: &[u8],
        remember: impl Fn(&str) -> bool,
    ) -> bool {
        match self.admitted(claim) {
            Some((user, key)) => holds(&key, data, signature) && remember(user.name.as_str()),
            None => true,
        }
    }

    /// The user whom a login would let in here, and the key that its signature is held against.
    fn admitted(&self, claim: &Claim<'_>) -> Option<(&User, KeyData)> {
        let Claim::Login { user, key, .. } = claim else {
            return None;
        };
        let user = self.users.iter().find(|known| known.name.as_str() == *user)?;
        let shown = parse_public_key(key).ok()?;
        may_admit(user, shown.key_data()).then(|| (user, bare(shown.key_data()).clone()))
    }

    fn user_with_target(&self, name: &str) -> bool {
        let route = Route::parse(name).ok().filter(|route| route.destination.is_some());
        route.is_some_and(|route| self.users.iter().any(|user| user.name == route.user))
    }
}

/// The key itself, without the certificate around it.
fn bare(key: &KeyData) -> &KeyData {
    match key {
        KeyData::Certificate(certificate) => certificate.public_key(),
        key => key,
    }
}

fn holds(key: &KeyData, data: &[u8], signature: &[u8]) -> bool {
    Signature::try_from(signature).is_ok_and(|signature| key.verify(data, &signature).is_ok())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use russh::keys::PublicKey;
    use russh::keys::signature::Signer as _;
    use russh::keys::ssh_key::certificate::Builder;

    use super::super::agent_protocol::tests::string;
    use super::*;
    use crate::config::Config;
    use crate::gateway::auth::fixtures::{private_key, user};

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";

    fn login_data(user: &str, method: &str, host_key: Option<&[u8]>) -> Vec<u8> {
        login_with(b"key", user, method, host_key)
    }

    fn login_with(key: &[u8], user: &str, method: &str, host_key: Option<&[u8]>) -> Vec<u8> {
        let mut data = string(&[7; 32]);
        data.push(USERAUTH_REQUEST);
        for field in [user, "ssh-connection", method] {
            data.extend(string(field.as_bytes()));
        }
        data.push(1);
        data.extend(string(b"ssh-ed25519"));
        data.extend(string(key));
        data.extend(host_key.map(string).unwrap_or_default());
        data
    }

    #[test]
    fn what_is_signed_is_read_off_its_bytes() {
        let plain = login_data("deploy", "publickey", None);
        let expected = Claim::Login {
            user: "deploy",
            key: b"key",
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
    fn a_certificate_is_described_by_its_key_and_one_of_endless_depth_by_nothing() {
        let key = private_key(1);
        let mut builder = Builder::new(vec![7; 16], key.public_key(), 1, 2).unwrap();
        builder.valid_principal("a").unwrap();
        let certificate = builder.sign(&private_key(9)).unwrap().to_bytes().unwrap();
        let fingerprint = key.public_key().fingerprint(HashAlg::Sha256);
        assert_eq!(
            describe(&certificate, &Claim::Unknown),
            format!("{fingerprint} for something unknown")
        );
        let ca = private_key(9).public_key().to_bytes().unwrap();
        let at = certificate.windows(ca.len()).position(|window| window == ca).unwrap();
        let before = certificate[..at - 4].to_vec();
        let mut nested = certificate.clone();
        while nested.len() < 200 * 1024 {
            nested = [before.as_slice(), &string(&nested), &certificate[at + ca.len()..]].concat();
        }
        assert_eq!(
            describe(&nested, &Claim::Unknown),
            "a key of an unknown kind for something unknown"
        );
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
    }

    /// Whether a signature by key `signer`, for a login as `name` with key `shown`, goes out, and who is remembered for it,
    /// where there is room. alice has key 1.
    fn released(name: &str, shown: u8, signer: u8, has_room: bool) -> (bool, Option<String>) {
        let bastion = Bastion {
            host_keys: &[],
            users: &[user("alice", &[]), user("bob", &[])].map(|known| User {
                authorized_keys: if known.name.as_str() == "alice" {
                    known.authorized_keys
                } else {
                    Vec::new()
                },
                ..known
            }),
        };
        let key = private_key(shown).public_key().to_bytes().unwrap();
        let data = login_with(&key, name, "publickey", None);
        let signature: Vec<u8> = private_key(signer).try_sign(&data).unwrap().try_into().unwrap();
        let remembered = RefCell::new(None);
        let released = bastion.releases(&Claim::read(&data), &data, &signature, |user| {
            *remembered.borrow_mut() = has_room.then(|| user.to_owned());
            has_room
        });
        (released, remembered.into_inner())
    }

    #[test]
    fn a_signature_that_would_let_somebody_in_is_remembered_before_it_goes_out() {
        assert_eq!(released("alice", 1, 1, true), (true, Some("alice".to_owned())));
        assert_eq!(released("alice", 1, 1, false), (false, None), "no room");
    }

    #[test]
    fn nobody_is_remembered_for_what_would_not_let_them_in() {
        assert_eq!(released("alice", 2, 2, true), (true, None), "another's key");
        assert_eq!(released("bob", 1, 1, true), (true, None), "another's name");
        assert_eq!(released("deploy", 1, 1, true), (true, None), "nobody here");
        assert_eq!(released("alice", 1, 2, true), (false, None), "made up by an agent");
    }

    #[test]
    fn a_signature_of_a_certificate_is_held_against_the_key_in_it() {
        let ca = private_key(9).public_key().to_openssh().unwrap();
        let text = format!("[[users]]\nname = \"alice\"\nauthorized_keys = ['cert-authority {ca}']\n");
        let config = Config::parse(&text, std::path::Path::new("/c.toml")).unwrap();
        let bastion = Bastion {
            host_keys: &[],
            users: &config.users,
        };
        let releases = |principal: &str, signer: u8, has_room: bool| {
            let key = private_key(1);
            let mut builder = Builder::new(vec![7; 16], key.public_key(), 1, 2).unwrap();
            builder.valid_principal(principal).unwrap();
            let certificate = builder.sign(&private_key(9)).unwrap().to_bytes().unwrap();
            let data = login_with(&certificate, "alice", "publickey", None);
            let signature: Vec<u8> = private_key(signer).try_sign(&data).unwrap().try_into().unwrap();
            bastion.releases(&Claim::read(&data), &data, &signature, |_| has_room)
        };
        assert!(releases("alice", 1, true));
        assert!(!releases("alice", 1, false), "no room");
        assert!(!releases("alice", 2, true), "made up by an agent");
        assert!(releases("bob", 1, false), "for somebody else");
    }
}
