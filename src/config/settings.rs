//! The settings as the daemon uses them: every path absolute, every key parsed, every name resolved.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use russh::keys::PublicKey;
use russh::keys::ssh_key::public::KeyData;

use super::error::Problem;
use super::http::Http;
use super::learning::Learning;
use super::path_pattern::PathPattern;
use super::secrets::{PasswordHash, TotpSecret};
use super::shipping::Ship;
use super::sources::Sources;
use crate::domain::{Channel, Decision, FileOperation, ImpactRules, Level, Name};

/// One whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// `[server]`.
    pub server: Server,
    /// `[store]`.
    pub store: StoreSettings,
    /// `[risk]`.
    pub risk: Risk,
    /// `[learning]`.
    pub learning: Learning,
    /// `[confirm]`.
    pub confirm: Confirm,
    /// `[impact]`.
    pub impact: ImpactRules,
    /// `[[ship]]`.
    pub ship: Vec<Ship>,
    /// `[http]`.
    pub http: Http,
    /// `[[users]]`.
    pub users: Vec<User>,
    /// `[[targets]]`.
    pub targets: Vec<Target>,
    /// `[[policies]]`, in order.
    pub policies: Vec<Policy>,
    /// What is allowed but hardly meant.
    pub warnings: Vec<Problem>,
    /// The line of every key that is given, by its path.
    pub(super) places: BTreeMap<String, usize>,
}

/// `[server]`: the listener and its limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// The name used in messages and `client-config`.
    pub public_name: String,
    /// Where the daemon keeps what it writes.
    pub state_dir: PathBuf,
    /// Host key files; created on first start.
    pub host_keys: Vec<PathBuf>,
    /// The key that signs host certificates for those who come by `ProxyJump`; created on first start.
    pub host_ca: PathBuf,
    /// The key that signs the bastion's user certificates for targets; created on first start.
    pub user_ca: PathBuf,
    /// What users' clients may choose from to exchange keys.
    pub algorithms: Algorithms,
    /// Time to authenticate in.
    pub login_grace: Duration,
    /// Connections that have not authenticated, in all.
    pub max_unauthenticated: usize,
    /// Connections that have not authenticated, from one address.
    pub max_unauthenticated_per_ip: usize,
    /// Connections from one address that may end without an attempt to authenticate before it is refused; one is forgiven
    /// each second.
    pub max_abandoned_per_ip: usize,
    /// Failures to authenticate that one address may have within the window before it is refused.
    pub max_auth_failures_per_ip: usize,
    /// The time in which those failures are forgotten again, evenly.
    pub auth_failures_window: Duration,
    /// The longest time that an address is refused for; zero for none.
    pub auth_penalty_max: Duration,
    /// Authenticated connections, in all.
    pub max_sessions: usize,
    /// Authenticated connections of one user.
    pub max_sessions_per_user: usize,
    /// A session without traffic for so long is ended; zero for never.
    pub idle_timeout: Duration,
    /// Interval of keepalives; zero for none.
    pub keepalive: Duration,
    /// Silence after which the kernel asks whether a user's end of the connection is there; zero for never.
    pub tcp_keepalive: Duration,
    /// How long SIGTERM waits for sessions to end.
    pub drain_timeout: Duration,
    /// Environment variables passed to targets; `*` at the end matches any rest.
    pub accept_env: Vec<String>,
    /// What a user who opens a shell is told first; empty for nothing.
    pub session_notice: String,
}

/// What users' clients may choose from to exchange keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithms {
    /// Post-quantum hybrids only: OpenSSH 9.9 and later.
    Strict,
    /// Curve25519 besides: OpenSSH 6.5 and later.
    Compatible,
}

/// `[store]`: the record.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// The database file.
    pub path: PathBuf,
    /// What happens to a command that cannot be recorded.
    pub on_failure: OnFailure,
    /// The directory of the recordings; `None` where nothing is recorded.
    pub recordings: Option<PathBuf>,
    /// Bytes of a recording's file beyond which it cannot be written; `None` for no limit.
    pub recordings_max_bytes: Option<u64>,
    /// What happens to a session whose recording cannot be written.
    pub recordings_on_failure: RecordingsOnFailure,
    /// Where scheduled backups are put; `None` for none.
    pub backup_dir: Option<PathBuf>,
    /// The time between two of them.
    pub backup_every: Duration,
    /// How many of them are kept, the newest.
    pub backup_keep: usize,
    /// Days for which the record is kept; `None` for without end.
    pub retention_days: Option<u32>,
    /// Days for which recordings are kept; `None` for without end.
    pub recordings_retention_days: Option<u32>,
}

/// What happens to a session whose recording cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingsOnFailure {
    /// It ends.
    End,
    /// It goes on without a recording.
    Continue,
}

/// What happens to a command that cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// It is not run.
    Deny,
    /// It is run all the same.
    Allow,
}

/// `[risk]`: what scores.
#[derive(Debug, Clone)]
pub struct Risk {
    /// Rule files, in order.
    pub rules: Vec<PathBuf>,
    /// The forest; `None` for rules only.
    pub model: Option<PathBuf>,
    /// The directory of installed models, the newest of which goes before `model`; `None` for none.
    pub installed: Option<PathBuf>,
    /// A forest whose level is recorded beside and changes nothing; `None` for none.
    pub shadow_model: Option<PathBuf>,
    /// How far the forest may move the rules' level.
    pub bounds: ModelBounds,
}

/// How far the forest may move the rules' level. A rule's critical is never lowered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelBounds {
    /// How probable a level or a graver one must be for the forest to raise to it, 0 to 1.
    pub raises_from: f64,
    /// How probable a lower level must be for the forest to lower by one, 0 to 1.
    pub lowers_from: f64,
    /// The gravest level of the rules that the forest may lower, high at most; `None` if none.
    pub lowers: Option<Level>,
}

impl Default for ModelBounds {
    /// As measured: see "From where the forest may raise" in models/REPORT.md.
    fn default() -> Self {
        Self {
            raises_from: 0.85,
            lowers_from: 0.9,
            lowers: Some(Level::Medium),
        }
    }
}

/// `[confirm]`: how questions are asked.
#[derive(Debug, Clone)]
pub struct Confirm {
    /// How long an answer is awaited.
    pub timeout: Duration,
    /// Questions of one user that may be open at once.
    pub max_pending: usize,
    /// Whether `warn` writes to standard error where there is no PTY.
    pub warn_stderr: bool,
}

/// `[[users]]`: somebody known to the bastion.
#[derive(Debug, Clone)]
pub struct User {
    /// Their name.
    pub name: Name,
    /// A person or a program.
    pub kind: UserKind,
    /// Who answers a robot's questions.
    pub owner: Option<Name>,
    /// Their roles.
    pub roles: Vec<Name>,
    /// The keys that they may log in with.
    pub authorized_keys: Vec<AuthorizedKey>,
    /// The CAs whose certificates they may log in with.
    pub trusted_user_ca: Vec<TrustedCa>,
    /// Their password.
    pub password_hash: Option<PasswordHash>,
    /// What makes their one-time codes.
    pub totp_secret: Option<TotpSecret>,
    /// The methods that must all be done, in this order; empty where any one will do.
    pub require: Vec<AuthMethod>,
}

impl User {
    /// What a key is to this user, where it is one of theirs and holds for that address at that time.
    #[must_use]
    pub fn authorized_key(&self, key: &KeyData, from: IpAddr, now: Timestamp) -> Option<&AuthorizedKey> {
        // All of them are compared, so that the time does not depend on which one it is.
        let admitting = self
            .authorized_keys
            .iter()
            .filter(|known| known.conditions.admit(from, now));
        admitting.fold(None, |found, known| {
            found.or((known.key.key_data() == key).then_some(known))
        })
    }

    /// The CAs of this user whose key this is, where they hold for that address at that time.
    pub fn trusted_cas(&self, key: &KeyData, from: IpAddr, now: Timestamp) -> impl Iterator<Item = &TrustedCa> {
        let is_meant = move |ca: &&TrustedCa| ca.key.key_data() == key && ca.conditions.admit(from, now);
        self.trusted_user_ca.iter().filter(is_meant)
    }
}

/// A way to prove who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// A key, or a certificate for one.
    PublicKey,
    /// A password.
    Password,
    /// A one-time code of an authenticator (RFC 6238).
    Totp,
}

/// A key that a user may log in with.
#[derive(Debug, Clone)]
pub struct AuthorizedKey {
    /// The key.
    pub key: PublicKey,
    /// When it holds, and for what.
    pub conditions: Conditions,
}

/// A CA whose certificates a user may log in with.
#[derive(Debug, Clone)]
pub struct TrustedCa {
    /// The CA's key. It is not a key to log in with.
    pub key: PublicKey,
    /// Principals, one of which a certificate must name; empty for the user's own name.
    pub principals: Vec<String>,
    /// When it holds, and for what.
    pub conditions: Conditions,
}

/// When and from where a key holds, and what it does not permit.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// The addresses that it holds for; `None` for all.
    pub from: Option<Sources>,
    /// The time that it holds until; `None` for ever.
    pub expires: Option<Timestamp>,
    /// What who logs in with it may not do.
    pub restrictions: Restrictions,
}

impl Conditions {
    /// Whether the key holds for that address at that time.
    #[must_use]
    pub fn admit(&self, from: IpAddr, now: Timestamp) -> bool {
        self.from.as_ref().is_none_or(|sources| sources.admit(from)) && self.expires.is_none_or(|end| now < end)
    }
}

/// What a connection may not do, whatever the policies say: by the options of a key, or by what a certificate lacks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// No pseudo-terminal.
    pub no_pty: bool,
    /// No forwarding of ports and sockets, in either direction.
    pub no_port_forwarding: bool,
    /// No forwarding of an agent.
    pub no_agent_forwarding: bool,
    /// No forwarding of X11.
    pub no_x11_forwarding: bool,
}

impl Restrictions {
    /// Everything that can be restricted.
    pub const ALL: Self = Self {
        no_pty: true,
        no_port_forwarding: true,
        no_agent_forwarding: true,
        no_x11_forwarding: true,
    };

    /// What either does not permit.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            no_pty: self.no_pty || other.no_pty,
            no_port_forwarding: self.no_port_forwarding || other.no_port_forwarding,
            no_agent_forwarding: self.no_agent_forwarding || other.no_agent_forwarding,
            no_x11_forwarding: self.no_x11_forwarding || other.no_x11_forwarding,
        }
    }
}

/// A person or a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserKind {
    /// A person, who can answer.
    Human,
    /// A program, whose questions are answered by its owner.
    Robot,
}

/// `[[targets]]`: a host behind the bastion.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its name.
    pub name: Name,
    /// Other names that a `ProxyJump` may ask for.
    pub aliases: Vec<String>,
    /// Where it listens.
    pub address: Address,
    /// The login used when none is asked for.
    pub login: String,
    /// Others that may be asked for.
    pub logins: Vec<String>,
    /// What the bastion logs in with.
    pub login_with: LoginWith,
    /// The host keys that are trusted.
    pub host_keys: HostKeys,
    /// Labels for policies to speak of.
    pub labels: BTreeMap<String, String>,
    /// How interactive lines are learnt.
    pub shell_gate: ShellGate,
    /// Whether the bastion may run its own read-only commands there.
    pub probe: ProbeMode,
}

impl Target {
    /// What people may call it in a `ProxyJump`: its name, its aliases and the host of its address.
    pub fn host_names(&self) -> impl Iterator<Item = &str> {
        let aliases = self.aliases.iter().map(String::as_str);
        let names = std::iter::once(self.name.as_str()).chain(aliases);
        names.chain(std::iter::once(self.address.host.as_str()))
    }
}

/// What the bastion logs in to a target with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginWith {
    /// The private key in this file.
    Identity(PathBuf),
    /// The agent that the user forwards.
    Agent,
    /// A certificate of the bastion's own user CA, made for the session.
    Certificate,
    /// The password in this file.
    PasswordFile(PathBuf),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

/// The host keys that are trusted for a target; there is no way to trust any.
#[derive(Debug, Clone)]
pub enum HostKeys {
    /// These very keys, and what these authorities certify; at least one of both.
    Pinned {
        /// The host's own keys.
        keys: Vec<PublicKey>,
        /// Keys of host CAs.
        authorities: Vec<PublicKey>,
    },
    /// What this `known_hosts` file says of the address.
    KnownHosts(PathBuf),
}

/// How interactive lines are learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShellGate {
    /// The hook where it can be placed, otherwise the screen.
    Auto,
    /// The hook or no shell at all.
    Hook,
    /// The screen, and never the hook.
    Screen,
    /// Neither; the session is `unknown`.
    Off,
}

/// Whether the bastion may run its own small read-only commands on a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeMode {
    /// Where a marker shows that an exec is run as given.
    Auto,
    /// Never.
    Off,
}

/// `[[policies]]`: one rule of who may run what where.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, for the record and for messages.
    pub name: String,
    /// Names of users, with `*` and `?`; `None` where not given.
    pub users: Option<Vec<String>>,
    /// Roles, one of which the user must have.
    pub roles: Option<Vec<String>>,
    /// Names of targets, with `*` and `?`.
    pub targets: Option<Vec<String>>,
    /// Labels that the target must have, all of them.
    pub labels: BTreeMap<String, String>,
    /// Logins, with `*` and `?`.
    pub logins: Option<Vec<String>>,
    /// What is allowed; anything else is denied.
    pub channels: Vec<Channel>,
    /// Where forwards may lead, and what they may listen on, as patterns in lower case; `None` for anywhere.
    pub forward_to: Option<Vec<String>>,
    /// The decision for each level, low to critical.
    pub decisions: [Decision; Level::ALL.len()],
    /// The decision for what could not be known.
    pub unknown: Decision,
    /// For how long the same command is not asked about again; zero for never.
    pub remember: Duration,
    /// Whether what it has confirmed may be answered over HTTP; never what is critical.
    pub http_answers: bool,
    /// What is decided about files apart, in order: the first that matches decides. None matches: what `channels` list is allowed.
    pub files: Vec<FileRule>,
}

/// `files` of a policy: what is decided about some files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// What is done to them; never empty.
    pub operations: Vec<FileOperation>,
    /// Absolute patterns for [`PathPattern`](super::PathPattern); never empty.
    pub paths: Vec<PathPattern>,
    /// The decision.
    pub action: Decision,
}
