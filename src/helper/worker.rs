//! A worker's process: reads hostile texts with the grammar's C code, and has nothing that it could lose.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use super::HelperError;
use super::frame::{Frame, GREETING, MAX_GREETING};
use super::supervisor::{ignore_what_is_meant_for_the_daemon, own_socket};
use crate::command::{Grammar as _, InProcess, MAX_PARSED, MAX_TREE_LENGTH, NoTree, Tree};
use crate::sandbox;

/// Most bytes of an answer: one that says whether there is a tree, and the tree.
pub(super) const MAX_ANSWER: usize = 1 + MAX_TREE_LENGTH;
/// How an answer begins that has no tree, and one that has.
const BEYOND: u8 = 0;
const READ: u8 = 1;

/// Confines itself, says whether it could, and answers until standard input's other end is closed.
///
/// # Errors
/// It cannot be confined, or what comes is no question.
pub fn work() -> Result<(), HelperError> {
    let mut socket = UnixStream::from(own_socket()?);
    ignore_what_is_meant_for_the_daemon()?;
    match sandbox::confine_to(socket.as_fd()) {
        Ok(()) => Frame::send(GREETING, &[], &mut socket)?,
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.as_bytes();
            Frame::send(GREETING, reason.get(..MAX_GREETING).unwrap_or(reason), &mut socket)?;
            return Err(error.into());
        }
    }
    answer_all(&mut socket)
}

pub(super) fn answer_all(socket: &mut (impl Read + Write)) -> Result<(), HelperError> {
    loop {
        let question = match Frame::receive(socket, MAX_PARSED) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            received => received?,
        };
        let text = str::from_utf8(&question.bytes).map_err(|_| HelperError::BadAnswer)?;
        Frame::send(question.number, &answer(text), socket)?;
    }
}

fn answer(text: &str) -> Vec<u8> {
    match InProcess.tree(text) {
        Ok(tree) => [vec![READ], tree.to_bytes()].concat(),
        Err(NoTree::Beyond | NoTree::Failed) => vec![BEYOND],
    }
}

/// What an answer says of a text; it may be anything.
pub(super) fn read_answer(answer: &[u8], text: &str) -> Result<Option<Tree>, HelperError> {
    match answer {
        [BEYOND] => Ok(None),
        [READ, tree @ ..] => {
            let tree = Tree::from_bytes(tree, text.len());
            tree.map(Some).map_err(|_| HelperError::BadAnswer)
        }
        _ => Err(HelperError::BadAnswer),
    }
}
