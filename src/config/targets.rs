//! `[[targets]]`.

use std::collections::BTreeMap;
use std::path::Path;

use russh::keys::PublicKey;

use super::document::{Fault, Table, Usage, Value};
use super::settings::{Address, HostKeys, LoginWith, ProbeMode, ShellGate, Target};
use super::{keys, known_hosts, values};

/// One target; `base` is the directory of the file.
pub(super) fn target(table: &Table<'_>, base: &Path) -> Option<Target> {
    let name = table
        .require("name", "give the target a name, as in name = \"web-1\"")
        .and_then(|value| value.parse(values::name));
    let aliases = table.read("aliases", Vec::new(), |value| value.parse_list(values::host_name));
    let address = table
        .require("address", "say where it listens, as in address = \"10.0.0.11:22\"")
        .and_then(|value| value.parse(values::target_address));
    let login = table
        .require("login", "say as whom to log in, as in login = \"deploy\"")
        .and_then(|value| value.parse(values::login));
    let logins = table.read("logins", Vec::new(), |value| value.parse_list(values::login));
    let login_with = login_with(table, base);
    let host_keys = host_keys(table, address.as_ref(), base);
    let labels = labels(table);
    let shell_gate = table.read("shell_gate", ShellGate::Auto, |value| value.parse(shell_gate));
    let probe = table.read("probe", ProbeMode::Auto, |value| {
        let choices = [("auto", ProbeMode::Auto), ("off", ProbeMode::Off)];
        value.parse(|text| values::choice(text, &choices))
    });
    table.finish(&[]);
    Some(Target {
        name: name?,
        aliases: aliases?,
        address: address?,
        login: login?,
        logins: logins?,
        login_with: login_with?,
        host_keys: host_keys?,
        labels: labels?,
        shell_gate: shell_gate?,
        probe: probe?,
    })
}

/// Exactly one way to log in.
fn login_with(table: &Table<'_>, base: &Path) -> Option<LoginWith> {
    let ways = ["identity", "agent", "certificate", "password_file"];
    let given: Vec<_> = ways
        .into_iter()
        .filter_map(|key| table.get(key).zip(Some(key)))
        .collect();
    // One that is switched off is as good as not given.
    let mut meant = given.iter().filter(|(value, _)| !value.is_off());
    let Some((value, key)) = meant.next() else {
        let remedy = "name the private key to log in with, as in identity = \"keys/target\", \
                      or give password_file, agent = true or certificate = true";
        table.error("identity", Fault::new("is missing", remedy));
        return None;
    };
    if let Some((another, _)) = meant.next() {
        another.error(Fault::new(format!("is given beside {key}"), "keep one of the two"));
        return None;
    }
    match *key {
        "agent" => value.flag().map(|_| LoginWith::Agent),
        "certificate" => value.flag().map(|_| LoginWith::Certificate),
        "password_file" => value.path(base, Usage::Read).map(LoginWith::PasswordFile),
        _ => value.path(base, Usage::Read).map(LoginWith::Identity),
    }
}

fn host_keys(table: &Table<'_>, address: Option<&Address>, base: &Path) -> Option<HostKeys> {
    let (pinned, authorities) = (table.get("host_key"), table.get("host_ca"));
    let file = table.get("known_hosts");
    if pinned.is_none() && authorities.is_none() {
        let Some(file) = file else {
            let remedy =
                "give the line that `ssh-keyscan` prints for it, without the host name, once you have compared it";
            table.error(
                "host_key",
                Fault::new("is missing, and known_hosts and host_ca too", remedy),
            );
            return None;
        };
        return known_hosts(&file, address?, base);
    }
    if let Some(file) = file {
        file.error(Fault::new("is given beside host_key or host_ca", "keep one of the two"));
        return None;
    }
    let (keys, authorities) = (keys_of(pinned), keys_of(authorities));
    Some(HostKeys::Pinned {
        keys: keys?,
        authorities: authorities?,
    })
}

/// The keys of a value that may not be there.
fn keys_of(value: Option<Value<'_>>) -> Option<Vec<PublicKey>> {
    let Some(value) = value else {
        return Some(Vec::new());
    };
    let parsed: Vec<_> = value
        .one_or_more()?
        .iter()
        .map(|value| value.parse(keys::public_key))
        .collect();
    parsed.into_iter().collect()
}

fn known_hosts(value: &Value<'_>, address: &Address, base: &Path) -> Option<HostKeys> {
    let file = value.path(base, Usage::Read)?;
    let known = known_hosts::check(&file, address);
    known.map_err(|fault| value.error(fault)).ok()?;
    Some(HostKeys::KnownHosts(file))
}

fn labels(table: &Table<'_>) -> Option<BTreeMap<String, String>> {
    let entries = table.table("labels").values();
    let parsed: Vec<_> = entries
        .into_iter()
        .map(|(key, value)| Some((key.to_owned(), value.parse(values::title)?)))
        .collect();
    parsed.into_iter().collect()
}

fn shell_gate(text: &str) -> Result<ShellGate, Fault> {
    let choices = [
        ("auto", ShellGate::Auto),
        ("hook", ShellGate::Hook),
        ("screen", ShellGate::Screen),
        ("off", ShellGate::Off),
    ];
    values::choice(text, &choices)
}
