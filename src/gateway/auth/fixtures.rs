//! Users and keys for the tests of this room.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::public::KeyData;

use crate::config::{AuthMethod, Config, User};

/// The password of every user in these tests.
pub(super) const PASSWORD: &str = "correct horse";

/// Key number `number`.
pub(in crate::gateway) fn private_key(number: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[number; 32]);
    PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
}

/// The public half of [`private_key`].
pub(super) fn key(number: u8) -> KeyData {
    private_key(number).public_key().key_data().clone()
}

/// A user with key 1, [`PASSWORD`] and the secret of RFC 6238, who must do `require`.
pub(in crate::gateway) fn user(name: &str, require: &[AuthMethod]) -> User {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("secret");
    std::fs::write(&secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let line = private_key(1).public_key().to_openssh().unwrap();
    let text = format!(
        "[[users]]\nname = \"{name}\"\nauthorized_keys = [\"{line}\"]\ntotp_secret_file = \"secret\"\n\
         password_hash = \"$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2Ek5zMZVGrFVTlHZZgywf+fd0fS6/y+DB3Z5fAX1+zM\"\n\
         require = [\"publickey\", \"password\", \"totp\"]\n"
    );
    let config = Config::parse(&text, &dir.path().join("opspilot.toml")).unwrap();
    let user = config.users.into_iter().next().unwrap();
    User {
        require: require.to_vec(),
        ..user
    }
}
