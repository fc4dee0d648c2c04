//! The numbers of SFTP version 3 (draft-ietf-secsh-filexfer-02), and reading and writing its fields.

use bytes::Bytes;

/// The version that is spoken.
pub(super) const VERSION_3: u32 = 3;

/// Types of packets.
pub(super) mod kind {
    pub(in crate::sftp) const INIT: u8 = 1;
    pub(in crate::sftp) const VERSION: u8 = 2;
    pub(in crate::sftp) const OPEN: u8 = 3;
    pub(in crate::sftp) const CLOSE: u8 = 4;
    pub(in crate::sftp) const READ: u8 = 5;
    pub(in crate::sftp) const WRITE: u8 = 6;
    pub(in crate::sftp) const LSTAT: u8 = 7;
    pub(in crate::sftp) const FSTAT: u8 = 8;
    pub(in crate::sftp) const SETSTAT: u8 = 9;
    pub(in crate::sftp) const FSETSTAT: u8 = 10;
    pub(in crate::sftp) const OPENDIR: u8 = 11;
    pub(in crate::sftp) const READDIR: u8 = 12;
    pub(in crate::sftp) const REMOVE: u8 = 13;
    pub(in crate::sftp) const MKDIR: u8 = 14;
    pub(in crate::sftp) const RMDIR: u8 = 15;
    pub(in crate::sftp) const REALPATH: u8 = 16;
    pub(in crate::sftp) const STAT: u8 = 17;
    pub(in crate::sftp) const RENAME: u8 = 18;
    pub(in crate::sftp) const READLINK: u8 = 19;
    pub(in crate::sftp) const SYMLINK: u8 = 20;
    pub(in crate::sftp) const STATUS: u8 = 101;
    pub(in crate::sftp) const HANDLE: u8 = 102;
    pub(in crate::sftp) const DATA: u8 = 103;
    pub(in crate::sftp) const NAME: u8 = 104;
    pub(in crate::sftp) const ATTRS: u8 = 105;
    pub(in crate::sftp) const EXTENDED: u8 = 200;
    pub(in crate::sftp) const EXTENDED_REPLY: u8 = 201;
}

/// Codes of a status.
pub(super) mod status {
    pub(in crate::sftp) const OK: u32 = 0;
    pub(in crate::sftp) const EOF: u32 = 1;
    pub(in crate::sftp) const NO_SUCH_FILE: u32 = 2;
    pub(in crate::sftp) const PERMISSION_DENIED: u32 = 3;
    pub(in crate::sftp) const FAILURE: u32 = 4;
    pub(in crate::sftp) const UNSUPPORTED: u32 = 8;
}

/// Flags of an open.
pub(super) mod open {
    pub(in crate::sftp) const READ: u32 = 1;
    pub(in crate::sftp) const WRITE: u32 = 2;
    pub(in crate::sftp) const APPEND: u32 = 4;
    pub(in crate::sftp) const CREATE: u32 = 8;
    pub(in crate::sftp) const TRUNCATE: u32 = 16;
}

/// Flags of attributes.
pub(super) mod attribute {
    pub(in crate::sftp) const SIZE: u32 = 1;
    pub(in crate::sftp) const OWNER: u32 = 2;
    pub(in crate::sftp) const PERMISSIONS: u32 = 4;
}

/// The fields of a packet, read one after the other; `None` where they end too early.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*first))
    }

    pub(super) fn long(&mut self) -> Option<u64> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_be_bytes(*first))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (string, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

/// A packet that is being written.
pub(super) struct Writing(Vec<u8>);

impl Writing {
    pub(super) fn new(kind: u8) -> Self {
        Self(vec![0, 0, 0, 0, kind])
    }

    pub(super) fn number(mut self, number: u32) -> Self {
        self.0.extend(number.to_be_bytes());
        self
    }

    /// A string; what no packet could hold is cut.
    pub(super) fn string(mut self, string: &[u8]) -> Self {
        let length = u32::try_from(string.len()).unwrap_or(u32::MAX);
        self.0.extend(length.to_be_bytes());
        self.0.extend(string.iter().take(length as usize));
        self
    }

    pub(super) fn packet(mut self) -> Bytes {
        let length = u32::try_from(self.0.len().saturating_sub(4)).unwrap_or(u32::MAX);
        for (place, byte) in self.0.iter_mut().zip(length.to_be_bytes()) {
            *place = byte;
        }
        self.0.into()
    }
}

/// The answer to a request that is not done.
pub(super) fn status_packet(id: u32, code: u32, message: &str) -> Bytes {
    let packet = Writing::new(kind::STATUS).number(id).number(code);
    packet.string(message.as_bytes()).string(b"en").packet()
}

/// A request with a number and a path.
pub(super) fn path_packet(kind: u8, id: u32, path: &[u8]) -> Bytes {
    Writing::new(kind).number(id).string(path).packet()
}
