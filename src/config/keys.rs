//! Public keys, as admins paste them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::document::{Fault, Value};
use super::options::{Options, split_line};
use super::settings::{AuthorizedKey, Conditions, TrustedCa};

/// The largest key file that is read, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// What a line of a key looks like.
const KEY_LINE: &str = "give one line as in a .pub file: \"ssh-ed25519 AAAA... comment\"";

/// The shortest RSA key, in bits.
pub const LEAST_RSA_BITS: u32 = 2048;

/// One public key in the form of a `.pub` file.
pub(super) fn public_key(line: &str) -> Result<PublicKey, Fault> {
    let key = PublicKey::from_openssh(line.trim()).map_err(|error| not_a_key(line, &error.to_string()))?;
    match key.key_data() {
        KeyData::Dsa(_) => Err(Fault::new("is a DSA key, which is broken", "use an ed25519 key")),
        KeyData::Rsa(rsa) if rsa.key_size() < LEAST_RSA_BITS => {
            let what = format!("is an RSA key of {} bits, fewer than {LEAST_RSA_BITS}", rsa.key_size());
            Err(Fault::new(what, "use an ed25519 key, or an RSA key of 3072 bits"))
        }
        _ => Ok(key),
    }
}

/// What a line of `authorized_keys` is about.
#[derive(Debug, Clone)]
pub(super) enum Authorized {
    /// The key itself.
    Key(AuthorizedKey),
    /// The certificates of a CA.
    Ca(TrustedCa),
}

/// One line of `authorized_keys`: a key, with options before it or none.
pub(super) fn authorized(line: &str) -> Result<Authorized, Fault> {
    let line = line.trim();
    if names_a_key(line) {
        let (key, conditions) = (public_key(line)?, Conditions::default());
        return Ok(Authorized::Key(AuthorizedKey { key, conditions }));
    }
    let (options, key) = split_line(line);
    if !names_a_key(key) {
        return Err(not_a_key(
            line,
            "no type of a key at the beginning or behind the options",
        ));
    }
    let Options {
        conditions,
        cert_authority,
        principals,
    } = Options::parse(options)?;
    let key = public_key(key)?;
    Ok(if cert_authority {
        Authorized::Ca(TrustedCa {
            key,
            principals,
            conditions,
        })
    } else {
        Authorized::Key(AuthorizedKey { key, conditions })
    })
}

/// The key of a CA, without options.
pub(super) fn trusted_ca(line: &str) -> Result<TrustedCa, Fault> {
    Ok(TrustedCa {
        key: public_key(line)?,
        principals: Vec::new(),
        conditions: Conditions::default(),
    })
}

/// Says what was pasted instead of a key, where that can be told.
fn not_a_key(line: &str, error: &str) -> Fault {
    if line.contains("PRIVATE KEY") {
        return Fault::new(
            "is a private key",
            "give the public half, from the .pub file, and consider the private one as disclosed",
        );
    }
    if line.split_whitespace().any(|word| word.contains("-cert-v01@")) {
        return Fault::new(
            "is a certificate",
            "give the key of the CA that signs certificates, in trusted_user_ca, or the key that it is for",
        );
    }
    let mut words = line.split_whitespace();
    let first_is_type = words.next().is_some_and(is_key_type);
    if !first_is_type && words.any(is_key_type) {
        return Fault::new(
            "has options or a host name before the key, which cannot stand here",
            "leave out what stands before the type of the key: \"ssh-ed25519 AAAA... comment\"",
        );
    }
    Fault::new(format!("is not a public key ({error})"), KEY_LINE)
}

fn names_a_key(line: &str) -> bool {
    line.split_whitespace().next().is_some_and(is_key_type)
}

pub(super) fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|prefix| word.starts_with(prefix))
}

/// What `parse` makes of every line of a file of keys; every line that is wrong is noted with its number.
pub(super) fn key_file<T>(value: &Value<'_>, file: &Path, parse: impl Fn(&str) -> Result<T, Fault>) -> Option<Vec<T>> {
    let text = read_small(file)
        .map_err(|what| value.error(Fault::new(what, "name a readable file of at most 1 MiB")))
        .ok()?;
    let lines = text.lines().enumerate();
    let keys = lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let parsed: Vec<_> = keys
        .map(|(index, line)| {
            let key = parse(line);
            key.map_err(|fault| value.error_in(file, Some(index + 1), fault)).ok()
        })
        .collect();
    parsed.into_iter().collect()
}

/// The text of a small file, or in words why it cannot be had.
pub(super) fn read_small(path: &Path) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(cannot)?;
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(cannot)?;
    if read as u64 > MAX_FILE {
        return Err(format!("{} is larger than 1 MiB", path.display()));
    }
    Ok(text)
}
