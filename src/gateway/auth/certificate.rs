//! Whether a user certificate lets a user in (OpenSSH's PROTOCOL.certkeys).

use std::net::IpAddr;

use jiff::Timestamp;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, Certificate};

use super::progress::{Proof, Proven};
use crate::config::{LEAST_RSA_BITS, Restrictions, Sources, TrustedCa, User};
use crate::domain::printable_line;

/// Why a certificate lets nobody in. For the log: who is refused is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CertificateError {
    /// It is signed by a key that is no CA of the user's, or by one that does not hold from there at that time.
    #[error("its CA is not one of the user's that holds for this address now; see trusted_user_ca")]
    Authority,
    /// It cannot be what it says.
    #[error("its signature is wrong, or made with SHA-1")]
    Signature,
    /// It is a host's.
    #[error("it is not a user certificate")]
    Type,
    /// Its time has not come or is over.
    #[error("it is not valid at this time")]
    Time,
    /// It is for somebody else, or for anybody.
    #[error("its principals do not include the user; they must be named (ssh-keygen -n)")]
    Principal,
    /// Its key can be broken.
    #[error("its key is an RSA key of fewer than {LEAST_RSA_BITS} bits")]
    WeakKey,
    /// It does not hold for the address.
    #[error("its source-address does not include this address")]
    SourceAddress,
    /// It asks for something that cannot be kept to.
    #[error("its critical option `{}` is not one that the bastion keeps to; sign one without it", printable_line(.0))]
    CriticalOption(String),
}

/// What a certificate proves of a user, whose client has shown that it holds the certificate's key.
///
/// # Errors
/// It does not let this user in from this address at this time.
pub(super) fn examine(
    certificate: &Certificate,
    user: &User,
    from: IpAddr,
    now: Timestamp,
) -> Result<Proven, CertificateError> {
    let cas = user.trusted_cas(certificate.signature_key(), from, now);
    let mut cas = cas.peekable();
    cas.peek().ok_or(CertificateError::Authority)?;
    check_signature(certificate)?;
    check_key(certificate.public_key())?;
    if !certificate.cert_type().is_user() {
        return Err(CertificateError::Type);
    }
    let second = u64::try_from(now.as_second()).map_err(|_| CertificateError::Time)?;
    if !(certificate.valid_after()..certificate.valid_before()).contains(&second) {
        return Err(CertificateError::Time);
    }
    let names_user = |ca: &&TrustedCa| names_user(certificate.valid_principals(), ca, user);
    let ca = cas.find(names_user).ok_or(CertificateError::Principal)?;
    check_critical_options(certificate, from)?;
    Ok(Proven {
        proof: Proof::Certificate(ca.key.key_data().clone()),
        restrictions: ca.conditions.restrictions.and(unless_permitted(certificate)),
    })
}

/// Whether there is an address and a time at which a certificate may let this user in.
pub(super) fn may_admit(certificate: &Certificate, user: &User) -> bool {
    let mut cas = user.trusted_user_ca.iter();
    let is_named = cas.any(|ca| {
        ca.key.key_data() == certificate.signature_key() && names_user(certificate.valid_principals(), ca, user)
    });
    is_named && check_signature(certificate).is_ok()
}

fn check_signature(certificate: &Certificate) -> Result<(), CertificateError> {
    let is_sha1 = matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None });
    let is_valid = !is_sha1 && certificate.verify_signature().is_ok();
    is_valid.then_some(()).ok_or(CertificateError::Signature)
}

/// Whether a key is long enough.
fn check_key(key: &KeyData) -> Result<(), CertificateError> {
    match key {
        KeyData::Rsa(rsa) if rsa.key_size() < LEAST_RSA_BITS => Err(CertificateError::WeakKey),
        _ => Ok(()),
    }
}

fn names_user(principals: &[String], ca: &TrustedCa, user: &User) -> bool {
    principals.iter().any(|principal| {
        if ca.principals.is_empty() {
            principal == user.name.as_str()
        } else {
            ca.principals.contains(principal)
        }
    })
}

fn check_critical_options(certificate: &Certificate, from: IpAddr) -> Result<(), CertificateError> {
    for (name, value) in certificate.critical_options().iter() {
        if name != "source-address" {
            return Err(CertificateError::CriticalOption(name.clone()));
        }
        if !Sources::networks(value).is_some_and(|sources| sources.admit(from)) {
            return Err(CertificateError::SourceAddress);
        }
    }
    Ok(())
}

/// What a certificate does not name, it does not permit.
fn unless_permitted(certificate: &Certificate) -> Restrictions {
    let lacks = |extension| !certificate.extensions().contains_key(extension);
    Restrictions {
        no_pty: lacks("permit-pty"),
        no_port_forwarding: lacks("permit-port-forwarding"),
        no_agent_forwarding: lacks("permit-agent-forwarding"),
        no_x11_forwarding: lacks("permit-X11-forwarding"),
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::certificate::{Builder, CertType};

    use super::super::fixtures::private_key;
    use super::*;

    const NOW: i64 = 1_900_000_000;
    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    /// alice, who trusts the CA with the given line of `authorized_keys` before its key.
    fn alice(options: &str) -> User {
        let ca = private_key(9).public_key().to_openssh().unwrap();
        let text = format!("[[users]]\nname = \"alice\"\nauthorized_keys = ['''{options}{ca}''']\n");
        let config = crate::config::Config::parse(&text, std::path::Path::new("/x.toml")).unwrap();
        config.users.into_iter().next().unwrap()
    }

    fn trusting() -> User {
        alice("cert-authority ")
    }

    /// A certificate for alice, valid for a minute around now, after `change`.
    fn signed_by(ca: &PrivateKey, change: impl FnOnce(&mut Builder)) -> Certificate {
        let (now, key) = (u64::try_from(NOW).unwrap(), private_key(1));
        let mut builder = Builder::new(vec![7; 16], key.public_key(), now - 30, now + 30).unwrap();
        change(&mut builder);
        builder.sign(ca).unwrap()
    }

    fn certificate(change: impl FnOnce(&mut Builder)) -> Certificate {
        signed_by(&private_key(9), change)
    }

    fn for_alice(builder: &mut Builder) {
        builder.valid_principal("alice").unwrap();
    }

    fn examined(certificate: &Certificate, user: &User) -> Result<Restrictions, CertificateError> {
        let now = Timestamp::from_second(NOW).unwrap();
        examine(certificate, user, HERE, now).map(|proven| proven.restrictions)
    }

    #[test]
    fn what_lets_a_user_in_at_some_time_is_known_to() {
        let ended = certificate(|builder| {
            for_alice(builder);
            builder.critical_option("source-address", "192.0.2.1/32").unwrap();
        });
        assert!(may_admit(&ended, &trusting()));
        assert!(
            !may_admit(&signed_by(&private_key(8), for_alice), &trusting()),
            "another CA"
        );
        let for_bob = certificate(|builder| {
            builder.valid_principal("bob").unwrap();
        });
        assert!(!may_admit(&for_bob, &trusting()));
    }

    #[test]
    fn a_certificate_permits_what_it_names() {
        assert_eq!(examined(&certificate(for_alice), &trusting()), Ok(Restrictions::ALL));
        let with_pty = certificate(|builder| {
            for_alice(builder);
            builder.extension("permit-pty", "").unwrap();
        });
        let all_but_pty = Restrictions {
            no_pty: false,
            ..Restrictions::ALL
        };
        assert_eq!(examined(&with_pty, &trusting()), Ok(all_but_pty));
        assert_eq!(
            examined(&with_pty, &alice("cert-authority,no-pty ")),
            Ok(Restrictions::ALL)
        );
    }

    #[test]
    fn only_a_ca_of_the_user_counts_and_its_key_is_no_key_to_log_in_with() {
        let by_another = signed_by(&private_key(8), for_alice);
        assert_eq!(examined(&by_another, &trusting()), Err(CertificateError::Authority));
        let plain = certificate(for_alice);
        assert_eq!(
            examined(&plain, &alice("")),
            Err(CertificateError::Authority),
            "a plain key is no CA"
        );
        let ca = private_key(9);
        let now = Timestamp::from_second(NOW).unwrap();
        let held = trusting();
        assert!(held.authorized_key(ca.public_key().key_data(), HERE, now).is_none());
    }

    #[test]
    fn the_conditions_of_the_ca_hold_too() {
        for (options, expected) in [
            ("cert-authority,from=\"10.0.0.0/8\" ", Ok(Restrictions::ALL)),
            (
                "cert-authority,from=\"192.0.2.0/24\" ",
                Err(CertificateError::Authority),
            ),
            (
                "cert-authority,expiry-time=\"20200101Z\" ",
                Err(CertificateError::Authority),
            ),
        ] {
            assert_eq!(
                examined(&certificate(for_alice), &alice(options)),
                expected,
                "{options}"
            );
        }
    }

    #[test]
    fn a_hosts_certificate_is_not_a_users() {
        let host = signed_by(&private_key(9), |builder| {
            for_alice(builder);
            builder.cert_type(CertType::Host).unwrap();
        });
        assert_eq!(examined(&host, &trusting()), Err(CertificateError::Type));
    }

    #[test]
    fn a_certificate_holds_for_its_time_only() {
        let (valid, user) = (certificate(for_alice), trusting());
        for (offset, holds) in [(-31, false), (-30, true), (29, true), (30, false)] {
            let now = Timestamp::from_second(NOW + offset).unwrap();
            assert_eq!(examine(&valid, &user, HERE, now).is_ok(), holds, "{offset}");
        }
    }

    #[test]
    fn a_certificate_names_its_user() {
        let named = |name: &str| {
            certificate(|builder| {
                builder.valid_principal(name).unwrap();
            })
        };
        for name in ["bob", "Alice", "alice ", "*", "alice@web-1"] {
            assert_eq!(
                examined(&named(name), &trusting()),
                Err(CertificateError::Principal),
                "{name}"
            );
        }
        let anybody = certificate(|builder| {
            builder.all_principals_valid().unwrap();
        });
        assert_eq!(examined(&anybody, &trusting()), Err(CertificateError::Principal));

        let mapped = alice("cert-authority,principals=\"sre,oncall\" ");
        assert!(examined(&named("oncall"), &mapped).is_ok());
        assert_eq!(examined(&named("alice"), &mapped), Err(CertificateError::Principal));
    }

    #[test]
    fn a_principal_with_a_comma_is_one_name() {
        let named = |name: &str| {
            certificate(|builder| {
                builder.valid_principal(name).unwrap();
            })
        };
        let mapped = alice("cert-authority,principals=\"sre,oncall\" ");
        for (user, name) in [
            (&mapped, "x,oncall"),
            (&mapped, "sre,oncall"),
            (&trusting(), "bob,alice"),
        ] {
            assert_eq!(examined(&named(name), user), Err(CertificateError::Principal), "{name}");
        }
    }

    #[test]
    fn a_source_address_is_kept_to_and_every_other_critical_option_refused() {
        let with = |name: &str, value: &str| {
            certificate(|builder| {
                for_alice(builder);
                builder.critical_option(name, value).unwrap();
            })
        };
        for (value, expected) in [
            ("10.0.0.0/8,192.0.2.1", Ok(Restrictions::ALL)),
            ("192.0.2.1", Err(CertificateError::SourceAddress)),
            ("", Err(CertificateError::SourceAddress)),
            ("*", Err(CertificateError::SourceAddress)),
        ] {
            assert_eq!(
                examined(&with("source-address", value), &trusting()),
                expected,
                "{value}"
            );
        }
        for name in ["force-command", "verify-required", "x@example.com"] {
            let refused = Err(CertificateError::CriticalOption(name.to_owned()));
            assert_eq!(examined(&with(name, "x"), &trusting()), refused);
        }
    }

    #[test]
    fn a_certificate_that_was_changed_after_it_was_signed_is_refused() {
        let bytes = certificate(for_alice).to_bytes().unwrap();
        let at = bytes.windows(5).position(|window| window == b"alice").unwrap();
        let mut changed = bytes;
        changed[at..at + 5].copy_from_slice(b"clive");
        let changed = Certificate::from_bytes(&changed).unwrap();
        let clive = User {
            name: "clive".parse().unwrap(),
            ..trusting()
        };
        assert_eq!(examined(&changed, &clive), Err(CertificateError::Signature));
    }
}
