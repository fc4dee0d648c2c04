//! How far one connection has come in proving who is there: a state machine without I/O.

use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::HashAlg;
use russh::keys::ssh_key::public::KeyData;

use crate::config::{AuthMethod, PasswordHash, Restrictions, TotpSecret, User};

/// What proved who somebody is; kept, so that a session ends when the configuration does not know it any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::gateway) enum Proof {
    /// One of the user's keys.
    Key(KeyData),
    /// A certificate of the CA with this key.
    Certificate(KeyData),
    /// The password with this hash.
    Password(PasswordHash),
    /// A code made with this secret.
    Code(TotpSecret),
}

impl Proof {
    /// The method that it is a result of.
    fn method(&self) -> AuthMethod {
        match self {
            Self::Key(_) | Self::Certificate(_) => AuthMethod::PublicKey,
            Self::Password(_) => AuthMethod::Password,
            Self::Code(_) => AuthMethod::Totp,
        }
    }

    /// What it is, for the record: nothing of it is a secret.
    pub(in crate::gateway) fn description(&self) -> String {
        let fingerprint = |key: &KeyData| key.fingerprint(HashAlg::Sha256);
        match self {
            Self::Key(key) => format!("publickey {}", fingerprint(key)),
            Self::Certificate(ca) => format!("certificate of {}", fingerprint(ca)),
            Self::Password(_) => "password".to_owned(),
            Self::Code(_) => "totp".to_owned(),
        }
    }

    /// Whether the configuration still lets this user in by it.
    pub(in crate::gateway) fn still_holds(&self, user: &User, from: IpAddr, now: Timestamp) -> bool {
        match self {
            Self::Key(key) => user.authorized_key(key, from, now).is_some(),
            Self::Certificate(ca) => user.trusted_cas(ca, from, now).next().is_some(),
            Self::Password(hash) => user.password_hash.as_ref() == Some(hash),
            Self::Code(secret) => user.totp_secret.as_ref() == Some(secret),
        }
    }
}

/// A method done, and what it does not permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proven {
    pub(super) proof: Proof,
    pub(super) restrictions: Restrictions,
}

impl From<Proof> for Proven {
    fn from(proof: Proof) -> Self {
        let restrictions = Restrictions::default();
        Self { proof, restrictions }
    }
}

/// What an attempt has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything that is required has been done.
    Admitted(Vec<Proof>, Restrictions),
    /// The method counts, and one of these must follow.
    Continue(Vec<AuthMethod>),
    /// The attempt failed, and with it all that had been done before.
    Refused,
}

/// The methods done so far, for one SSH user name: under another name, nothing has been done.
#[derive(Debug, Default)]
pub(super) struct Progress {
    name: String,
    done: Vec<Proof>,
    restrictions: Restrictions,
}

impl Progress {
    /// What may follow, for the user whom the SSH user name stands for; empty where nothing can.
    pub(super) fn next(&self, name: &str, user: &User) -> Vec<AuthMethod> {
        let done = if self.name == name { self.done.as_slice() } else { &[] };
        remaining(user, &methods(done)).unwrap_or_default()
    }

    /// Whether anything has been done under this SSH user name.
    pub(super) fn has_begun(&self, name: &str) -> bool {
        self.name == name && !self.done.is_empty()
    }

    /// Takes the result of one attempt: `user` is whom the name stands for, `proven` what the attempt showed; either `None`
    /// makes it a failure.
    pub(super) fn attempt(&mut self, name: &str, user: Option<&User>, proven: Option<Proven>) -> Step {
        if self.name != name {
            self.forget();
            name.clone_into(&mut self.name);
        }
        let step = user
            .zip(proven)
            .map_or(Step::Refused, |(user, proven)| self.advance(user, proven));
        if !matches!(step, Step::Continue(_)) {
            self.forget();
        }
        step
    }

    fn advance(&mut self, user: &User, proven: Proven) -> Step {
        if !self.next(&self.name, user).contains(&proven.proof.method()) {
            return Step::Refused;
        }
        self.done.push(proven.proof);
        self.restrictions = self.restrictions.and(proven.restrictions);
        match remaining(user, &methods(&self.done)) {
            Some(methods) if methods.is_empty() => Step::Admitted(std::mem::take(&mut self.done), self.restrictions),
            Some(methods) => Step::Continue(methods),
            None => Step::Refused,
        }
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

fn methods(done: &[Proof]) -> Vec<AuthMethod> {
    done.iter().map(Proof::method).collect()
}

/// What may follow these methods, empty where they suffice; `None` where they are not how the user may begin.
fn remaining(user: &User, done: &[AuthMethod]) -> Option<Vec<AuthMethod>> {
    if user.require.is_empty() {
        return match done {
            [] => Some(vec![AuthMethod::PublicKey, AuthMethod::Password]),
            [AuthMethod::PublicKey | AuthMethod::Password] => Some(Vec::new()),
            _ => None,
        };
    }
    let left = user.require.strip_prefix(done)?;
    Some(left.first().copied().into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{key, user};
    use super::*;

    use AuthMethod::{Password, PublicKey, Totp};

    fn by_key() -> Proven {
        Proof::Key(key(1)).into()
    }

    fn by_password() -> Proven {
        let hash = user("alice", &[]).password_hash;
        Proof::Password(hash.unwrap()).into()
    }

    fn by_code() -> Proven {
        let secret = user("alice", &[]).totp_secret;
        Proof::Code(secret.unwrap()).into()
    }

    /// What the attempts of alice under her own name come to.
    fn outcome(require: &[AuthMethod], attempts: impl IntoIterator<Item = Option<Proven>>) -> Vec<Step> {
        let alice = user("alice", require);
        let mut progress = Progress::default();
        let attempts = attempts.into_iter();
        attempts
            .map(|proven| progress.attempt("alice", Some(&alice), proven))
            .collect()
    }

    fn admitted(proven: impl IntoIterator<Item = Proven>) -> Step {
        let proofs = proven.into_iter().map(|proven| proven.proof).collect();
        Step::Admitted(proofs, Restrictions::default())
    }

    #[test]
    fn without_requirements_either_a_key_or_a_password_will_do() {
        assert_eq!(outcome(&[], [Some(by_key())]), [admitted([by_key()])]);
        assert_eq!(outcome(&[], [Some(by_password())]), [admitted([by_password()])]);
        assert_eq!(outcome(&[], [Some(by_code())]), [Step::Refused], "never a code alone");
    }

    #[test]
    fn what_is_required_is_done_in_its_order_and_what_remains_is_told() {
        let all = [PublicKey, Password, Totp];
        let done = [by_key(), by_password(), by_code()];
        assert_eq!(
            outcome(&all, done.clone().map(Some)),
            [
                Step::Continue(vec![Password]),
                Step::Continue(vec![Totp]),
                admitted(done)
            ]
        );
        assert_eq!(outcome(&all, [Some(by_password())]), [Step::Refused], "out of order");
        assert_eq!(outcome(&all, [Some(by_code())]), [Step::Refused], "out of order");
    }

    #[test]
    fn a_method_done_twice_is_a_failure() {
        let both = [PublicKey, Totp];
        let outcome = outcome(&both, [Some(by_key()), Some(by_key()), Some(by_code())]);
        assert_eq!(outcome, [Step::Continue(vec![Totp]), Step::Refused, Step::Refused]);
    }

    #[test]
    fn a_failure_takes_back_what_was_done_before() {
        let both = [PublicKey, Totp];
        let outcome = outcome(
            &both,
            [Some(by_key()), None, Some(by_code()), Some(by_key()), Some(by_code())],
        );
        assert_eq!(
            outcome,
            [
                Step::Continue(vec![Totp]),
                Step::Refused,
                Step::Refused,
                Step::Continue(vec![Totp]),
                admitted([by_key(), by_code()])
            ]
        );
    }

    #[test]
    fn what_was_done_for_one_name_does_not_count_for_another() {
        let both = [PublicKey, Totp];
        let (alice, bob) = (user("alice", &both), user("bob", &both));
        for other in ["bob", "alice@web-1", "Alice", ""] {
            let mut progress = Progress::default();
            progress.attempt("alice", Some(&alice), Some(by_key()));
            assert_eq!(progress.next(other, &bob), [PublicKey]);
            assert_eq!(
                progress.attempt(other, Some(&bob), Some(by_code())),
                Step::Refused,
                "{other}"
            );
            let back = progress.attempt("alice", Some(&alice), Some(by_code()));
            assert_eq!(back, Step::Refused, "nor for the first one, once another was tried");
        }
    }

    #[test]
    fn nobody_is_admitted_by_any_proof() {
        let mut progress = Progress::default();
        assert_eq!(progress.attempt("nobody", None, Some(by_key())), Step::Refused);
        assert_eq!(
            progress.attempt("alice", Some(&user("alice", &[])), None),
            Step::Refused
        );
    }

    #[test]
    fn a_requirement_that_changes_meanwhile_is_that_of_the_moment() {
        let mut progress = Progress::default();
        progress.attempt("alice", Some(&user("alice", &[PublicKey, Totp])), Some(by_key()));
        let more = user("alice", &[Password, PublicKey, Totp]);
        assert_eq!(progress.attempt("alice", Some(&more), Some(by_code())), Step::Refused);
    }

    #[test]
    fn what_any_method_does_not_permit_stays_so() {
        let alice = user("alice", &[PublicKey, Password]);
        let mut progress = Progress::default();
        let no_pty = Restrictions {
            no_pty: true,
            ..Restrictions::default()
        };
        let restricted = Proven {
            restrictions: no_pty,
            ..by_key()
        };
        progress.attempt("alice", Some(&alice), Some(restricted));
        let Step::Admitted(_, restrictions) = progress.attempt("alice", Some(&alice), Some(by_password())) else {
            panic!("both are done")
        };
        assert_eq!(restrictions, no_pty);
    }

    #[test]
    fn a_proof_holds_until_the_configuration_lets_it_go() {
        let (here, now) = ([10, 0, 0, 1].into(), Timestamp::UNIX_EPOCH);
        let alice = user("alice", &[]);
        let holds = |proven: Proven, user: &User| proven.proof.still_holds(user, here, now);
        for proven in [by_key(), by_password(), by_code()] {
            assert!(holds(proven.clone(), &alice), "{proven:?}");
        }
        let bare = User {
            authorized_keys: Vec::new(),
            password_hash: None,
            totp_secret: None,
            ..alice
        };
        for proven in [by_key(), by_password(), by_code(), Proof::Certificate(key(9)).into()] {
            assert!(!holds(proven.clone(), &bare), "{proven:?}");
        }
    }
}
