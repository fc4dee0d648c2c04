//! Which files and directories a configuration needs.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, NamedPath, Problem, Usage, credentials_directory};

/// What the system's own libraries read: the resolver and its modules, the time zone, the certificates of CAs.
///
/// Whole directories, since what is in them is replaced by renaming, and a right to the old file says nothing of the new one.
/// What is secret in them is so by its owner and mode. In /proc, entries come and go with the kernel's memory; of other
/// processes, landlock shows no more than their user may see without tracing them.
const SYSTEM: [&str; 14] = [
    "/etc",
    "/proc",
    "/sys/devices",
    "/sys/fs/cgroup",
    "/dev/null",
    "/dev/urandom",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
    "/run/resolvconf",
    "/run/systemd/resolve",
];

/// Files and directories with all that is below them.
#[derive(Debug, Clone)]
pub struct Places {
    read: Vec<PathBuf>,
    written: Vec<PathBuf>,
}

impl Places {
    /// The places that a configuration needs. Directories to write into are made where they are missing.
    pub fn of(config: &Config, named: &[NamedPath]) -> Self {
        let named_for = |usage| named.iter().filter(move |named| named.usage == usage);
        let base = config.file.parent().into_iter();
        let risk = config.risk.rules.iter().chain(&config.risk.model);
        let read = SYSTEM.iter().map(PathBuf::from).chain([credentials_directory()]);
        let read = read.chain(base.map(Path::to_owned));
        let read = read.chain(
            risk.chain(named_for(Usage::Read).map(|named| &named.path))
                .flat_map(|path| around(path)),
        );
        let files = named_for(Usage::Write).flat_map(|named| around(&named.path));
        let directories = named_for(Usage::WriteInto).map(|named| made(&named.path));
        Self {
            read: read.collect(),
            written: files
                .chain(directories)
                .chain([config.server.state_dir.clone()])
                .collect(),
        }
    }

    /// These, and where `SQLite` sorts what is too large for memory (<https://www.sqlite.org/tempfiles.html>).
    #[must_use]
    pub fn and_temporary_files(mut self) -> Self {
        let given = ["SQLITE_TMPDIR", "TMPDIR"].into_iter().find_map(env::var_os);
        self.written
            .push(given.map_or_else(|| "/var/tmp".into(), PathBuf::from));
        self
    }

    /// What may be read.
    pub(super) fn read(&self) -> &[PathBuf] {
        &self.read
    }

    /// What may be read and written.
    pub(super) fn written(&self) -> &[PathBuf] {
        &self.written
    }

    /// What is named and lies elsewhere, as problems of `file`.
    pub(super) fn strangers(&self, file: &Path, named: &[NamedPath]) -> Vec<Problem> {
        let strangers = named.iter().filter(|named| !self.hold(named));
        strangers.map(|stranger| problem(file, stranger)).collect()
    }

    fn hold(&self, named: &NamedPath) -> bool {
        let path = real(&named.path);
        let mut places = self.written.iter().chain(match named.usage {
            Usage::Read => self.read.as_slice(),
            Usage::Write | Usage::WriteInto => &[],
        });
        places.any(|place| path.starts_with(real(place)))
    }
}

fn problem(file: &Path, stranger: &NamedPath) -> Problem {
    let path = stranger.path.display();
    Problem {
        file: file.to_owned(),
        line: Some(stranger.line),
        key: Some(stranger.key.clone()),
        what: format!("names {path}, which the running daemon has denied itself when it started"),
        remedy: "restart the daemon, or put it beside what the configuration named then".to_owned(),
    }
}

/// Where a file is found again once another was renamed to its place: the directory that it is named in, and the one that a
/// link there leads to. A directory is one itself.
fn around(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        return vec![path.to_owned()];
    }
    let places = [path.to_owned(), real(path)];
    let directory = |place: PathBuf| match place.parent() {
        Some(directory) if directory != Path::new("/") => directory.to_owned(),
        _ => place,
    };
    places.map(directory).into()
}

/// A directory to write into, once it is there. One that cannot be made is missed by who writes there, and said to be.
fn made(directory: &Path) -> PathBuf {
    if let Err(error) = DirBuilder::new().recursive(true).mode(0o700).create(directory) {
        tracing::warn!(directory = %directory.display(), %error, "cannot make a directory that the configuration names");
    }
    directory.to_owned()
}

/// A path without links, as far as it exists.
fn real(path: &Path) -> PathBuf {
    let existing = path
        .ancestors()
        .find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    existing.map_or_else(
        || path.to_owned(),
        |(ancestor, real)| real.join(path.strip_prefix(ancestor).unwrap_or(path)),
    )
}
