//! What goes over a worker's socket: a number, a length, and so many bytes. An answer has the number of its question.

use std::io::{self, ErrorKind, Read, Write};

/// The number of what a worker says before it is asked.
pub(super) const GREETING: u32 = 0;

/// Most bytes of a greeting, which is empty or says why the worker cannot serve.
pub(super) const MAX_GREETING: usize = 1024;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
}

impl Frame {
    /// Sends it in one piece.
    pub(super) fn send(number: u32, bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
        let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
        let mut frame = Vec::with_capacity(8 + bytes.len());
        frame.extend(number.to_le_bytes());
        frame.extend(length.to_le_bytes());
        frame.extend(bytes);
        to.write_all(&frame)
    }

    /// Receives one of at most `most` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::UnexpectedEof`] where there is no more, [`ErrorKind::InvalidData`] where it would be longer.
    pub(super) fn receive(from: &mut impl Read, most: usize) -> io::Result<Self> {
        let mut head = [0; 8];
        from.read_exact(&mut head)?;
        let [a, b, c, d, length @ ..] = head;
        let number = u32::from_le_bytes([a, b, c, d]);
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(|_| ErrorKind::InvalidData)?;
        if length > most {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        from.read_exact(&mut bytes)?;
        Ok(Self { number, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(number: u32, bytes: &[u8]) -> Vec<u8> {
        let mut stream = Vec::new();
        Frame::send(number, bytes, &mut stream).unwrap();
        stream
    }

    #[test]
    fn a_frame_is_received_as_it_was_sent() {
        for bytes in [b"".as_slice(), b"ls -la"] {
            let received = Frame::receive(&mut sent(7, bytes).as_slice(), 6).unwrap();
            assert_eq!(
                received,
                Frame {
                    number: 7,
                    bytes: bytes.to_vec()
                }
            );
        }
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_is_read() {
        let claimed = [1_u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
        let refused = Frame::receive(&mut claimed.as_slice(), 6).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
    }

    #[test]
    fn what_breaks_off_is_no_frame() {
        let whole = sent(7, b"ls");
        for length in 0..whole.len() {
            let broken = Frame::receive(&mut &whole[..length], 6).unwrap_err();
            assert_eq!(broken.kind(), ErrorKind::UnexpectedEof, "{length}");
        }
    }
}
