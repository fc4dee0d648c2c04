//! The messages of an SSH agent (draft-ietf-sshm-ssh-agent), as far as they are let through. No I/O; both ends are hostile.

/// Longest message, bytes; OpenSSH's own bound.
const MAX_MESSAGE: usize = 256 * 1024;
/// Bytes of the length before each message.
const HEADER: usize = 4;

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
const EXTENSION: u8 = 27;

/// Why a conversation with an agent cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("a message of the agent protocol is empty or longer than 256 KiB")]
    Length,
    #[error("the agent said something that it was not asked for")]
    Unasked,
}

/// Puts messages together from the pieces in which they come.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// At most one message and the piece that completed it.
    buffer: Vec<u8>,
}

impl Messages {
    /// Takes a piece.
    pub(super) fn feed(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole message with its length before it; `None` where more must come first.
    ///
    /// # Errors
    /// The length that it claims is out of bounds: it is not waited for.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, ProtocolError> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*header)).map_err(|_| ProtocolError::Length)?;
        if length == 0 || length > MAX_MESSAGE {
            return Err(ProtocolError::Length);
        }
        let whole = HEADER + length;
        if self.buffer.len() < whole {
            return Ok(None);
        }
        let rest = self.buffer.split_off(whole);
        Ok(Some(std::mem::replace(&mut self.buffer, rest)))
    }

    /// Whether a part of a message has come.
    pub(super) fn has_begun(&self) -> bool {
        !self.buffer.is_empty()
    }
}

/// What a target asks of the agent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request<'m> {
    /// Which keys it has.
    Identities,
    /// A signature.
    Sign {
        /// The public key to sign with.
        key: &'m [u8],
        /// What is to be signed.
        data: &'m [u8],
    },
    /// To note with which server the next signatures log in.
    Bind {
        /// That server's public host key.
        host_key: &'m [u8],
    },
    /// Anything else: it is answered with a failure and never passed on.
    Other,
}

impl<'m> Request<'m> {
    /// Reads a whole message.
    pub(super) fn read(message: &'m [u8]) -> Self {
        Self::known(message).unwrap_or(Self::Other)
    }

    fn known(message: &'m [u8]) -> Option<Self> {
        let mut rest = Fields(message.get(HEADER..)?);
        match rest.byte()? {
            REQUEST_IDENTITIES if rest.0.is_empty() => Some(Self::Identities),
            SIGN_REQUEST => {
                let (key, data) = (rest.string()?, rest.string()?);
                // Four bytes of flags follow.
                (rest.0.len() == 4).then_some(Self::Sign { key, data })
            }
            EXTENSION if rest.string()? == b"session-bind@openssh.com" => Some(Self::Bind {
                host_key: rest.string()?,
            }),
            _ => None,
        }
    }
}

/// The answer to what is not let through.
pub(super) fn failure() -> Vec<u8> {
    vec![0, 0, 0, 1, FAILURE]
}

/// Whether a message answers a request, be it with a failure.
pub(super) fn answers(message: &[u8], request: &Request<'_>) -> bool {
    let kind = message.get(HEADER);
    match request {
        Request::Identities => kind == Some(&IDENTITIES_ANSWER) || is_failure(message),
        Request::Sign { .. } => kind == Some(&SIGN_RESPONSE) || is_failure(message),
        Request::Bind { .. } | Request::Other => false,
    }
}

/// The signature that a message answers with.
pub(super) fn signature(message: &[u8]) -> Option<&[u8]> {
    let mut rest = Fields(message.get(HEADER..)?);
    rest.byte().filter(|kind| *kind == SIGN_RESPONSE)?;
    rest.string().filter(|_| rest.0.is_empty())
}

/// Whether a message says no.
pub(super) fn is_failure(message: &[u8]) -> bool {
    message.get(HEADER) == Some(&FAILURE)
}

/// Fields of a message, read front to back; RFC 4251, section 5.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'m>(pub(super) &'m [u8]);

impl<'m> Fields<'m> {
    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next string; `None` where it claims more than there is.
    pub(super) fn string(&mut self) -> Option<&'m [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (string, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(string)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A string of the wire.
    pub(in crate::gateway::forward) fn string(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&length, bytes].concat()
    }

    fn message(kind: u8, fields: &[u8]) -> Vec<u8> {
        string(&[&[kind], fields].concat())
    }

    #[test]
    fn messages_are_put_together_from_any_pieces() {
        let sent = [message(REQUEST_IDENTITIES, b""), message(SIGN_REQUEST, b"abc")];
        for size in [1, 3, 100] {
            let mut messages = Messages::default();
            let mut received = Vec::new();
            for piece in sent.concat().chunks(size) {
                messages.feed(piece);
                while let Some(message) = messages.next().unwrap() {
                    received.push(message);
                }
            }
            assert_eq!(received, sent, "{size}");
            assert!(!messages.has_begun());
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_not_waited_for() {
        for length in [0, MAX_MESSAGE + 1, u32::MAX as usize] {
            let mut messages = Messages::default();
            messages.feed(&u32::try_from(length).unwrap().to_be_bytes());
            assert_eq!(messages.next(), Err(ProtocolError::Length), "{length}");
        }
        let mut messages = Messages::default();
        messages.feed(&string(&vec![9; MAX_MESSAGE]));
        assert!(messages.next().unwrap().is_some(), "the longest");
    }

    #[test]
    fn only_lists_and_signatures_are_let_through() {
        let sign = message(SIGN_REQUEST, &[string(b"key"), string(b"data"), vec![0; 4]].concat());
        let expected = Request::Sign {
            key: b"key",
            data: b"data",
        };
        assert_eq!(Request::read(&sign), expected);
        assert_eq!(Request::read(&message(REQUEST_IDENTITIES, b"")), Request::Identities);
        let bind = message(
            EXTENSION,
            &[string(b"session-bind@openssh.com"), string(b"host")].concat(),
        );
        assert_eq!(Request::read(&bind), Request::Bind { host_key: b"host" });
        for kind in (0..=u8::MAX).filter(|kind| ![REQUEST_IDENTITIES, SIGN_REQUEST].contains(kind)) {
            assert_eq!(Request::read(&message(kind, b"")), Request::Other, "{kind}");
        }
        for cut in 0..sign.len() {
            assert_eq!(Request::read(&sign[..cut]), Request::Other, "{cut}");
        }
        assert_eq!(Request::read(&message(REQUEST_IDENTITIES, b"x")), Request::Other);
    }

    #[test]
    fn a_signature_is_read_whole_or_not_at_all() {
        let signed = message(SIGN_RESPONSE, &string(b"abc"));
        assert_eq!(signature(&signed), Some(b"abc".as_slice()));
        for cut in 0..signed.len() {
            assert_eq!(signature(&signed[..cut]), None, "{cut}");
        }
        assert_eq!(
            signature(&message(SIGN_RESPONSE, &[string(b"abc"), vec![0]].concat())),
            None
        );
        assert_eq!(signature(&message(IDENTITIES_ANSWER, &string(b"abc"))), None);
        assert_eq!(signature(&failure()), None);
    }

    #[test]
    fn an_answer_is_one_to_what_was_asked() {
        let sign = Request::Sign { key: b"", data: b"" };
        assert!(answers(&message(SIGN_RESPONSE, b""), &sign));
        assert!(answers(&failure(), &sign) && is_failure(&failure()));
        assert!(!answers(&message(IDENTITIES_ANSWER, b""), &sign));
        assert!(answers(&message(IDENTITIES_ANSWER, b""), &Request::Identities));
        assert!(!answers(&message(SIGN_RESPONSE, b""), &Request::Identities));
        assert!(!answers(b"", &Request::Identities));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8)) {
            let mut messages = Messages::default();
            for piece in pieces {
                messages.feed(&piece);
                while let Ok(Some(message)) = messages.next() {
                    Request::read(&message);
                }
            }
        }
    }
}
