//! The side of those who ask a daemon.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::ControlError;
use super::protocol::{MAX_REPLY, Reply};

/// Sends a request's line to the daemon at `socket` and waits for its answer; `None` where no daemon listens.
pub(super) fn ask(socket: &Path, request: &str) -> Result<Option<Reply>, ControlError> {
    let unanswered = |source| ControlError::Unanswered {
        path: socket.to_owned(),
        source,
    };
    let stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) => return nobody_there(socket, error).map(|()| None),
    };
    let line = exchange(stream, request).map_err(unanswered)?;
    let reply = serde_json::from_slice(&line).map_err(|_| ControlError::Misunderstood {
        path: socket.to_owned(),
    })?;
    Ok(Some(reply))
}

/// Whether a connection failed because nobody listens.
fn nobody_there(socket: &Path, error: io::Error) -> Result<(), ControlError> {
    let path = socket.to_owned();
    match error.kind() {
        // The second is what a daemon that was killed has left.
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(()),
        io::ErrorKind::PermissionDenied => Err(ControlError::Forbidden { path }),
        _ => Err(ControlError::Unanswered { path, source: error }),
    }
}

fn exchange(mut stream: UnixStream, request: &str) -> io::Result<Vec<u8>> {
    match stream.write_all(request.as_bytes()) {
        // It may have said why it does not listen.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        sent => sent?,
    }
    let mut line = Vec::new();
    BufReader::new(stream.take(MAX_REPLY)).read_until(b'\n', &mut line)?;
    if line.ends_with(b"\n") {
        Ok(line)
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it hung up"))
    }
}
