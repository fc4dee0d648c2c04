//! What a direction of a forward begins with. SSH within a forward would be a way past the bastion.

/// What an SSH identification begins with; RFC 4253, section 4.2.
const SSH: [u8; 4] = *b"SSH-";

/// The beginning of one direction. Nothing is held back: the bytes before the last of the four may pass, since nobody can
/// speak SSH on them, and a protocol whose first word is `S` waits for nobody.
#[derive(Debug, Default)]
pub(super) struct Beginning {
    /// Bytes compared.
    matched: usize,
    /// Whether one of them was another.
    is_other: bool,
}

impl Beginning {
    /// Whether SSH is spoken, now that `bytes` have come. They must not pass then.
    pub(super) fn is_ssh(&mut self, bytes: &[u8]) -> bool {
        for byte in bytes {
            if self.is_other || self.matched == SSH.len() {
                break;
            }
            self.is_other = SSH.get(self.matched) != Some(byte);
            self.matched += 1;
        }
        !self.is_other && self.matched == SSH.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_ssh(pieces: &[&[u8]]) -> bool {
        let mut beginning = Beginning::default();
        pieces.iter().any(|piece| beginning.is_ssh(piece))
    }

    #[test]
    fn ssh_is_noticed_however_it_is_cut() {
        for pieces in [
            &[&b"SSH-2.0-x\r\n"[..]][..],
            &[b"SSH-"],
            &[b"S", b"S", b"H", b"-"],
            &[b"SS", b"", b"H-2.0"],
            &[b"", b"SSH-1.99"],
        ] {
            assert!(is_ssh(pieces), "{pieces:?}");
        }
    }

    #[test]
    fn other_protocols_are_not() {
        for pieces in [
            &[&b""[..]][..],
            &[b"S"],
            &[b"SSH"],
            &[b"S", b"\x16\x03\x01"],
            &[b"GET / HTTP/1.1\r\n", b"SSH-"],
            &[b"SSH2-"],
            &[b" SSH-"],
            &[b"ssh-2.0"],
            &[b"SSS", b"SH-"],
        ] {
            assert!(!is_ssh(pieces), "{pieces:?}");
        }
    }

    #[test]
    fn once_noticed_it_stays_so() {
        let mut beginning = Beginning::default();
        assert!(beginning.is_ssh(b"SSH-"));
        assert!(beginning.is_ssh(b"more"));
    }
}
