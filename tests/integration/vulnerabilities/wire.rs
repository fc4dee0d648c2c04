//! SSH before it is encrypted, byte by byte (RFC 4253): what no library would send, from either side.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use crate::harness::DEADLINE;

/// Message numbers of RFC 4253 and RFC 5656.
pub(super) const IGNORE: u8 = 2;
pub(super) const KEXINIT: u8 = 20;
pub(super) const NEWKEYS: u8 = 21;
pub(super) const KEX_INIT: u8 = 30;
pub(super) const KEX_REPLY: u8 = 31;

/// How either side calls itself here, without the end of the line.
pub(super) const VERSION: &str = "SSH-2.0-hostile";

/// One connection, before any keys.
pub(super) struct Wire {
    stream: TcpStream,
}

impl From<TcpStream> for Wire {
    fn from(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { stream }
    }
}

impl Wire {
    /// Connects to a port of 127.0.0.1, and says nothing.
    pub(super) fn connect(port: u16) -> Self {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap().into()
    }

    /// Connects, and exchanges versions.
    pub(super) fn greeted(port: u16) -> Self {
        let mut wire = Self::connect(port);
        wire.greet();
        wire
    }

    /// Says the own version, and gives the other side's.
    pub(super) fn greet(&mut self) -> String {
        self.say(format!("{VERSION}\r\n").as_bytes());
        self.line().expect("the other side says its version")
    }

    /// Writes bytes as they are. That the other side has hung up shows when it is listened to.
    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap_or_default();
    }

    /// Sends a packet with this payload.
    pub(super) fn send(&mut self, payload: &[u8]) {
        // Four bytes of padding at least, up to a multiple of eight.
        let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
        let length = u32::try_from(1 + payload.len() + padding).unwrap();
        let mut packet = length.to_be_bytes().to_vec();
        packet.push(u8::try_from(padding).unwrap());
        packet.extend(payload);
        packet.resize(packet.len() + padding, 0);
        self.say(&packet);
    }

    /// The next line without its end; `None` where the connection has ended.
    pub(super) fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.extend(self.bytes(1)?);
        }
        Some(String::from_utf8(line).unwrap().trim_end().to_owned())
    }

    /// The payload of the next packet; `None` where the connection has ended.
    pub(super) fn packet(&mut self) -> Option<Vec<u8>> {
        let head = self.bytes(5)?;
        let length = usize::try_from(u32::from_be_bytes(head[..4].try_into().unwrap())).unwrap();
        let mut rest = self.bytes(length - 1)?;
        rest.truncate(length - 1 - usize::from(head[4]));
        Some(rest)
    }

    /// The payload of the next packet of this kind; `None` where the connection ends without one.
    pub(super) fn next(&mut self, kind: u8) -> Option<Vec<u8>> {
        std::iter::from_fn(|| self.packet()).find(|payload| payload.first() == Some(&kind))
    }

    /// Awaits the end of the connection, whatever comes before it.
    pub(super) fn await_end(&mut self) {
        while self.bytes(1).is_some() {}
    }

    /// Nothing within the deadline is a failure, for whatever must come or end.
    fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        let mut bytes = vec![0; count];
        match self.stream.read_exact(&mut bytes) {
            Ok(()) => Some(bytes),
            Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => panic!("nothing came and nothing ended"),
            Err(_) => None,
        }
    }
}

/// What one side offers, name by name.
#[derive(Clone, Copy)]
pub(super) struct Offer {
    pub(super) kex: &'static str,
    pub(super) compression: &'static str,
}

impl Offer {
    /// This key exchange, and everything else as an ordinary implementation has it.
    pub(super) fn of(kex: &'static str) -> Self {
        Self {
            kex,
            compression: "none",
        }
    }

    /// Its `SSH_MSG_KEXINIT`.
    pub(super) fn kexinit(self) -> Vec<u8> {
        let (cipher, mac) = ("aes128-gcm@openssh.com", "hmac-sha2-256-etm@openssh.com");
        let compression = self.compression;
        let lists = [
            self.kex,
            "ssh-ed25519",
            cipher,
            cipher,
            mac,
            mac,
            compression,
            compression,
            "",
            "",
        ];
        let mut payload = vec![KEXINIT];
        payload.extend([7; 16]);
        payload.extend(lists.iter().flat_map(|list| string(list.as_bytes())));
        payload.extend([0; 5]);
        payload
    }
}

/// The ten lists of names of an `SSH_MSG_KEXINIT`.
pub(super) fn names(kexinit: &[u8]) -> Vec<String> {
    let mut rest = &kexinit[17..];
    let mut list = || String::from_utf8(take(&mut rest)).unwrap();
    (0..10).map(|_| list()).collect()
}

/// A string as SSH writes it.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap();
    [&length.to_be_bytes(), bytes].concat()
}

/// Takes a string off the beginning.
pub(super) fn take(rest: &mut &[u8]) -> Vec<u8> {
    let (length, behind) = rest.split_at(4);
    let length = usize::try_from(u32::from_be_bytes(length.try_into().unwrap())).unwrap();
    let (taken, behind) = behind.split_at(length);
    *rest = behind;
    taken.to_vec()
}
