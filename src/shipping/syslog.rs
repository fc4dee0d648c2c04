//! Syslog messages: RFC 5424, framed as RFC 6587 says.

use crate::config::Framing;

/// The longest host name (RFC 5424, 6).
const MAX_HOST: usize = 255;

/// What the head of every message of one place says.
#[derive(Debug)]
pub(super) struct Header {
    facility: u8,
    host: String,
    process: u32,
}

/// How grave an event is (RFC 5424, 6.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// A command was denied or refused, or something could not be seen to its end.
    Warning = 4,
    /// Somebody was asked.
    Notice = 5,
    /// Anything else.
    Informational = 6,
}

impl Header {
    pub(super) fn new(facility: u8, host: &str, process: u32) -> Self {
        let host = host.chars().filter(char::is_ascii_graphic).take(MAX_HOST).collect();
        Self {
            facility,
            host,
            process,
        }
    }

    /// A message. `at` is RFC 3339, `kind` a word of ASCII and `text` printable ASCII.
    pub(super) fn message(&self, severity: Severity, at: &str, kind: &str, text: &str) -> String {
        let priority = u16::from(self.facility) * 8 + severity as u16;
        let host = if self.host.is_empty() { "-" } else { &self.host };
        let at = if at.is_empty() { "-" } else { at };
        format!("<{priority}>1 {at} {host} opspilot {} {kind} - {text}", self.process)
    }
}

/// The severity of an event, by its kind and the words of its payload.
pub(super) fn severity(kind: &str, line: &str) -> Severity {
    let says = |part: &str| line.contains(part);
    match kind {
        "command_recorded" if says("\"decision\":\"deny\"") => Severity::Warning,
        "command_recorded" if says("\"decision\":\"confirm\"") => Severity::Notice,
        "command_resolved" if !says("{\"confirmed\":") => Severity::Warning,
        "events_missing" => Severity::Warning,
        _ => Severity::Informational,
    }
}

/// Appends a message to what is about to be sent on a stream.
pub(super) fn frame(framing: Framing, message: &str, stream: &mut Vec<u8>) {
    match framing {
        Framing::Octets => {
            stream.extend_from_slice(format!("{} ", message.len()).as_bytes());
            stream.extend_from_slice(message.as_bytes());
        }
        Framing::Lines => {
            stream.extend_from_slice(message.as_bytes());
            stream.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_what_rfc_5424_says() {
        let header = Header::new(10, "bastion.example", 42);
        assert_eq!(
            header.message(
                Severity::Warning,
                "2026-11-23T10:00:00.000000Z",
                "command_recorded",
                "{}"
            ),
            "<84>1 2026-11-23T10:00:00.000000Z bastion.example opspilot 42 command_recorded - {}"
        );
    }

    #[test]
    fn a_host_name_cannot_break_the_head() {
        let header = Header::new(16, "a b\n\u{e9}", 1);
        assert_eq!(
            header.message(Severity::Informational, "", "k", "{}"),
            "<134>1 - ab opspilot 1 k - {}"
        );
        assert!(
            Header::new(16, "\u{e9}", 1)
                .message(Severity::Notice, "t", "k", "{}")
                .starts_with("<133>1 t - opspilot")
        );
    }

    #[test]
    fn frames_keep_messages_apart() {
        let framed = |framing| {
            let mut stream = Vec::new();
            frame(framing, "<6>one", &mut stream);
            frame(framing, "<6>three", &mut stream);
            String::from_utf8(stream).unwrap()
        };
        assert_eq!(framed(Framing::Octets), "6 <6>one8 <6>three");
        assert_eq!(framed(Framing::Lines), "<6>one\n<6>three\n");
    }

    #[test]
    fn what_was_not_allowed_is_graver() {
        let rows = [
            ("command_recorded", "{\"decision\":\"deny\"}", Severity::Warning),
            ("command_recorded", "{\"decision\":\"confirm\"}", Severity::Notice),
            ("command_recorded", "{\"decision\":\"allow\"}", Severity::Informational),
            ("command_resolved", "{\"verdict\":{\"refused\":{}}}", Severity::Warning),
            (
                "command_resolved",
                "{\"verdict\":{\"confirmed\":{}}}",
                Severity::Informational,
            ),
            ("session_began", "{}", Severity::Informational),
        ];
        for (kind, line, expected) in rows {
            assert_eq!(severity(kind, line), expected, "{kind} {line}");
        }
    }
}
