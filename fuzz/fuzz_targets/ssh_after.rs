//! What somebody asks for who has been let in, in any order, and what a target answers them: who may do nothing has nothing done,
//! and all of it ends when they leave.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use opspilot_fuzz::bastion::{Bastion, Visitor, key};
use opspilot_fuzz::host::Host;
use opspilot_fuzz::wire::{login, messages, packet, preamble, string, uint};
use russh::keys::PrivateKey;

const USERAUTH_SUCCESS: u8 = 52;
/// The number that the server gives to the first channel; the next ones follow.
const FIRST_CHANNEL: usize = 2;
/// What a client lets the server send, and how much at once.
const WINDOW: [usize; 2] = [2_097_152, 32_768];
/// Pauses that are made at most in one session.
const PAUSES: usize = 12;

thread_local! {
    static BASTION: RefCell<Bastion> = RefCell::default();
    static KEY: PrivateKey = key(1);
}

// The first line is the user's name, each other one a step: what is done, to which channel (a digit) where it is one, and with what.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.split(|byte| *byte == b'\n');
    let user = lines.next().unwrap_or_default();
    let asked = BASTION.with_borrow_mut(|bastion| {
        let mut asked = 0;
        let written = bastion.receive(async |visitor, host| {
            *host.script() = Default::default();
            let login = KEY.with(|key| login(user, key));
            visitor.say(&[preamble(), login].concat()).await;
            let mut pauses = PAUSES;
            for step in lines {
                take(step, visitor, host, &mut pauses).await;
            }
            asked = host.script().asked;
        });
        let let_in = messages(&written).contains(&USERAUTH_SUCCESS);
        assert!(
            let_in || !matches!(user, b"alice" | b"alice@box" | b"bob@box"),
            "somebody known is kept out"
        );
        asked
    });
    assert!(
        asked == 0 || !user.starts_with(b"bob"),
        "the target was asked for what is denied"
    );
});

async fn take(step: &[u8], visitor: &mut Visitor, host: &Host, pauses: &mut usize) {
    match step.split_first() {
        Some((b'.', _)) if *pauses > 0 => {
            *pauses -= 1;
            visitor.hear().await;
        }
        Some((b't', said)) => host.script().says = spelled(said),
        Some((what, rest)) => {
            for payload in payloads(*what, rest) {
                visitor.say(&packet(&payload)).await;
            }
        }
        None => {}
    }
}

/// What a step sends.
fn payloads(what: u8, rest: &[u8]) -> Vec<Vec<u8>> {
    let (channel, argument) = rest.split_first().unwrap_or((&b'0', &[]));
    let channel = uint(FIRST_CHANNEL + usize::from(channel.wrapping_sub(b'0')));
    let argument = &*spelled(argument);
    let request = |kind: &str, parts: &[Vec<u8>]| {
        let head = [&[98][..], &channel, &string(kind.as_bytes()), &[1]].concat();
        vec![[head, parts.concat()].concat()]
    };
    let on_channel = |message: u8, parts: &[Vec<u8>]| vec![[&[message][..], &channel, &parts.concat()].concat()];
    match what {
        b's' => vec![open("session", &[])],
        b'f' => vec![open("direct-tcpip", &[place(&spelled(rest)), place(b"127.0.0.1:1")])],
        b'u' => vec![open(
            "direct-streamlocal@openssh.com",
            &[string(&spelled(rest)), string(b""), uint(0)],
        )],
        b'o' => vec![open(&String::from_utf8_lossy(rest), &[])],
        b'p' => {
            let size = [80, 24, 0, 0].map(uint).concat();
            request("pty-req", &[string(b"xterm"), size, string(argument)])
        }
        b'v' => {
            let at = argument.iter().position(|byte| *byte == b'=').unwrap_or(argument.len());
            let value = argument.get(at + 1..).unwrap_or_default();
            request("env", &[string(&argument[..at]), string(value)])
        }
        b'x' => request("exec", &[string(argument)]),
        b'h' => request("shell", &[]),
        b'y' => request("subsystem", &[string(argument)]),
        b'z' => request("window-change", &[4, 3, 2, 1].map(|of| uint(argument.len() * of))),
        b'k' => request("signal", &[string(argument)]),
        b'b' => request("break", &[uint(argument.len())]),
        b'a' => request("auth-agent-req@openssh.com", &[]),
        b'X' => request(
            "x11-req",
            &[vec![0], string(b"MIT-MAGIC-COOKIE-1"), string(argument), uint(0)],
        ),
        b'q' => request(&String::from_utf8_lossy(argument), &[]),
        b'd' => on_channel(94, &[string(argument)]),
        b'D' => on_channel(95, &[uint(1), string(argument)]),
        b'w' => on_channel(93, &[uint(argument.len() << 16)]),
        b'e' => on_channel(96, &[]),
        b'c' => on_channel(97, &[]),
        b'Y' => on_channel(91, &[uint(0), WINDOW.map(uint).concat()]),
        b'N' => on_channel(92, &[uint(1), string(argument), string(b"")]),
        b'S' => on_channel(99, &[]),
        b'F' => on_channel(100, &[]),
        b'L' => vec![global("tcpip-forward", &place(&spelled(rest)))],
        b'l' => vec![global("cancel-tcpip-forward", &place(&spelled(rest)))],
        b'U' => vec![global("streamlocal-forward@openssh.com", &string(&spelled(rest)))],
        b'g' => vec![global(&String::from_utf8_lossy(rest), &[])],
        b'r' => vec![spelled(rest)],
        _ => Vec::new(),
    }
}

fn open(kind: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let head = [
        &[90][..],
        &string(kind.as_bytes()),
        &uint(0),
        &WINDOW.map(uint).concat(),
    ];
    [head.concat(), parts.concat()].concat()
}

fn global(kind: &str, rest: &[u8]) -> Vec<u8> {
    [&[80][..], &string(kind.as_bytes()), &[1], rest].concat()
}

/// `HOST:PORT` as a string and a number.
fn place(text: &[u8]) -> Vec<u8> {
    let at = text.iter().rposition(|byte| *byte == b':').unwrap_or(text.len());
    let port = text.get(at + 1..).and_then(|port| str::from_utf8(port).ok());
    let port = port.and_then(|port| port.parse().ok()).unwrap_or_default();
    [string(&text[..at]), uint(port)].concat()
}

/// The bytes that a text stands for: `\n`, `\r` and `\xHH` are spelled so here.
fn spelled(mut text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        text = match text {
            [b'\\', b'n', rest @ ..] => {
                bytes.push(b'\n');
                rest
            }
            [b'\\', b'r', rest @ ..] => {
                bytes.push(b'\r');
                rest
            }
            [b'\\', b'x', high, low, rest @ ..] => {
                let digit = |digit: u8| char::from(digit).to_digit(16).unwrap_or_default() as u8;
                bytes.push(digit(*high) << 4 | digit(*low));
                rest
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
            [] => return bytes,
        };
    }
}
