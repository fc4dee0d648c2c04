//! A hostile target and a careless user in any order: what the target writes is shown as it is, nothing is sent while a
//! question stands, no line starts without a yes to it, every deadline leads on, and nothing panics.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use opspilot::domain::Dialect;
use opspilot::terminal::{Effect, ScreenGate, Verdict};

/// One step a line: `u` and `t` are what user and target write (with `\r` and `\n` as they are spelled here), `r` is a size, the
/// others answer or let time pass.
fn steps(input: &[u8]) -> impl Iterator<Item = (&u8, &[u8])> {
    input.split(|byte| *byte == b'\n').filter_map(<[u8]>::split_first)
}

fn spelled(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for byte in bytes {
        match (text.last(), byte) {
            (Some(b'\\'), b'n') => *text.last_mut().unwrap() = b'\n',
            (Some(b'\\'), b'r') => *text.last_mut().unwrap() = b'\r',
            _ => text.push(*byte),
        }
    }
    text
}

fuzz_target!(|input: &[u8]| {
    let mut now = Instant::now();
    let Some(mut gate) = ScreenGate::new(Dialect::Bash, 40, 10) else {
        return;
    };
    let mut open = false;
    for (step, rest) in steps(input) {
        let (mut out, bytes) = (Vec::new(), spelled(rest));
        let was_open = open;
        match step {
            b'u' => gate.from_user(now, &bytes, &mut out),
            b't' => {
                gate.from_target(now, &bytes, &mut out);
                assert!(bytes.is_empty() || out.contains(&Effect::ToUser(bytes)));
            }
            b'r' => gate.resize(
                rest.first().copied().unwrap_or_default().into(),
                rest.get(1).copied().unwrap_or_default().into(),
            ),
            b'y' | b'n' => {
                let verdict = if *step == b'y' { Verdict::Run } else { Verdict::Cancel };
                gate.answer(verdict, &mut out);
                assert_eq!(!out.is_empty(), was_open);
                open = false;
            }
            _ => {
                let due = gate.deadline();
                now = due.map_or(now + Duration::from_millis(1), |due| due.max(now));
                gate.timed_out(now, &mut out);
                assert!(due.is_none() || gate.deadline() != due || !out.is_empty());
            }
        }
        for effect in out {
            match effect {
                Effect::ToTarget(_) => assert!(!open),
                Effect::Started => assert!(was_open && *step == b'y'),
                Effect::Asking(_) => {
                    assert!(!open);
                    open = true;
                }
                _ => {}
            }
        }
    }
});
