//! `[server]`, `[store]`, `[risk]` and `[confirm]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Fault, Table, Usage, Value};
use super::settings::{Algorithms, Confirm, ModelBounds, OnFailure, RecordingsOnFailure, Risk, Server, StoreSettings};
use super::{environment, values};
use crate::domain::Level;

/// `[server]`; `base` is the directory of the file.
pub(super) fn server(table: &Table<'_>, base: &Path) -> Option<Server> {
    let listen = table.read("listen", vec![([127, 0, 0, 1], 2222).into()], |value| {
        value.parse_list(values::listen_address)
    });
    let state_dir = state_dir(table, base);
    let state = state_dir.as_deref().unwrap_or(base);
    let host_keys = host_keys(table, state);
    let authorities = authorities(table, host_keys.as_deref().unwrap_or_default(), state);
    let algorithms = algorithms(table);
    let public_name = table.read("public_name", "localhost".into(), |value| {
        value.parse(values::host_name)
    });
    let login_grace = positive(table, "login_grace", 30);
    let max_unauthenticated = limit(table, "max_unauthenticated", 100);
    let max_unauthenticated_per_ip = limit(table, "max_unauthenticated_per_ip", 10);
    let max_abandoned_per_ip = limit(table, "max_abandoned_per_ip", 20);
    let max_auth_failures_per_ip = limit(table, "max_auth_failures_per_ip", 10);
    let auth_failures_window = positive(table, "auth_failures_window", 60);
    let auth_penalty_max = duration(table, "auth_penalty_max", 60);
    let max_sessions = limit(table, "max_sessions", 500);
    let max_sessions_per_user = limit(table, "max_sessions_per_user", 50);
    let idle_timeout = duration(table, "idle_timeout", 0);
    let keepalive = duration(table, "keepalive", 30);
    let tcp_keepalive = duration(table, "tcp_keepalive", 60);
    let drain_timeout = duration(table, "drain_timeout", 30);
    let accept_env = table.read("accept_env", environment::usual(), |value| {
        value.parse_list(environment::pattern)
    });
    let session_notice = table.read("session_notice", SESSION_NOTICE.into(), |value| {
        value.parse(values::notice)
    });
    table.finish(&[]);
    let (host_ca, user_ca) = authorities?;
    Some(Server {
        listen: not_empty(table, "listen", listen?)?,
        public_name: public_name?,
        state_dir: state_dir?,
        host_keys: not_empty(table, "host_keys", host_keys?)?,
        host_ca,
        user_ca,
        algorithms: algorithms?,
        login_grace: login_grace?,
        max_unauthenticated: max_unauthenticated?,
        max_unauthenticated_per_ip: max_unauthenticated_per_ip?,
        max_abandoned_per_ip: max_abandoned_per_ip?,
        max_auth_failures_per_ip: max_auth_failures_per_ip?,
        auth_failures_window: auth_failures_window?,
        auth_penalty_max: auth_penalty_max?,
        max_sessions: max_sessions?,
        max_sessions_per_user: max_sessions_per_user?,
        idle_timeout: idle_timeout?,
        keepalive: keepalive?,
        tcp_keepalive: tcp_keepalive?,
        drain_timeout: drain_timeout?,
        accept_env: accept_env?,
        session_notice: session_notice?,
    })
}

/// What a user who opens a shell is told first.
const SESSION_NOTICE: &str = "this session is recorded, and commands that may do harm are held until you confirm them";

fn state_dir(table: &Table<'_>, base: &Path) -> Option<PathBuf> {
    table.read("state_dir", base.to_owned(), |value| value.path(base, Usage::WriteInto))
}

fn host_keys(table: &Table<'_>, state_dir: &Path) -> Option<Vec<PathBuf>> {
    table.read("host_keys", vec![state_dir.join("ssh_host_ed25519_key")], |value| {
        value.paths(state_dir, Usage::Write)
    })
}

/// The keys of the host CA and the user CA. Whoever may vouch for hosts must not vouch for users, nor the other way round.
fn authorities(table: &Table<'_>, host_keys: &[PathBuf], state_dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let host_ca = authority(table, "host_ca", "host_ca_ed25519_key", state_dir, host_keys);
    let others = [host_keys, host_ca.as_slice()].concat();
    let user_ca = authority(table, "user_ca", "user_ca_ed25519_key", state_dir, &others);
    Some((host_ca?, user_ca?))
}

/// The key of a CA, which is none of the `others`.
fn authority(
    table: &Table<'_>,
    key: &'static str,
    default: &str,
    state_dir: &Path,
    others: &[PathBuf],
) -> Option<PathBuf> {
    table.read(key, state_dir.join(default), |value| {
        let path = value.path(state_dir, Usage::Write)?;
        if others.contains(&path) {
            let what = "names a key that stands for something else already";
            value.error(Fault::new(what, "give it a file of its own"));
            return None;
        }
        Some(path)
    })
}

fn algorithms(table: &Table<'_>) -> Option<Algorithms> {
    table.read("algorithms", Algorithms::Compatible, |value| {
        let choices = [("strict", Algorithms::Strict), ("compatible", Algorithms::Compatible)];
        value.parse(|text| values::choice(text, &choices))
    })
}

/// The bytes of a recording's file at most: days of a busy terminal.
const RECORDINGS_MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// For how long the record is kept, days.
const RETENTION_DAYS: u32 = 365;
/// As good as without end, days.
const MAX_DAYS: u32 = 36_500;

/// `[store]`; a relative path is taken from the state directory.
pub(super) fn store(table: &Table<'_>, state_dir: &Path) -> Option<StoreSettings> {
    let path = table.read("path", state_dir.join("opspilot.db"), |value| {
        value.path(state_dir, Usage::Write)
    });
    let on_failure = table.read("on_failure", OnFailure::Deny, |value| {
        let choices = [("deny", OnFailure::Deny), ("allow", OnFailure::Allow)];
        value.parse(|text| values::choice(text, &choices))
    });
    let recordings = table.read("recordings", Some(state_dir.join("recordings")), |value| {
        value.path_or_none(state_dir, Usage::WriteInto)
    });
    let recordings_max_bytes = table.read("recordings_max_bytes", Some(RECORDINGS_MAX_BYTES), |value| {
        value.whole().map(|bytes| (bytes > 0).then_some(bytes))
    });
    let recordings_on_failure = table.read("recordings_on_failure", RecordingsOnFailure::End, |value| {
        let choices = [
            ("end", RecordingsOnFailure::End),
            ("continue", RecordingsOnFailure::Continue),
        ];
        value.parse(|text| values::choice(text, &choices))
    });
    let backup_dir = table.read("backup_dir", None, |value| {
        value.path_or_none(state_dir, Usage::WriteInto)
    });
    let backup_every = positive(table, "backup_every", 86_400);
    let backup_keep = limit(table, "backup_keep", 7);
    let retention_days = days(table, "retention_days", RETENTION_DAYS);
    let recordings_retention_days = days(
        table,
        "recordings_retention_days",
        retention_days.unwrap_or(RETENTION_DAYS),
    );
    table.finish(&[]);
    Some(StoreSettings {
        path: path?,
        on_failure: on_failure?,
        recordings: recordings?,
        recordings_max_bytes: recordings_max_bytes?,
        recordings_on_failure: recordings_on_failure?,
        backup_dir: backup_dir?,
        backup_every: backup_every?,
        backup_keep: backup_keep?,
        retention_days: Some(retention_days?).filter(|days| *days > 0),
        recordings_retention_days: Some(recordings_retention_days?).filter(|days| *days > 0),
    })
}

/// A number of days; 0 for without end.
fn days(table: &Table<'_>, key: &'static str, default: u32) -> Option<u32> {
    table.read(key, default, |value| {
        let days = value.whole()?;
        Some(u32::try_from(days).map_or(MAX_DAYS, |days| days.min(MAX_DAYS)))
    })
}

/// The keys of `[risk]` that bound the forest. Below half, a level could be moved that is less probable than not.
fn model_bounds(table: &Table<'_>) -> Option<ModelBounds> {
    let measured = ModelBounds::default();
    let percent = |key, measured| {
        table.read(key, measured, |value| {
            let percent = u8::try_from(value.count()?)
                .ok()
                .filter(|percent| (50..=100).contains(percent));
            if percent.is_none() {
                value.error(Fault::new(
                    "is not from 50 to 100",
                    "give a probability in percent, as in 85",
                ));
            }
            percent.map(|percent| f64::from(percent) / 100.0)
        })
    };
    let raises_from = percent("model_raises_from", measured.raises_from);
    let lowers_from = percent("model_lowers_from", measured.lowers_from);
    let lowers = table.read("model_lowers", measured.lowers, |value| {
        let choices = [
            ("none", None),
            ("medium", Some(Level::Medium)),
            ("high", Some(Level::High)),
        ];
        value.parse(|text| values::choice(text, &choices))
    });
    Some(ModelBounds {
        raises_from: raises_from?,
        lowers_from: lowers_from?,
        lowers: lowers?,
    })
}

/// `[risk]`; `base` is the directory of the file.
pub(super) fn risk(table: &Table<'_>, base: &Path, state_dir: &Path) -> Option<Risk> {
    let rules = table.read("rules", vec![base.join("rules.toml")], |value| {
        value.paths(base, Usage::Read)
    });
    let model = table.read("model", Some(base.join("../models/risk.onnx")), |value| {
        value.path_or_none(base, Usage::Read)
    });
    let shadow_model = table.read("shadow_model", None, |value| value.path_or_none(base, Usage::Read));
    let bounds = model_bounds(table);
    table.finish(&[]);
    Some(Risk {
        rules: not_empty(table, "rules", rules?)?,
        model: model?,
        installed: Some(state_dir.join("models")),
        shadow_model: shadow_model?,
        bounds: bounds?,
    })
}

/// `[confirm]`.
pub(super) fn confirm(table: &Table<'_>) -> Option<Confirm> {
    let timeout = positive(table, "timeout", 120);
    let max_pending = limit(table, "max_pending", 20);
    let warn_stderr = table.read("warn_stderr", false, Value::flag);
    table.finish(&[]);
    Some(Confirm {
        timeout: timeout?,
        max_pending: max_pending?,
        warn_stderr: warn_stderr?,
    })
}

fn limit(table: &Table<'_>, key: &'static str, default: usize) -> Option<usize> {
    table.read(key, default, Value::count)
}

fn duration(table: &Table<'_>, key: &'static str, default: u64) -> Option<Duration> {
    table.read(key, Duration::from_secs(default), |value| value.parse(values::duration))
}

fn positive(table: &Table<'_>, key: &'static str, default: u64) -> Option<Duration> {
    table.read(key, Duration::from_secs(default), |value| {
        value.parse(values::positive_duration)
    })
}

fn not_empty<T>(table: &Table<'_>, key: &'static str, list: Vec<T>) -> Option<Vec<T>> {
    if list.is_empty() {
        let fault = Fault::new("is empty", "give at least one, or leave the key out for the default");
        table.get(key).map(|value| value.error(fault))?;
        return None;
    }
    Some(list)
}
