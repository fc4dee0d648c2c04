//! The extensions of OpenSSH's server that are understood; no other one is passed on, or told of.

/// An extension's names in requests, and what it asks for.
const KNOWN: &[(&[u8], Extension)] = &[
    (b"posix-rename@openssh.com", Extension::Rename),
    (b"hardlink@openssh.com", Extension::Hardlink),
    (b"lsetstat@openssh.com", Extension::SetStatOfLink),
    (b"copy-data", Extension::Copy),
    (b"statvfs@openssh.com", Extension::Look),
    (b"fstatvfs@openssh.com", Extension::Look),
    (b"fsync@openssh.com", Extension::Look),
    (b"limits@openssh.com", Extension::Look),
    (b"expand-path@openssh.com", Extension::Look),
    (b"home-directory", Extension::Look),
    (b"users-groups-by-id@openssh.com", Extension::Look),
];

/// What an extended request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extension {
    /// Another path for a file, in place of what has that path.
    Rename,
    /// One more name for a file.
    Hardlink,
    /// Attributes of what a path names, be it a symbolic link.
    SetStatOfLink,
    /// A part of one open file into another.
    Copy,
    /// Nothing that changes anything.
    Look,
}

impl Extension {
    /// The extension of that name.
    pub(super) fn named(name: &[u8]) -> Option<Self> {
        let known = KNOWN.iter().find(|(known, _)| *known == name);
        known.map(|(_, extension)| *extension)
    }
}
