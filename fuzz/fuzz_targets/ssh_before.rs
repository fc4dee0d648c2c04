//! Whatever a stranger writes to the server, from its version line on: nobody is let in who has not proved who they are, and the
//! connection ends when they leave.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use opspilot_fuzz::bastion::Bastion;
use opspilot_fuzz::wire::messages;

const USERAUTH_SUCCESS: u8 = 52;

thread_local! {
    static BASTION: RefCell<Bastion> = RefCell::default();
}

fuzz_target!(|bytes: &[u8]| {
    let written = BASTION.with_borrow_mut(|bastion| bastion.receive(async |stranger, _| stranger.say(bytes).await));
    assert!(written.starts_with(b"SSH-2.0-opspilot\r\n"));
    assert!(!messages(&written).contains(&USERAUTH_SUCCESS));
});
