//! `[[users]]`.

use std::path::Path;

use super::document::{Fault, Table, Usage, Value};
use super::keys::Authorized;
use super::names::Names;
use super::secrets::{PasswordHash, TotpSecret};
use super::settings::{AuthMethod, AuthorizedKey, TrustedCa, User, UserKind};
use super::{keys, values};
use crate::domain::Name;

/// One user; `base` is the directory of the file.
pub(super) fn user(table: &Table<'_>, names: &Names<'_>, base: &Path) -> Option<User> {
    let name = table
        .require("name", "give the user a name, as in name = \"alice\"")
        .and_then(|value| value.parse(values::name));
    let kind = table.read("kind", UserKind::Human, |value| {
        let choices = [("human", UserKind::Human), ("robot", UserKind::Robot)];
        value.parse(|text| values::choice(text, &choices))
    });
    let owner = table.read("owner", None, |value| owner(value, kind?, names).map(Some));
    let roles = table.read("roles", Vec::new(), |value| value.parse_list(values::name));
    let keys = authorized_keys(table, base);
    let password_hash = table.read("password_hash", None, |value| {
        value.parse(PasswordHash::parse).map(Some)
    });
    let totp_secret = table.read("totp_secret_file", None, |value| {
        let secret = TotpSecret::read(&value.path(base, Usage::Read)?);
        secret.map_err(|fault| value.error(fault)).ok().map(Some)
    });
    let require = table.read("require", Vec::new(), require);
    table.finish(&[]);
    let (authorized_keys, trusted_user_ca) = keys?;
    let user = User {
        name: name?,
        kind: kind?,
        owner: owner?,
        roles: roles?,
        authorized_keys,
        trusted_user_ca,
        password_hash: password_hash?,
        totp_secret: totp_secret?,
        require: require?,
    };
    methods_agree(table, &user).then_some(user)
}

fn owner(value: &Value<'_>, kind: UserKind, names: &Names<'_>) -> Option<Name> {
    value.parse(|text| {
        let name = values::name(text)?;
        if kind == UserKind::Human {
            return Err(Fault::new(
                "is given for a human",
                "leave it out, or set kind = \"robot\"",
            ));
        }
        if !names.users.contains(&text) {
            return Err(Fault::new(
                format!("there is no user `{text}`"),
                "name one of the [[users]] who is human",
            ));
        }
        if names.robots.contains(&text) {
            return Err(Fault::new(
                format!("`{text}` is a robot and cannot answer questions"),
                "name one of the [[users]] who is human",
            ));
        }
        Ok(name)
    })
}

/// The keys, and the CAs of certificates.
fn authorized_keys(table: &Table<'_>, base: &Path) -> Option<(Vec<AuthorizedKey>, Vec<TrustedCa>)> {
    let inline = table.read("authorized_keys", Vec::new(), |value| {
        value.parse_list(keys::authorized)
    });
    let from_file = table.read("authorized_keys_file", Vec::new(), |value| {
        let file = value.path(base, Usage::Read)?;
        keys::key_file(value, &file, keys::authorized)
    });
    let trusted = table
        .get("trusted_user_ca")
        .map_or(Some(Vec::new()), |value| trusted_cas(&value, base));
    let (mut authorized_keys, mut trusted_user_ca) = (Vec::new(), trusted?);
    for line in [inline?, from_file?].concat() {
        match line {
            Authorized::Key(key) => authorized_keys.push(key),
            Authorized::Ca(ca) => trusted_user_ca.push(ca),
        }
    }
    Some((authorized_keys, trusted_user_ca))
}

/// A list of keys, or the path of a file of them.
fn trusted_cas(value: &Value<'_>, base: &Path) -> Option<Vec<TrustedCa>> {
    if value.is_list() {
        return value.parse_list(keys::trusted_ca);
    }
    if value.text()?.split_whitespace().next().is_some_and(keys::is_key_type) {
        value.error(Fault::new(
            "is a key, where a path is expected",
            "put it in a list: [\"ssh-ed25519 AAAA...\"]",
        ));
        return None;
    }
    let file = value.path(base, Usage::Read)?;
    keys::key_file(value, &file, keys::trusted_ca)
}

fn require(value: &Value<'_>) -> Option<Vec<AuthMethod>> {
    let choices = [
        ("publickey", AuthMethod::PublicKey),
        ("password", AuthMethod::Password),
        ("totp", AuthMethod::Totp),
    ];
    let methods = value.parse_list(|text| values::choice(text, &choices))?;
    let repeats = methods
        .iter()
        .enumerate()
        .any(|(index, method)| methods.iter().skip(index + 1).any(|other| other == method));
    let fault = match methods.first() {
        None => Some(Fault::new(
            "is empty",
            "name a method, or leave the key out: then any one will do",
        )),
        Some(AuthMethod::Totp) => Some(Fault::new(
            "begins with totp, whose codes can be guessed",
            "name another method before it: [\"publickey\", \"totp\"]",
        )),
        Some(_) if repeats => Some(Fault::new("names a method twice", "name it once")),
        Some(_) => None,
    };
    match fault {
        Some(fault) => {
            value.error(fault);
            None
        }
        None => Some(methods),
    }
}

/// Refuses a method that is required and cannot be done, and one that is there and would never be asked for.
fn methods_agree(table: &Table<'_>, user: &User) -> bool {
    let has_key = !user.authorized_keys.is_empty() || !user.trusted_user_ca.is_empty();
    let has_password = user.password_hash.is_some();
    if !has_key && !has_password {
        let fault = Fault::new(
            "no key is given: this user cannot log in",
            "add the line of a .pub file",
        );
        table.warn("authorized_keys", fault);
    }
    let methods = [
        (AuthMethod::PublicKey, "publickey", "authorized_keys", has_key),
        (AuthMethod::Password, "password", "password_hash", has_password),
        (AuthMethod::Totp, "totp", "totp_secret_file", user.totp_secret.is_some()),
    ];
    let disagreements = methods.into_iter().filter_map(|(method, name, key, is_there)| {
        let is_required = user.require.contains(&method);
        let any_will_do = user.require.is_empty() && method != AuthMethod::Totp;
        disagreement(name, key, is_required, is_there, any_will_do)
    });
    let noted = disagreements.map(|(key, fault)| match table.get(key) {
        Some(value) => value.error(fault),
        None => table.error(key, fault),
    });
    noted.count() == 0
}

/// What is wrong about one method, with the key that it is wrong at.
fn disagreement(
    name: &str,
    key: &'static str,
    is_required: bool,
    is_there: bool,
    any_will_do: bool,
) -> Option<(&'static str, Fault)> {
    match (is_required, is_there) {
        (true, false) => {
            let what = format!("names {name}, but {key} is not given");
            Some(("require", Fault::new(what, format!("give {key}, or take {name} out"))))
        }
        (false, true) if !any_will_do => {
            let what = format!("is given, but {name} is never asked for");
            Some((
                key,
                Fault::new(what, format!("add {name} to require, or take {key} out")),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::{Config, ConfigErrors, Restrictions};

    const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFNfb4s4Kg1Oc0d2GK7PHdXL+u2wHcA/0vJajD9mjlzY";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGEo4HKuzJaWry35qGpsqY20qQDVtdhmdpMPvomNWykW";
    const HASH: &str =
        "$argon2id$v=19$m=7168,t=5,p=1$MDEyMzQ1Njc4OWFiY2RlZg$2Ek5zMZVGrFVTlHZZgywf+fd0fS6/y+DB3Z5fAX1+zM";

    fn parsed(dir: &Path, lines: &str) -> Result<Config, ConfigErrors> {
        Config::parse(&format!("[[users]]\nname = \"alice\"\n{lines}\n"), &dir.join("x.toml"))
    }

    fn alice(lines: &str) -> User {
        parsed(Path::new("/"), lines).unwrap().users.remove(0)
    }

    #[test]
    fn a_line_with_options_is_a_key_with_conditions_or_a_ca() {
        let user = alice(&format!(
            "authorized_keys = ['{ONE}', 'restrict,pty,from=\"10.0.0.0/8\" {OTHER} a comment', 'cert-authority {OTHER}']"
        ));
        let [plain, restricted] = user.authorized_keys.as_slice() else {
            panic!("two keys")
        };
        assert_eq!(plain.conditions.restrictions, Restrictions::default());
        assert!(restricted.conditions.restrictions.no_agent_forwarding && !restricted.conditions.restrictions.no_pty);
        assert_eq!(user.trusted_user_ca.len(), 1);
    }

    #[test]
    fn a_fido_key_is_a_key_unless_a_pin_is_required() {
        const FIDO: &str = "sk-ssh-ed25519@openssh.com \
                            AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIFNfb4s4Kg1Oc0d2GK7PHdXL+u2wHcA/0vJajD9mjlzYAAAABHNzaDo=";
        let authorized = |options: &str| {
            parsed(Path::new("/"), &format!("authorized_keys = ['{options}{FIDO}']")).map(|config| config.users.len())
        };
        assert_eq!(authorized(""), Ok(1));
        assert_eq!(authorized("no-touch-required "), Ok(1));
        assert!(
            authorized("verify-required ").unwrap_err().problems()[0]
                .remedy
                .contains("PIN")
        );
    }

    #[test]
    fn of_two_lines_with_one_key_the_first_that_holds_counts() {
        let user = alice(&format!(
            "authorized_keys = ['from=\"10.0.0.1\" {ONE}', 'no-pty,from=\"10.*\" {ONE}', 'expiry-time=\"20200101Z\" {OTHER}']"
        ));
        let key = |line: &str| crate::config::keys::public_key(line).unwrap().key_data().clone();
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let no_pty = |key: &_, address: [u8; 4]| {
            let found = user.authorized_key(key, address.into(), now);
            found.map(|found| found.conditions.restrictions.no_pty)
        };
        assert_eq!(no_pty(&key(ONE), [10, 0, 0, 1]), Some(false));
        assert_eq!(no_pty(&key(ONE), [10, 0, 0, 2]), Some(true));
        assert_eq!(no_pty(&key(ONE), [192, 0, 2, 1]), None);
        assert_eq!(no_pty(&key(OTHER), [10, 0, 0, 1]), None, "expired");
    }

    #[test]
    fn cas_come_from_a_list_or_a_file_whose_faults_have_their_lines() {
        assert_eq!(
            alice(&format!("trusted_user_ca = ['{ONE}', '{OTHER}']"))
                .trusted_user_ca
                .len(),
            2
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("ca"), format!("# the CA\n{ONE}\n")).unwrap();
        let from_file = parsed(dir.path(), "trusted_user_ca = 'ca'").unwrap();
        assert_eq!(from_file.users[0].trusted_user_ca.len(), 1);
        assert_eq!(
            from_file.users[0].authorized_keys.len(),
            0,
            "a CA is no key to log in with"
        );
        std::fs::write(dir.path().join("ca"), format!("{ONE}\ncert-authority {OTHER}\n")).unwrap();
        let errors = parsed(dir.path(), "trusted_user_ca = 'ca'").unwrap_err();
        let place = (errors.problems()[0].file.clone(), errors.problems()[0].line);
        assert_eq!(place, (dir.path().join("ca"), Some(2)));
    }

    #[test]
    fn a_password_and_codes_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret");
        std::fs::write(&secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").unwrap();
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
        let lines = format!("password_hash = '{HASH}'\ntotp_secret_file = 'secret'\nrequire = ['password', 'totp']");
        let config = parsed(dir.path(), &lines).unwrap();
        assert_eq!(config.users[0].require, [AuthMethod::Password, AuthMethod::Totp]);
        assert!(config.users[0].password_hash.is_some() && config.users[0].totp_secret.is_some());

        // Without the requirement, the codes would never be asked for.
        let errors = parsed(dir.path(), "totp_secret_file = 'secret'").unwrap_err();
        assert!(errors.problems()[0].what.contains("never asked for"), "{errors}");
        assert_eq!(errors.problems()[0].line, Some(3));
        let lines = format!("password_hash = '{HASH}'\nauthorized_keys = ['{ONE}']\nrequire = ['publickey']");
        let errors = parsed(dir.path(), &lines).unwrap_err();
        assert_eq!(errors.problems()[0].key.as_deref(), Some("users[0].password_hash"));
    }

    #[test]
    fn who_has_nothing_to_log_in_with_is_warned_of() {
        let is_warned_of = |lines: &str| {
            let warnings = parsed(Path::new("/"), lines).unwrap().warnings;
            warnings.iter().any(|warning| warning.what.contains("cannot log in"))
        };
        assert!(is_warned_of(""));
        assert!(!is_warned_of(&format!("password_hash = '{HASH}'")));
        assert!(!is_warned_of(&format!("trusted_user_ca = ['{ONE}']")));
    }
}
