//! What an operand names, as far as its text can tell.

use super::Word;

/// The kind of place that an operand names.
///
/// Paths are compared after a lexical clean-up (`/tmp/../etc` is `/etc`); nothing is looked up. A word that is no path
/// (`nginx`, `5`) is [`Relative`](Self::Relative): what it means is its program's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OperandClass {
    /// The root directory, or a pattern over all that is in it.
    Root,
    /// Below `/etc`, `/usr`, `/bin`, `/lib`, `/proc`, ...: what the system consists of.
    System,
    /// Below `/boot` or `/efi`.
    Boot,
    /// A device that holds or is hardware: below `/dev`, without `/dev/null` and its like.
    Device,
    /// Below `/mnt`, `/media`, `/Volumes`: another file system, most likely.
    Mount,
    /// A home directory or below one.
    Home,
    /// Any other absolute path: `/srv`, `/var/lib`, `/opt`, ...
    Data,
    /// Below `/tmp`, `/var/tmp`, `/dev/shm`, or a device such as `/dev/null` that keeps nothing.
    Tmp,
    /// A relative path, or a word that is no path.
    Relative,
    /// A relative pattern (`*`, `*.log`).
    Glob,
    /// On another host: a URL, `host:path`, `user@host`.
    Remote,
    /// Not known before it runs.
    Opaque,
}

impl OperandClass {
    /// The class as patterns spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::System => "system",
            Self::Boot => "boot",
            Self::Device => "device",
            Self::Mount => "mount",
            Self::Home => "home",
            Self::Data => "data",
            Self::Tmp => "tmp",
            Self::Relative => "relative",
            Self::Glob => "glob",
            Self::Remote => "remote",
            Self::Opaque => "opaque",
        }
    }
}

/// Directories by class; the longest prefix decides, and what none of them holds is data.
const PLACES: &[(&str, OperandClass)] = &[
    ("/Applications", OperandClass::System),
    ("/Library", OperandClass::System),
    ("/System", OperandClass::System),
    ("/Users", OperandClass::Home),
    ("/Volumes", OperandClass::Mount),
    ("/bin", OperandClass::System),
    ("/boot", OperandClass::Boot),
    ("/dev", OperandClass::Device),
    ("/dev/fd", OperandClass::Tmp),
    ("/dev/full", OperandClass::Tmp),
    ("/dev/null", OperandClass::Tmp),
    ("/dev/random", OperandClass::Tmp),
    ("/dev/shm", OperandClass::Tmp),
    ("/dev/stderr", OperandClass::Tmp),
    ("/dev/stdin", OperandClass::Tmp),
    ("/dev/stdout", OperandClass::Tmp),
    ("/dev/tty", OperandClass::Tmp),
    ("/dev/urandom", OperandClass::Tmp),
    ("/dev/zero", OperandClass::Tmp),
    ("/dev/tcp", OperandClass::Remote),
    ("/dev/udp", OperandClass::Remote),
    ("/efi", OperandClass::Boot),
    ("/etc", OperandClass::System),
    ("/home", OperandClass::Home),
    ("/lib", OperandClass::System),
    ("/lib32", OperandClass::System),
    ("/lib64", OperandClass::System),
    ("/libx32", OperandClass::System),
    ("/media", OperandClass::Mount),
    ("/mnt", OperandClass::Mount),
    ("/nix", OperandClass::System),
    ("/private/tmp", OperandClass::Tmp),
    ("/proc", OperandClass::System),
    ("/root", OperandClass::Home),
    ("/run", OperandClass::System),
    ("/run/media", OperandClass::Mount),
    ("/sbin", OperandClass::System),
    ("/sys", OperandClass::System),
    ("/tmp", OperandClass::Tmp),
    ("/usr", OperandClass::System),
    ("/usr/src", OperandClass::Data),
    ("/var/run", OperandClass::System),
    ("/var/tmp", OperandClass::Tmp),
];

/// Directories that are the system's themselves, while what lies below them is data.
const SYSTEM_TOPS: &[&str] = &["/var", "/var/lib", "/opt", "/srv", "/var/log"];

/// The class of an operand, from its text alone.
#[must_use]
pub fn operand_class(word: &Word) -> OperandClass {
    let text = word.text.as_str();
    if let Some(class) = by_variable(text) {
        return class;
    }
    if text.starts_with('/') {
        return absolute_class(word);
    }
    if text == "~" || (text.starts_with('~') && !word.quoted) {
        return OperandClass::Home;
    }
    if is_remote(text) {
        return OperandClass::Remote;
    }
    match (word.constant, word.glob) {
        (false, _) => OperandClass::Opaque,
        (true, true) => OperandClass::Glob,
        (true, false) => OperandClass::Relative,
    }
}

/// Variables whose meaning every system shares.
fn by_variable(text: &str) -> Option<OperandClass> {
    let (name, rest) = leading_variable(text)?;
    let ends_cleanly = rest.is_empty() || rest.starts_with('/');
    match name {
        "HOME" if ends_cleanly => Some(OperandClass::Home),
        "TMPDIR" | "TMP" | "TEMP" if ends_cleanly => Some(OperandClass::Tmp),
        "PWD" if ends_cleanly => Some(OperandClass::Relative),
        _ => None,
    }
}

/// Splits `$NAME...` and `${NAME}...` into the name and what follows.
fn leading_variable(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix('$')?;
    if let Some(braced) = rest.strip_prefix('{') {
        return braced.split_once('}');
    }
    let end = rest
        .find(|character: char| character != '_' && !character.is_ascii_alphanumeric())
        .unwrap_or(rest.len());
    rest.split_at_checked(end)
}

fn absolute_class(word: &Word) -> OperandClass {
    let known = known_prefix(word);
    let path = clean(known);
    if path == "/" {
        return OperandClass::Root;
    }
    if SYSTEM_TOPS.contains(&path.as_str()) {
        return OperandClass::System;
    }
    PLACES
        .iter()
        .filter(|(place, _)| is_within(&path, place))
        .max_by_key(|(place, _)| place.len())
        .map_or(OperandClass::Data, |(_, class)| *class)
}

/// The directories of a path that are known: up to the component in which a pattern or an unknown expansion begins.
///
/// A pattern with a literal start keeps it: `/dev/sd*` is below `/dev`, `/us*` is one of the root's own entries.
fn known_prefix(word: &Word) -> &str {
    let open = |character: char| {
        (word.glob && matches!(character, '*' | '?' | '[')) || (!word.constant && matches!(character, '$' | '`'))
    };
    let text = word.text.as_str();
    let Some(first_open) = text.find(open) else { return text };
    let known = text.get(..first_open).unwrap_or_default();
    known.rfind('/').and_then(|slash| known.get(..=slash)).unwrap_or("/")
}

/// Lexical clean-up of an absolute path: no empty, `.` and `..` components.
fn clean(path: &str) -> String {
    let mut components: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop();
            }
            other => components.push(other),
        }
    }
    format!("/{}", components.join("/"))
}

fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `scheme://...`, `user@host...`, `host:path` (but not `C:` or a `a=b:c` list of options).
fn is_remote(text: &str) -> bool {
    if let Some((scheme, _)) = text.split_once("://") {
        return scheme != "file"
            && !scheme.is_empty()
            && scheme
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
    }
    let (host, has_path) = match text.split_once(':') {
        Some((host, path)) => (
            host,
            path.starts_with(['/', '~', '.']) || path.is_empty() || host.contains('@'),
        ),
        None => (text, false),
    };
    match host.split_once('@') {
        Some((user, name)) => is_host(user) && is_host(name),
        None => has_path && host.len() > 1 && is_host(host),
    }
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-+%[]".contains(&byte))
}
