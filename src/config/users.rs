//! `[[users]]`.

use std::path::Path;

use russh::keys::PublicKey;

use super::document::{Fault, Table, Value};
use super::names::Names;
use super::settings::{User, UserKind};
use super::{keys, values};
use crate::domain::Name;

/// Keys that are documented and not there yet.
const PLANNED: &[&str] = &["trusted_user_ca", "password_hash", "totp_secret_file", "require"];

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
    let authorized_keys = authorized_keys(table, base);
    table.finish(PLANNED);
    Some(User {
        name: name?,
        kind: kind?,
        owner: owner?,
        roles: roles?,
        authorized_keys: authorized_keys?,
    })
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

fn authorized_keys(table: &Table<'_>, base: &Path) -> Option<Vec<PublicKey>> {
    let inline = table.read("authorized_keys", Vec::new(), |value| {
        value.parse_list(keys::public_key)
    });
    let from_file = table.read("authorized_keys_file", Vec::new(), |value| {
        let file = value.parse(values::path(base))?;
        keys::authorized_keys_file(value, &file)
    });
    let all = [inline?, from_file?].concat();
    if all.is_empty() {
        table.warn(
            "authorized_keys",
            Fault::new(
                "no key is given: this user cannot log in",
                "add the line of a .pub file",
            ),
        );
    }
    Some(all)
}
