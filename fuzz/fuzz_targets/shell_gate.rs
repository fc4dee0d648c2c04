//! A hostile target and a careless user in any order: no line starts without a yes to it, and nothing panics.
#![no_main]

use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use opspilot::terminal::{Effect, LoginShell, ShellGate, Verdict};

const NONCE: &str = "00112233445566778899aabbccddeeff";

/// One step a line: `u` and `t` are what user and target write (`t` marks what follows a `;` with the nonce), the others answer or let time pass.
fn steps(input: &[u8]) -> impl Iterator<Item = (&u8, &[u8])> {
    input.split(|byte| *byte == b'\n').filter_map(<[u8]>::split_first)
}

fn mark(body: &[u8]) -> Vec<u8> {
    [b"\x1b]7717;", NONCE.as_bytes(), b";", body, b"\x07"].concat()
}

fuzz_target!(|input: &[u8]| {
    let mut now = Instant::now();
    let Some((mut gate, _)) = ShellGate::login(LoginShell::Bash, || NONCE.to_owned(), now) else {
        return;
    };
    let (mut yes, mut started) = (0, 0);
    for (step, rest) in steps(input) {
        let mut out = Vec::new();
        match step {
            b'u' => gate.from_user(now, rest, &mut out),
            b't' => gate.from_target(now, rest, &mut out),
            b'm' => gate.from_target(now, &mark(rest), &mut out),
            b'a' => gate.from_target(now, &[b"\x1b]7717;?;", rest, b"\x07"].concat(), &mut out),
            b'y' => gate.answer(Verdict::Run, &mut out),
            b'n' => gate.answer(Verdict::Cancel, &mut out),
            _ => {
                now = gate.deadline().unwrap_or(now + Duration::from_millis(1));
                gate.timed_out(now, &mut out);
            }
        }
        yes += out
            .iter()
            .filter(|effect| matches!(effect, Effect::ToTarget(bytes) if bytes.ends_with(b":y\x15")))
            .count();
        started += out.iter().filter(|effect| **effect == Effect::Started).count();
        assert!(started <= yes);
    }
});
