//! What users know, as the daemon keeps it: never shown, never logged.

use std::fmt;
use std::path::Path;

use argon2::password_hash::phc::{Output, PasswordHash as Phc};
use argon2::{ARGON2ID_IDENT, Argon2, Params, PasswordVerifier as _};
use data_encoding::BASE32_NOPAD;
use zeroize::Zeroizing;

use super::document::Fault;
use super::secret_file::{SecretFileError, read_secret};

/// The least memory in KiB, and the least product of memory and passes, as OWASP's table of equally good ones has it.
const LEAST: (u32, u32) = (7_168, 35_840);
/// The most memory in KiB and passes: every guess of a stranger takes as much.
const MOST: (u32, u32) = (256 * 1024, 16);
/// The shortest secret of codes in bytes (RFC 4226, R6).
const LEAST_SECRET: usize = 16;

/// How a hash is made: the password is typed without an echo and is no argument of anything.
const MAKE_HASH: &str =
    "make one: read -rs P; printf %s \"$P\" | argon2 \"$(openssl rand -hex 8)\" -id -e -k 65536 -t 3 -p 1";
/// How a secret is made.
const MAKE_SECRET: &str = "make one: (umask 077; openssl rand 20 | base32 > FILE)";

/// A password as its argon2id hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(Phc);

impl PasswordHash {
    /// Reads a hash in PHC form: `$argon2id$v=19$m=65536,t=3,p=1$SALT$HASH`.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let phc = Phc::new(text.trim()).map_err(|_| Fault::new("is not a hash in PHC form", MAKE_HASH))?;
        if phc.algorithm != ARGON2ID_IDENT || phc.version != Some(19) {
            return Err(Fault::new("is not an argon2id hash of version 19", MAKE_HASH));
        }
        let params =
            Params::try_from(&phc).map_err(|_| Fault::new("has parameters that argon2 does not know", MAKE_HASH))?;
        if phc.salt.is_none() || phc.hash.is_none() {
            return Err(Fault::new("has no salt or no hash", MAKE_HASH));
        }
        let (memory, passes) = (params.m_cost(), params.t_cost());
        if memory < LEAST.0 || memory.saturating_mul(passes) < LEAST.1 {
            return Err(Fault::new(format!("is weak: m={memory},t={passes}"), MAKE_HASH));
        }
        if memory > MOST.0 || passes > MOST.1 {
            let what = format!("takes too much: m={memory},t={passes}, and each guess of a stranger takes as much");
            return Err(Fault::new(what, MAKE_HASH));
        }
        Ok(Self(phc))
    }

    /// Whether this is the password. Blocks for as long as the hash is meant to take, some 100 ms.
    #[must_use]
    pub fn matches(&self, password: &str) -> bool {
        Argon2::default().verify_password(password.as_bytes(), &self.0).is_ok()
    }

    /// What a check takes: memory in KiB times passes.
    #[must_use]
    pub fn cost(&self) -> u64 {
        Params::try_from(&self.0).map_or(0, |params| u64::from(params.m_cost()) * u64::from(params.t_cost()))
    }

    /// A hash of no known password that takes as much to check as this one.
    #[must_use]
    pub fn of_nobody(&self) -> Self {
        let mut phc = self.0.clone();
        phc.hash = phc
            .hash
            .and_then(|hash| Output::init_with(hash.len(), |_zeros| Ok(())).ok());
        Self(phc)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// The secret that a user's authenticator shares with the bastion.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(Zeroizing<Vec<u8>>);

impl TotpSecret {
    /// Reads a secret in base32 from a file that nobody else may read.
    pub(super) fn read(file: &Path) -> Result<Self, Fault> {
        Self::parse(&read_secret(file).map_err(|error| unusable(&error))?)
    }

    fn parse(text: &str) -> Result<Self, Fault> {
        let written = text.trim().trim_end_matches('=').chars();
        let written: String = written.filter(|c| *c != ' ').map(|c| c.to_ascii_uppercase()).collect();
        let secret = BASE32_NOPAD.decode(Zeroizing::new(written).as_bytes());
        let secret =
            secret.map_err(|_| Fault::new("names a file that does not hold one line of base32", MAKE_SECRET))?;
        if secret.len() < LEAST_SECRET {
            let what = format!("names a secret of {} bits, fewer than 128", secret.len() * 8);
            return Err(Fault::new(what, MAKE_SECRET));
        }
        Ok(Self(Zeroizing::new(secret)))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn unusable(error: &SecretFileError) -> Fault {
    let remedy = match error {
        SecretFileError::Exposed { .. } => format!("{}, and a new secret if others have read it", error.remedy()),
        _ => MAKE_SECRET.to_owned(),
    };
    Fault::new(error.to_string(), remedy)
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// Made by the `argon2` program of `correct horse`.
    const HASH: &str =
        "$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2Ek5zMZVGrFVTlHZZgywf+fd0fS6/y+DB3Z5fAX1+zM";

    #[test]
    fn a_hash_matches_its_password_only() {
        let hash = PasswordHash::parse(HASH).unwrap();
        assert!(hash.matches("correct horse"));
        assert!(!hash.matches("correct horse\n"));
        assert!(!hash.matches(""));
    }

    #[test]
    fn a_hash_of_nobody_costs_the_same_and_matches_nothing() {
        let hash = PasswordHash::parse(HASH).unwrap();
        let nobody = hash.of_nobody();
        assert_eq!(nobody.cost(), hash.cost());
        assert_ne!(nobody, hash);
        assert!(!nobody.matches("correct horse") && !nobody.matches(""));
    }

    #[test]
    fn a_hash_that_is_weak_heavy_or_of_another_kind_is_refused() {
        for (text, what) in [
            (String::new(), "PHC form"),
            ("correct horse".to_owned(), "PHC form"),
            (HASH.replace("argon2id", "argon2i"), "argon2id"),
            (HASH.replace("v=19$", ""), "version 19"),
            (HASH.replace("m=7168", "m=4096"), "weak"),
            (HASH.replace("t=5", "t=4"), "weak"),
            (HASH.replace("m=7168", "m=1048576"), "too much"),
            (HASH.replace("t=5", "t=99"), "too much"),
            (HASH.rsplit_once('$').unwrap().0.to_owned(), "no hash"),
        ] {
            let fault = PasswordHash::parse(&text).expect_err(&text);
            assert!(fault.what.contains(what), "{text}: {}", fault.what);
            assert!(fault.remedy.contains("argon2 "), "{}", fault.remedy);
        }
    }

    #[test]
    fn a_secret_is_base32_however_it_is_grouped() {
        let plain = TotpSecret::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n").unwrap();
        assert_eq!(plain.bytes(), b"12345678901234567890");
        assert_eq!(
            TotpSecret::parse("gezd gnbv gy3t qojq gezd gnbv gy3t qojq").unwrap(),
            plain
        );
        assert!(
            TotpSecret::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY======").is_ok(),
            "16 bytes with padding"
        );
    }

    #[test]
    fn a_secret_that_is_short_or_not_base32_is_refused() {
        for text in [
            "",
            "GEZDGNBVGY3TQOJQ",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1",
            "otpauth://totp/a?secret=GEZDGNBV",
        ] {
            assert!(TotpSecret::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn nothing_shows_a_secret() {
        let hash = PasswordHash::parse(HASH).unwrap();
        let secret = TotpSecret::parse("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(format!("{hash:?} {secret:?}"), "PasswordHash TotpSecret");
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("alice");
        std::fs::write(&file, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        for (mode, accepted) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(TotpSecret::read(&file).is_ok(), accepted, "{mode:o}");
        }
        assert!(TotpSecret::read(&dir.path().join("nobody")).is_err());
    }
}
