//! `[[targets]]`.

use std::collections::BTreeMap;
use std::path::Path;

use super::document::{Fault, Table, Value};
use super::settings::{Address, HostKeys, ProbeMode, ShellGate, Target};
use super::{keys, values};

/// Keys that are documented and not there yet.
const PLANNED: &[&str] = &["agent", "certificate", "password_file"];

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
    let identity = table
        .require(
            "identity",
            "name the private key to log in with, as in identity = \"keys/target\"",
        )
        .and_then(|value| value.parse(values::path(base)));
    let host_keys = host_keys(table, address.as_ref(), base);
    let labels = labels(table);
    let shell_gate = table.read("shell_gate", ShellGate::Auto, |value| value.parse(shell_gate));
    let probe = table.read("probe", ProbeMode::Auto, |value| {
        let choices = [("auto", ProbeMode::Auto), ("off", ProbeMode::Off)];
        value.parse(|text| values::choice(text, &choices))
    });
    table.finish(PLANNED);
    Some(Target {
        name: name?,
        aliases: aliases?,
        address: address?,
        login: login?,
        logins: logins?,
        identity: identity?,
        host_keys: host_keys?,
        labels: labels?,
        shell_gate: shell_gate?,
        probe: probe?,
    })
}

fn host_keys(table: &Table<'_>, address: Option<&Address>, base: &Path) -> Option<HostKeys> {
    match (table.get("host_key"), table.get("known_hosts")) {
        (Some(pinned), None) => pinned_keys(pinned),
        (None, Some(file)) => known_hosts(&file, address?, base),
        (Some(_), Some(file)) => {
            file.error(Fault::new("is given beside host_key", "keep one of the two"));
            None
        }
        (None, None) => {
            let remedy =
                "give the line that `ssh-keyscan` prints for it, without the host name, once you have compared it";
            table.error("host_key", Fault::new("is missing, and known_hosts too", remedy));
            None
        }
    }
}

fn pinned_keys(value: Value<'_>) -> Option<HostKeys> {
    let values = value.one_or_more()?;
    let parsed: Vec<_> = values.iter().map(|value| value.parse(keys::public_key)).collect();
    let pinned: Vec<_> = parsed.into_iter().collect::<Option<_>>()?;
    Some(HostKeys::Pinned(pinned))
}

fn known_hosts(value: &Value<'_>, address: &Address, base: &Path) -> Option<HostKeys> {
    value.parse(|text| {
        let file = values::path(base)(text)?;
        keys::known_hosts_file(&file, address)?;
        Ok(HostKeys::KnownHosts(file))
    })
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
