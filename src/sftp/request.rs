//! What a client asks for.

use super::extensions::Extension;
use super::wire::{Fields, attribute, kind};

/// A request, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request<'a> {
    Open {
        path: &'a [u8],
        flags: u32,
    },
    OpenDirectory,
    Close {
        handle: &'a [u8],
    },
    Read {
        handle: &'a [u8],
    },
    /// The data follows.
    Write {
        handle: &'a [u8],
        offset: u64,
    },
    /// Changes nothing.
    Look,
    Change(Change<'a>),
    SetStatOfOpen {
        handle: &'a [u8],
        sets_size: bool,
    },
    Copy {
        from: &'a [u8],
        to: &'a [u8],
    },
    /// Nobody knows what.
    Unknown,
}

/// What is done to what paths name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change<'a> {
    Remove(&'a [u8]),
    Rmdir(&'a [u8]),
    Mkdir(&'a [u8]),
    Rename {
        old: &'a [u8],
        new: &'a [u8],
    },
    /// OpenSSH's order of the two, which is not the draft's.
    Symlink {
        points_to: &'a [u8],
        link: &'a [u8],
    },
    Hardlink {
        old: &'a [u8],
        new: &'a [u8],
    },
    SetStat {
        path: &'a [u8],
        sets_size: bool,
        follows: bool,
    },
}

impl<'a> Change<'a> {
    /// Every path in it.
    pub(super) fn paths(&self) -> [&'a [u8]; 2] {
        match *self {
            Self::Remove(path) | Self::Rmdir(path) | Self::Mkdir(path) | Self::SetStat { path, .. } => [path, b""],
            Self::Rename { old, new } | Self::Hardlink { old, new } => [old, new],
            Self::Symlink { points_to, link } => [points_to, link],
        }
    }
}

/// Reads a request behind its length: its number and what it asks for; `None` where its fields do not fit.
pub(super) fn read(packet: &[u8]) -> Option<(u32, Request<'_>)> {
    let mut fields = Fields(packet);
    let (kind, id) = (fields.byte()?, fields.number()?);
    let request = match kind {
        kind::OPEN => Request::Open {
            path: fields.string()?,
            flags: fields.number()?,
        },
        kind::OPENDIR => Request::OpenDirectory,
        kind::CLOSE => Request::Close {
            handle: fields.string()?,
        },
        kind::READ => Request::Read {
            handle: fields.string()?,
        },
        kind::WRITE => Request::Write {
            handle: fields.string()?,
            offset: fields.long()?,
        },
        kind::FSETSTAT => Request::SetStatOfOpen {
            handle: fields.string()?,
            sets_size: sets_size(&mut fields)?,
        },
        kind::LSTAT | kind::FSTAT | kind::READDIR | kind::REALPATH | kind::STAT | kind::READLINK => Request::Look,
        kind::EXTENDED => extended(&mut fields)?,
        kind::REMOVE | kind::RMDIR | kind::MKDIR | kind::RENAME | kind::SYMLINK | kind::SETSTAT => {
            Request::Change(change(kind, &mut fields)?)
        }
        _ => Request::Unknown,
    };
    Some((id, request))
}

fn change<'a>(kind: u8, fields: &mut Fields<'a>) -> Option<Change<'a>> {
    Some(match kind {
        kind::REMOVE => Change::Remove(fields.string()?),
        kind::RMDIR => Change::Rmdir(fields.string()?),
        kind::MKDIR => Change::Mkdir(fields.string()?),
        kind::RENAME => Change::Rename {
            old: fields.string()?,
            new: fields.string()?,
        },
        kind::SYMLINK => Change::Symlink {
            points_to: fields.string()?,
            link: fields.string()?,
        },
        kind::SETSTAT => Change::SetStat {
            path: fields.string()?,
            sets_size: sets_size(fields)?,
            follows: true,
        },
        _ => return None,
    })
}

fn extended<'a>(fields: &mut Fields<'a>) -> Option<Request<'a>> {
    let change = match Extension::named(fields.string()?) {
        None => return Some(Request::Unknown),
        Some(Extension::Look) => return Some(Request::Look),
        Some(Extension::Copy) => {
            let (from, _offset, _length) = (fields.string()?, fields.long()?, fields.long()?);
            let to = fields.string()?;
            return Some(Request::Copy { from, to });
        }
        Some(Extension::Rename) => Change::Rename {
            old: fields.string()?,
            new: fields.string()?,
        },
        Some(Extension::Hardlink) => Change::Hardlink {
            old: fields.string()?,
            new: fields.string()?,
        },
        Some(Extension::SetStatOfLink) => Change::SetStat {
            path: fields.string()?,
            sets_size: sets_size(fields)?,
            follows: false,
        },
    };
    Some(Request::Change(change))
}

fn sets_size(attributes: &mut Fields<'_>) -> Option<bool> {
    Some(attributes.number()? & attribute::SIZE != 0)
}
