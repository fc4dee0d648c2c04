//! SFTP version 3, read while it passes. No I/O.
//!
//! A [`Conversation`] is fed what either side sends. It says what goes on to the other side, what must be decided about before it
//! does, and how what was decided about has ended. What it cannot read is a [`Fault`], and nothing passes any more.

mod conversation;
mod extensions;
mod fault;
mod frames;
mod intent;
mod open_files;
mod passage;
mod paths;
mod reply;
mod request;
mod wire;

pub use conversation::{Conversation, Effect, Ended, Ticket};
pub use fault::Fault;

#[cfg(test)]
mod tests;
