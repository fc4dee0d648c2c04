//! SSH as a client writes it without encryption (RFC 4253, 4252), and as much of it as must be read.

use russh::keys::PrivateKey;
use russh::keys::signature::Signer as _;

/// The lines and packets up to where a session may authenticate; no keys are exchanged.
#[must_use]
pub fn preamble() -> Vec<u8> {
    let none = name_list("none");
    let kexinit = [
        &[20; 17][..],
        &none,
        &name_list("ssh-ed25519"),
        &[none.as_slice(); 6].concat(),
        &[0; 13],
    ];
    let service = [&[5][..], &string(b"ssh-userauth")];
    let parts = [
        b"SSH-2.0-fuzz\r\n".to_vec(),
        packet(&kexinit.concat()),
        packet(&[21]),
        packet(&service.concat()),
    ];
    parts.concat()
}

/// The request to be let in as `user`, with a signature by `key`.
#[must_use]
pub fn login(user: &[u8], key: &PrivateKey) -> Vec<u8> {
    let public = key.public_key().to_bytes().expect("a key as it is sent");
    let request = [
        &[50][..],
        &string(user),
        &string(b"ssh-connection"),
        &string(b"publickey"),
        &[1],
        &string(b"ssh-ed25519"),
        &string(&public),
    ]
    .concat();
    // Without an exchange of keys, the session's identifier is empty.
    let signed = key
        .try_sign(&[&string(b"")[..], &request].concat())
        .expect("an unlocked key");
    let signature = [string(b"ssh-ed25519"), string(signed.as_bytes())].concat();
    packet(&[request, string(&signature)].concat())
}

/// A payload as a packet.
#[must_use]
pub fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 4 + (8 - (5 + payload.len() + 4) % 8) % 8;
    let length = 1 + payload.len() + padding;
    let mut packet = uint(length);
    packet.push(u8::try_from(padding).expect("less than 12"));
    packet.extend_from_slice(payload);
    packet.resize(4 + length, 0);
    packet
}

/// A number of four bytes.
#[must_use]
pub fn uint(number: usize) -> Vec<u8> {
    u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes().to_vec()
}

/// A string with its length.
#[must_use]
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&uint(bytes.len())[..], bytes].concat()
}

fn name_list(name: &str) -> Vec<u8> {
    string(name.as_bytes())
}

/// The numbers of the messages in what a server wrote.
pub fn messages(mut written: &[u8]) -> Vec<u8> {
    let line_end = written.iter().position(|byte| *byte == b'\n');
    written = &written[line_end.map_or(written.len(), |at| at + 1)..];
    let mut messages = Vec::new();
    while let Some((length, rest)) = written.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some(packet) = rest.get(..length) else { break };
        messages.extend(packet.get(1));
        written = &rest[length..];
    }
    messages
}
