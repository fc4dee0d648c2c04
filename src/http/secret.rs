//! What a token looks like: `opspilot_ID_SECRET`, of which the record keeps the id and the digest of the secret.

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::store::TokenId;

/// By which people and scanners know one that lies about.
const PREFIX: &str = "opspilot_";

/// Characters of the secret: 32 bytes as base32.
const SECRET_LENGTH: usize = 52;

/// A secret of 256 random bits. So many need no salt, and no hash that takes its time.
pub struct Secret {
    /// What people call the token by.
    pub id: TokenId,
    /// What the record keeps of it.
    pub digest: [u8; 32],
    /// The token, to be shown once and never kept.
    pub token: Zeroizing<String>,
}

/// Makes a token; `None` where the system's randomness makes no id, which it does.
pub fn new_secret() -> Option<Secret> {
    let (mut id, mut secret) = ([0; 5], Zeroizing::new([0; 32]));
    rand::fill(&mut id);
    rand::fill(&mut secret[..]);
    let id: TokenId = BASE32_NOPAD.encode(&id).to_ascii_lowercase().parse().ok()?;
    let secret = Zeroizing::new(BASE32_NOPAD.encode(&secret[..]).to_ascii_lowercase());
    Some(Secret {
        digest: digest(&secret),
        token: Zeroizing::new(format!("{PREFIX}{id}_{}", *secret)),
        id,
    })
}

/// A token that somebody shows: which it claims to be, and the digest of its secret.
pub(super) struct Shown {
    pub(super) id: TokenId,
    digest: [u8; 32],
}

impl Shown {
    /// Reads a token; `None` where it is none.
    pub(super) fn parse(token: &str) -> Option<Self> {
        let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
        let id = id.parse().ok()?;
        (secret.len() == SECRET_LENGTH).then(|| Self {
            id,
            digest: digest(secret),
        })
    }

    /// Whether its secret is the one with this digest. Takes the same time wherever they differ.
    pub(super) fn has(&self, digest: &[u8; 32]) -> bool {
        self.digest.ct_eq(digest).into()
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_again_by_its_digest_alone() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        let shown = Shown::parse(&one.token).unwrap();
        assert_eq!(shown.id, one.id);
        assert!(shown.has(&one.digest));
        assert!(!shown.has(&other.digest));
        assert_ne!((&one.id, &one.token), (&other.id, &other.token));
    }

    #[test]
    fn what_is_no_token_is_not_looked_up() {
        let token = new_secret().unwrap().token;
        for bad in [
            "",
            "opspilot_",
            &token[1..],
            &token[..token.len() - 1],
            &format!("{}x", *token),
            &token.to_uppercase(),
            &token.replacen('_', "-", 2),
        ] {
            assert!(Shown::parse(bad).is_none(), "{bad}");
        }
    }
}
