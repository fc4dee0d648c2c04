//! What a target answers.

use super::wire::{Fields, attribute, kind};

/// The type bits of a file's mode, and a directory's.
const FILE_TYPE: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;

/// An answer, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    Status(u32),
    Handle(&'a [u8]),
    /// The data follows.
    Data {
        length: u32,
    },
    /// The first name.
    Name(&'a [u8]),
    Attributes {
        file_type: Type,
    },
    Extended,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    /// It may be a directory.
    Any,
    Directory,
    Other,
}

/// Reads an answer behind its length: its number and what it says; `None` where its fields do not fit, or it is none.
pub(super) fn read(packet: &[u8]) -> Option<(u32, Reply<'_>)> {
    let mut fields = Fields(packet);
    let (kind, id) = (fields.byte()?, fields.number()?);
    let reply = match kind {
        kind::STATUS => Reply::Status(fields.number()?),
        kind::HANDLE => Reply::Handle(fields.string()?),
        kind::DATA => Reply::Data {
            length: fields.number()?,
        },
        kind::NAME => match fields.number()? {
            0 => Reply::Name(b""),
            _ => Reply::Name(fields.string()?),
        },
        kind::ATTRS => Reply::Attributes {
            file_type: file_type(&mut fields)?,
        },
        kind::EXTENDED_REPLY => Reply::Extended,
        _ => return None,
    };
    Some((id, reply))
}

/// The type bits of the mode in attributes. Where they say nothing of it, a file may be of any type.
fn file_type(fields: &mut Fields<'_>) -> Option<Type> {
    let flags = fields.number()?;
    if flags & attribute::SIZE != 0 {
        fields.long()?;
    }
    if flags & attribute::OWNER != 0 {
        fields.long()?;
    }
    if flags & attribute::PERMISSIONS == 0 {
        return Some(Type::Any);
    }
    Some(match fields.number()? & FILE_TYPE {
        0 => Type::Any,
        DIRECTORY => Type::Directory,
        _ => Type::Other,
    })
}
