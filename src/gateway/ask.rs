//! What every way of asking shares.

use crate::config::Server;
use crate::domain::AnswerChannel;
use crate::gate::{Answer, Asked};
use crate::terminal::Question;
use crate::terminal::prompt::{self, ConsoleAddress};

use super::user::PtyRequest;

/// The block for a PTY, in colour where the terminal has any, and seen whatever the target wrote before it.
pub(super) fn terminal_block(question: &Question, pty: Option<&PtyRequest>) -> String {
    // A terminal that does not know its width says 0.
    let columns = pty.map(|pty| pty.size.columns).filter(|columns| *columns > 0);
    let width = columns.map_or(80, |columns| u16::try_from(columns).unwrap_or(u16::MAX));
    let controlled = pty.filter(|pty| !matches!(pty.term.as_str(), "" | "dumb" | "unknown"));
    let at_rest = controlled.map_or("", |_| prompt::AT_REST);
    let block = prompt::render(question, width, controlled.is_some_and(|pty| !pty.no_color));
    format!("{at_rest}{block}")
}

/// Where the question is answered at the console, and by whom.
pub(super) fn console<'a>(server: &'a Server, asked: &'a Asked) -> ConsoleAddress<'a> {
    ConsoleAddress {
        port: server.listen.first().map_or(22, std::net::SocketAddr::port),
        user: asked.answerer.as_str(),
        public_name: &server.public_name,
    }
}

/// An answer by the user of the session.
pub(super) fn answered(asked: &Asked, yes: bool, via: AnswerChannel) -> Answer {
    Answer {
        yes,
        by: asked.answerer.clone(),
        via,
    }
}
