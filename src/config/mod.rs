//! TOML to typed settings: what an admin wrote, parsed once, with file, line, key and remedy for every fault.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod credentials;
mod destination;
mod document;
mod environment;
mod error;
mod files;
mod glob;
mod http;
mod impact;
mod keys;
mod known_hosts;
mod learning;
mod names;
mod options;
mod path_pattern;
mod policies;
mod secret_file;
mod secrets;
mod sections;
mod settings;
mod shipping;
mod similar;
mod sources;
mod targets;
mod users;
mod values;

pub use credentials::{directory as credentials_directory, is_credential};
pub use document::{NamedPath, Usage};
pub use environment::{accepts_variable, may_be_set};
pub use error::{ConfigErrors, Problem};
pub use glob::glob_matches;
pub use http::{Http, HttpAddress, HttpTls};
pub use keys::LEAST_RSA_BITS;
pub use known_hosts::{HostTrust, KnownHostsError};
pub use learning::{Learning, Window};
pub use path_pattern::PathPattern;
pub use secret_file::{SecretFileError, read_secret};
pub use secrets::{PasswordHash, TotpSecret};
pub use settings::{
    Address, Algorithms, AuthMethod, AuthorizedKey, Conditions, Config, Confirm, FileRule, HostKeys, LoginWith,
    ModelBounds, OnFailure, Policy, ProbeMode, RecordingsOnFailure, Restrictions, Risk, Server, ShellGate,
    StoreSettings, Target, TrustedCa, User, UserKind,
};
pub use shipping::{Framing, Ship, ShipTo, Syslog, Tls, Transport};
pub use sources::Sources;
pub use values::AddressError;

use document::{Fault, Report, Table};
use names::{Names, refuse_repeated};

/// The file that is read where none is given, below the working directory, and the one where that does not exist.
const DEFAULT_FILES: [&str; 2] = ["config/opspilot.toml", "/etc/opspilot/opspilot.toml"];

/// A length of time as the configuration spells it: a whole number and `s`, `m`, `h` or `d`.
///
/// # Errors
/// What is wrong with the text, and how it must look.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    values::positive_duration(text).map_err(|fault| format!("{}: {}", fault.what, fault.remedy))
}

/// The configuration file that is meant: the one given, or the first default that exists.
///
/// # Errors
/// None was given and neither default exists.
pub fn locate(given: Option<&Path>) -> Result<PathBuf, ConfigErrors> {
    let defaults = DEFAULT_FILES.map(Path::new);
    given
        .or_else(|| defaults.into_iter().find(|file| file.is_file()))
        .map(Path::to_owned)
        .ok_or_else(|| {
            Problem {
                file: DEFAULT_FILES[0].into(),
                line: None,
                key: None,
                what: format!("no configuration: neither this file nor {} exists", DEFAULT_FILES[1]),
                remedy: "name one with -c FILE, or write one with `opspilot init DIR`".into(),
            }
            .into()
        })
}

impl Config {
    /// Reads a configuration from a file.
    ///
    /// # Errors
    /// The file, or one that it names, cannot be read; or see [`Config::parse`].
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::parse(&read(path)?, path)
    }

    /// Parses a configuration as if it stood in `file`; reads nothing but the small key files that it names.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as it can be found in one go.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigErrors> {
        let report = Report::new(file, text);
        let config = report.parse().and_then(|root| {
            let table = Table::root(&report, root.get_ref());
            config(&table, file)
        });
        let found = report.finish()?;
        // Whatever is missing has been noted as an error, and that has been returned: this closes the door all the same.
        let config = config.ok_or_else(|| unexplained(file))?;
        Ok(Self {
            warnings: found.warnings,
            places: found.places,
            ..config
        })
    }

    /// A problem with what `key` (`targets[0].identity`) names, found by whoever used it: at the key's line where it is given.
    #[must_use]
    pub fn problem(&self, key: &str, what: impl Into<String>, remedy: impl Into<String>) -> Problem {
        Problem {
            file: self.file.clone(),
            line: self.places.get(key).copied(),
            key: Some(key.to_owned()),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

/// The paths that the configuration in a file names, whatever else is wrong with it.
///
/// # Errors
/// The file cannot be read.
pub fn named_paths(file: &Path) -> Result<Vec<NamedPath>, ConfigErrors> {
    let text = read(file)?;
    let report = Report::new(file, &text);
    let root = report.parse();
    let table = root.as_ref().map(|root| Table::root(&report, root.get_ref()));
    table.and_then(|table| config(&table, file));
    Ok(report.named_paths())
}

fn read(file: &Path) -> Result<String, ConfigErrors> {
    keys::read_small(file).map_err(|what| {
        Problem {
            file: file.to_owned(),
            line: None,
            key: None,
            what,
            remedy: "check the path given with -c, and that this user may read the file".into(),
        }
        .into()
    })
}

fn unexplained(file: &Path) -> Problem {
    Problem {
        file: file.to_owned(),
        line: None,
        key: None,
        what: "cannot be used, and opspilot cannot say why".into(),
        remedy: "please report this file, without its secrets".into(),
    }
}

fn config(root: &Table<'_>, file: &Path) -> Option<Config> {
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let base = file.parent().unwrap_or(&file);
    let server = sections::server(&root.table("server"), base);
    let state_dir = server.as_ref().map_or(base, |server| &server.state_dir);
    let store = sections::store(&root.table("store"), state_dir);
    let risk = sections::risk(&root.table("risk"), base, state_dir);
    let learning = learning::learning(&root.table("learning"), base);
    let confirm = sections::confirm(&root.table("confirm"));
    let impact = impact::impact(&root.table("impact"));
    let ships = root.tables("ship");
    let http = http::http(&root.table("http"), base, state_dir);
    let (users, targets, policies) = (root.tables("users"), root.tables("targets"), root.tables("policies"));
    root.finish(&[]);
    refuse_repetitions(&users, &targets, &policies);
    refuse_repeated(&ships, &["name"], "place");
    let names = Names::gather(&users, &targets);
    let users = all(&users, |table| users::user(table, &names, base));
    let targets = all(&targets, |table| targets::target(table, base));
    let rules = all(&policies, |table| policies::policy(table, &names));
    let ship = all(&ships, |table| shipping::ship(table, base));
    if policies.is_empty() {
        root.warn(
            "policies",
            Fault::new("none is given: everything is denied", "add a [[policies]] table"),
        );
    }
    Some(Config {
        server: server?,
        store: store?,
        risk: risk?,
        learning: learning?,
        confirm: confirm?,
        impact: impact?,
        ship: ship?,
        http: http?,
        users: users?,
        targets: targets?,
        policies: rules?,
        warnings: Vec::new(),
        places: BTreeMap::new(),
        file,
    })
}

fn refuse_repetitions(users: &[Table<'_>], targets: &[Table<'_>], policies: &[Table<'_>]) {
    refuse_repeated(users, &["name"], "user");
    refuse_repeated(targets, &["name", "aliases"], "target");
    refuse_repeated(policies, &["name"], "policy");
}

/// What `parse` makes of every table, so that each one's faults are noted; `None` where one has any.
fn all<'d, T>(tables: &[Table<'d>], parse: impl Fn(&Table<'d>) -> Option<T>) -> Option<Vec<T>> {
    let parsed: Vec<_> = tables.iter().map(parse).collect();
    parsed.into_iter().collect()
}

#[cfg(test)]
mod tests;
