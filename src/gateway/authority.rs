//! The bastion's two certificate authorities: one vouches for hosts towards users, one for users towards targets.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, PrivateKey, ssh_key};

/// How long a host certificate holds. Each connection gets a new one, so that none is ever old.
const HOST_VALIDITY: Duration = Duration::from_hours(24);
/// How long a user certificate holds: it is used at once.
const USER_VALIDITY: Duration = Duration::from_mins(2);
/// How far another clock may be behind this one.
const SKEW: Duration = Duration::from_mins(5);
/// What a login with a certificate may be used for on the target; the policies say what it is used for.
const EXTENSIONS: [&str; 4] = [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
];

/// A certificate for each of the host keys, good for `names` for the next 24 hours.
pub(super) fn certify_host(
    host_ca: &PrivateKey,
    host_keys: &[PrivateKey],
    names: &[&str],
) -> Result<Vec<Certificate>, ssh_key::Error> {
    let certify = |key: &PrivateKey| {
        let mut builder = builder(key.public_key().key_data(), CertType::Host, HOST_VALIDITY)?;
        builder.key_id("opspilot")?;
        for name in names {
            // Clients compare with what they were asked for in lower case.
            builder.valid_principal(name.to_ascii_lowercase())?;
        }
        builder.sign(host_ca)
    };
    host_keys.iter().map(certify).collect()
}

/// A new key and its certificate, with which `login` can be logged in as for the next two minutes. `key_id` is what the target's log says.
pub(super) fn certify_user(
    user_ca: &PrivateKey,
    login: &str,
    key_id: &str,
) -> Result<(PrivateKey, Certificate), ssh_key::Error> {
    let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)?;
    let mut builder = builder(key.public_key().key_data(), CertType::User, USER_VALIDITY)?;
    builder.key_id(key_id)?.valid_principal(login)?;
    for extension in EXTENSIONS {
        builder.extension(extension, "")?;
    }
    let certificate = builder.sign(user_ca)?;
    Ok((key, certificate))
}

fn builder(key: &KeyData, kind: CertType, validity: Duration) -> Result<Builder, ssh_key::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (from, until) = (now.saturating_sub(SKEW).as_secs(), (now + validity).as_secs());
    let mut builder = Builder::new_with_random_nonce(&mut russh::keys::key::safe_rng(), key.clone(), from, until)?;
    builder.cert_type(kind)?;
    Ok(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> PrivateKey {
        PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).unwrap()
    }

    #[test]
    fn a_host_certificate_is_for_the_names_in_lower_case_and_for_a_day() {
        let (ca, host) = (key(), key());
        let names = ["Web-1", "10.0.0.11"];
        let made = certify_host(&ca, std::slice::from_ref(&host), &names).unwrap();
        let [certificate] = made.as_slice() else {
            panic!("one for each key")
        };
        assert_eq!(certificate.cert_type(), CertType::Host);
        assert_eq!(certificate.valid_principals(), ["web-1", "10.0.0.11"]);
        assert_eq!(certificate.public_key(), host.public_key().key_data());
        assert_eq!(certificate.signature_key(), ca.public_key().key_data());
        assert_eq!(
            certificate.valid_before() - certificate.valid_after(),
            (HOST_VALIDITY + SKEW).as_secs()
        );
    }

    #[test]
    fn a_user_certificate_is_for_one_login_and_two_minutes_and_its_key_is_new() {
        let ca = key();
        let (first, certificate) = certify_user(&ca, "deploy", "alice@session").unwrap();
        assert_eq!(certificate.cert_type(), CertType::User);
        assert_eq!(certificate.valid_principals(), ["deploy"]);
        assert_eq!(certificate.key_id(), "alice@session");
        assert!(certificate.critical_options().is_empty());
        let extensions: Vec<_> = certificate.extensions().keys().map(String::as_str).collect();
        assert_eq!(extensions, EXTENSIONS);
        assert_eq!(
            certificate.valid_before() - certificate.valid_after(),
            (USER_VALIDITY + SKEW).as_secs()
        );
        let (second, _) = certify_user(&ca, "deploy", "alice@session").unwrap();
        assert_ne!(first.public_key(), second.public_key());
    }

    #[test]
    fn names_that_would_hold_for_every_host_or_login_are_never_certified() {
        assert!(certify_host(&key(), &[key()], &[]).is_err());
    }
}
