//! Whether what a target showed as its host key is to be trusted.

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::config::{HostTrust, Target};

/// Why a host key is not trusted; the texts go to users.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Distrust {
    /// It is none of those configured.
    #[error("the host key {0}, which is not the one configured")]
    Unknown(String),
    /// It, or the CA that certified it, is revoked.
    #[error("the host key {0}, which is revoked")]
    Revoked(String),
    /// It belongs to the bastion itself, where the user's agent would sign.
    #[error("the bastion's own host key {0}, to which nobody's agent signs")]
    Own(String),
    /// A certificate by the configured CA that is no good.
    #[error("a host certificate that {0}")]
    Certificate(&'static str),
}

/// What a target has to be, to be trusted.
pub(super) struct Expected {
    /// Whose word is taken.
    pub trust: HostTrust,
    /// Names one of which a certificate must be for.
    pub names: Vec<String>,
    /// Keys that it must not have, whatever else holds.
    pub never: Vec<PublicKey>,
}

impl Expected {
    /// What `target` has to be by `trust`.
    pub(super) fn of(target: &Target, trust: HostTrust, never: Vec<PublicKey>) -> Self {
        Self {
            trust,
            names: target.host_names().map(str::to_ascii_lowercase).collect(),
            never,
        }
    }

    /// The SHA-256 fingerprint of a key that is trusted at `now`, in seconds since 1970.
    pub(super) fn judge(&self, shown: &PublicKeyOrCertificate, now: u64) -> Result<String, Distrust> {
        let key = shown.public_key();
        let fingerprint = fingerprint(&key);
        if holds(&self.trust.revoked, &key) {
            return Err(Distrust::Revoked(fingerprint));
        }
        if holds(&self.never, &key) {
            return Err(Distrust::Own(fingerprint));
        }
        // A certificate of an unknown CA is no worse than the plain key in it.
        let vouched = match shown.certificate() {
            Some(certificate) => self.vouched_for(certificate, now)?,
            None => false,
        };
        if vouched || holds(&self.trust.keys, &key) {
            Ok(fingerprint)
        } else {
            Err(Distrust::Unknown(fingerprint))
        }
    }

    /// Whether a trusted CA certifies the host; an error where one does, but not this host now.
    fn vouched_for(&self, certificate: &Certificate, now: u64) -> Result<bool, Distrust> {
        let authority = PublicKey::from(certificate.signature_key().clone());
        if holds(&self.trust.revoked, &authority) {
            return Err(Distrust::Revoked(fingerprint(&authority)));
        }
        if !holds(&self.trust.authorities, &authority) {
            return Ok(false);
        }
        let principals = certificate.valid_principals();
        let is_for_host = principals
            .iter()
            .any(|principal| self.names.contains(&principal.to_ascii_lowercase()));
        let faults = [
            (
                certificate.cert_type() != CertType::Host,
                "is for a user, not for a host",
            ),
            (is_signed_weakly(certificate), "is signed with a broken algorithm"),
            (
                certificate.verify_signature().is_err(),
                "is not signed by the CA that it names",
            ),
            (now < certificate.valid_after(), "is not valid yet"),
            (now >= certificate.valid_before(), "has expired"),
            (!is_for_host, "is for another host"),
            (
                !certificate.critical_options().is_empty(),
                "has critical options, which no host certificate may have",
            ),
        ];
        let fault = faults.into_iter().find_map(|(is_so, what)| is_so.then_some(what));
        fault.map_or(Ok(true), |what| Err(Distrust::Certificate(what)))
    }
}

/// SHA-1 and DSA, as no OpenSSH accepts from a CA any longer.
fn is_signed_weakly(certificate: &Certificate) -> bool {
    matches!(
        certificate.signature().algorithm(),
        Algorithm::Rsa { hash: None } | Algorithm::Dsa
    )
}

fn holds(keys: &[PublicKey], key: &PublicKey) -> bool {
    keys.iter().any(|known| known.key_data() == key.key_data())
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::Builder;

    use super::*;

    const NOW: u64 = 1_000_000;

    fn key() -> PrivateKey {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
    }

    /// A world with a host, its CA, and what is expected of it by name.
    struct World {
        host: PrivateKey,
        ca: PrivateKey,
        expected: Expected,
    }

    fn world() -> World {
        let (host, ca) = (key(), key());
        let trust = HostTrust {
            authorities: vec![ca.public_key().clone()],
            ..HostTrust::default()
        };
        let expected = Expected {
            trust,
            names: vec!["web-1".to_owned()],
            never: Vec::new(),
        };
        World { host, ca, expected }
    }

    impl World {
        /// The verdict on a certificate that is good but for what `change` does to it.
        fn verdict(&self, change: impl FnOnce(&mut Builder)) -> Result<String, Distrust> {
            let key = self.host.public_key().key_data().clone();
            let mut builder = Builder::new(vec![0; 16], key, NOW, NOW + 10).unwrap();
            change(&mut builder);
            let shown = builder.sign(&self.ca).unwrap();
            self.expected.judge(&shown.into(), NOW)
        }

        fn fingerprint(&self) -> String {
            fingerprint(self.host.public_key())
        }
    }

    fn good(builder: &mut Builder) {
        builder.cert_type(CertType::Host).unwrap();
        builder
            .valid_principal("db-1")
            .unwrap()
            .valid_principal("Web-1")
            .unwrap();
    }

    #[test]
    fn a_certificate_of_the_ca_for_the_host_is_trusted_while_it_is_valid() {
        let world = world();
        assert_eq!(world.verdict(good), Ok(world.fingerprint()));
    }

    #[test]
    fn each_fault_of_a_certificate_is_told() {
        let world = world();
        let no_good = |why| Err(Distrust::Certificate(why));
        assert_eq!(
            world.verdict(|builder| {
                builder
                    .cert_type(CertType::User)
                    .unwrap()
                    .valid_principal("web-1")
                    .unwrap();
            }),
            no_good("is for a user, not for a host")
        );
        for everywhere in [true, false] {
            let verdict = world.verdict(|builder| {
                builder.cert_type(CertType::Host).unwrap();
                if everywhere {
                    builder.all_principals_valid().unwrap();
                } else {
                    builder.valid_principal("*").unwrap().valid_principal("web-10").unwrap();
                }
            });
            assert_eq!(verdict, no_good("is for another host"));
        }
        assert_eq!(
            world.verdict(|builder| {
                good(builder);
                builder.critical_option("force-command", "x").unwrap();
            }),
            no_good("has critical options, which no host certificate may have")
        );
    }

    #[test]
    fn the_time_counts_to_the_second() {
        let world = world();
        let mut builder = Builder::new(vec![0; 16], world.host.public_key().key_data().clone(), NOW, NOW + 10).unwrap();
        good(&mut builder);
        let shown = builder.sign(&world.ca).unwrap().into();
        let at = |now| world.expected.judge(&shown, now);
        assert_eq!(at(NOW - 1), Err(Distrust::Certificate("is not valid yet")));
        assert!(at(NOW + 9).is_ok());
        assert_eq!(at(NOW + 10), Err(Distrust::Certificate("has expired")));
    }

    #[test]
    fn a_changed_certificate_is_not_trusted() {
        let world = world();
        let mut builder = Builder::new(vec![0; 16], world.host.public_key().key_data().clone(), NOW, NOW + 10).unwrap();
        good(&mut builder);
        let mut bytes = builder.sign(&world.ca).unwrap().to_bytes().unwrap();
        let at = bytes.windows(5).position(|window| window == b"Web-1").unwrap();
        bytes[at..at + 5].copy_from_slice(b"WEB-1");
        let forged = Certificate::from_bytes(&bytes).unwrap();
        assert_eq!(
            world.expected.judge(&forged.into(), NOW),
            Err(Distrust::Certificate("is not signed by the CA that it names"))
        );
    }

    #[test]
    fn of_an_unknown_ca_only_the_plain_key_counts() {
        let mut world = world();
        world.expected.trust.authorities = vec![key().public_key().clone()];
        assert_eq!(world.verdict(good), Err(Distrust::Unknown(world.fingerprint())));
        world.expected.trust.keys = vec![world.host.public_key().clone()];
        assert_eq!(world.verdict(good), Ok(world.fingerprint()));
    }

    #[test]
    fn revoked_keys_and_the_bastions_own_are_never_trusted() {
        let mut world = world();
        world.expected.trust.keys = vec![world.host.public_key().clone()];
        world.expected.never = vec![world.host.public_key().clone()];
        assert_eq!(world.verdict(good), Err(Distrust::Own(world.fingerprint())));
        world.expected.trust.revoked = vec![world.host.public_key().clone()];
        assert_eq!(world.verdict(good), Err(Distrust::Revoked(world.fingerprint())));
        world.expected.trust.revoked = vec![world.ca.public_key().clone()];
        world.expected.never.clear();
        assert!(matches!(world.verdict(good), Err(Distrust::Revoked(_))));
    }
}
