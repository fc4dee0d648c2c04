//! An event as a line of JSON: printable ASCII, whatever was recorded.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::Value;

use crate::store::Outgoing;

/// What is sent of an event, in this order. docs/shipping.md describes it.
#[derive(Serialize)]
struct Line<'a> {
    seq: i64,
    at: &'a str,
    kind: &'a str,
    bastion_id: &'a str,
    session_id: Option<&'a str>,
    command_id: Option<i64>,
    uid: Option<&'a str>,
    user_id: Option<&'a str>,
    target: Option<&'a str>,
    payload: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_missing: Option<String>,
    digest: &'a str,
}

/// The event as one line, without its end.
pub(super) fn line(event: &Outgoing) -> Result<String, serde_json::Error> {
    // One that cannot be read must not hold up all that come after it.
    let payload = event
        .payload
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    let payload_missing = payload.is_none().then(|| missing(event));
    written(event, payload, payload_missing)
}

/// The event as one line without its payload, for where that does not fit.
pub(super) fn bare(event: &Outgoing) -> Result<String, serde_json::Error> {
    let why = format!("{} bytes, more than one message takes", event.payload_length);
    written(event, None, Some(why))
}

fn written(
    event: &Outgoing,
    payload: Option<Value>,
    payload_missing: Option<String>,
) -> Result<String, serde_json::Error> {
    let json = serde_json::to_string(&Line {
        seq: event.seq,
        at: &event.at,
        kind: &event.kind,
        bastion_id: &event.bastion_id,
        session_id: event.session_id.as_deref(),
        command_id: event.command_id,
        uid: event.uid.as_deref(),
        user_id: event.user_id.as_deref(),
        target: event.target.as_deref(),
        payload,
        payload_missing,
        digest: &event.digest,
    })?;
    Ok(ascii(&json))
}

/// A line in the place of events that are not in the record any longer.
pub(super) fn gap(bastion_id: &str, from: i64, to: i64) -> String {
    let text = serde_json::json!({ "seq": from, "kind": "events_missing", "bastion_id": bastion_id, "to_seq": to });
    ascii(&text.to_string())
}

fn missing(event: &Outgoing) -> String {
    match (&event.payload, event.payload_length) {
        (None, 0) => "removed from the record".to_owned(),
        (None, length) => format!("{length} bytes, more than max_payload_kib"),
        (Some(_), _) => "not readable as JSON".to_owned(),
    }
}

/// JSON with every character beyond printable ASCII escaped. Such characters stand in strings only.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if matches!(character, ' '..='~') {
            text.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(text, "\\u{unit:04x}").unwrap_or_default();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(payload: Option<&str>) -> Outgoing {
        Outgoing {
            seq: 7,
            bastion_id: "b".to_owned(),
            kind: "command_recorded".to_owned(),
            at: "2026-11-23T10:00:00.000000Z".to_owned(),
            session_id: Some("s".to_owned()),
            command_id: Some(3),
            uid: Some("u".to_owned()),
            user_id: Some("alice".to_owned()),
            target: None,
            payload: payload.map(str::to_owned),
            payload_length: payload.map_or(0, |payload| payload.len() as u64),
            digest: "00ff".to_owned(),
        }
    }

    #[test]
    fn an_event_is_one_object_with_what_is_not_known_as_null() {
        assert_eq!(
            line(&event(Some("{\"command\": \"ls\"}"))).unwrap(),
            "{\"seq\":7,\"at\":\"2026-11-23T10:00:00.000000Z\",\"kind\":\"command_recorded\",\"bastion_id\":\"b\",\
             \"session_id\":\"s\",\"command_id\":3,\"uid\":\"u\",\"user_id\":\"alice\",\"target\":null,\
             \"payload\":{\"command\":\"ls\"},\"digest\":\"00ff\"}"
        );
    }

    #[test]
    fn nothing_in_a_line_acts_on_a_terminal_or_ends_it_and_all_of_it_reads_back() {
        let hostile = "a\u{1b}[2J\0\n\r\u{7f}\u{9b}\u{85}\u{2028}\u{202e}\u{feff}日😀\\\"";
        let payload = serde_json::json!({ hostile: hostile }).to_string();
        let line = line(&event(Some(&payload))).unwrap();
        assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["payload"][hostile], hostile);
    }

    #[test]
    fn a_payload_that_is_not_there_is_null_with_a_reason() {
        let read = |event: &Outgoing| -> Value { serde_json::from_str(&line(event).unwrap()).unwrap() };
        let removed = read(&event(None));
        assert_eq!(
            (&removed["payload"], removed["payload_missing"].as_str()),
            (&Value::Null, Some("removed from the record"))
        );
        let long = Outgoing {
            payload_length: 70_000,
            ..event(None)
        };
        assert_eq!(read(&long)["payload_missing"], "70000 bytes, more than max_payload_kib");
        assert_eq!(read(&event(Some("1e999")))["payload_missing"], "not readable as JSON");
    }

    #[test]
    fn what_is_gone_from_the_record_is_said_to_be() {
        assert_eq!(
            gap("b", 4, 6),
            "{\"bastion_id\":\"b\",\"kind\":\"events_missing\",\"seq\":4,\"to_seq\":6}"
        );
    }
}
