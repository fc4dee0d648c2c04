//! Answers that are not held in memory: blocking code writes, and the client's own pace makes it wait.

use std::io::{self, Write};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;

/// Bytes that are sent together.
const PIECE: usize = 32 * 1024;

/// Pieces that may wait for the client.
const PIECES: usize = 4;

/// A body that `write` makes on a thread of its own, while `permit` is held.
///
/// Where `write` does not come to its end, the connection breaks off: the client never takes what came for the whole.
pub(super) fn streamed(
    permit: OwnedSemaphorePermit,
    write: impl FnOnce(&mut Download) -> io::Result<()> + Send + 'static,
) -> Body {
    let (sender, pieces) = mpsc::channel(PIECES);
    spawn_blocking(move || {
        let mut out = Download {
            sender,
            piece: Vec::with_capacity(PIECE),
        };
        match write(&mut out).and_then(|()| out.end()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => tracing::debug!("a client left a download"),
            Err(error) => tracing::error!(%error, "a download broke off"),
            Ok(()) => {}
        }
        drop(permit);
    });
    Body::new(Streamed {
        pieces,
        is_whole: false,
    })
}

/// What is on its way to the client.
enum Piece {
    Some(Bytes),
    /// There was no more to write.
    End,
}

/// What a client downloads: gathers what is written into pieces, and waits until the client has taken those before.
pub(super) struct Download {
    sender: mpsc::Sender<Piece>,
    piece: Vec<u8>,
}

impl Download {
    /// # Errors
    /// The client has gone.
    pub(super) fn must_be_wanted(&self) -> io::Result<()> {
        if self.sender.is_closed() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        self.flush()?;
        self.send(Piece::End)
    }

    fn send(&self, piece: Piece) -> io::Result<()> {
        let sent = self.sender.blocking_send(piece);
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Download {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        self.send(Piece::Some(piece.into()))
    }
}

struct Streamed {
    pieces: mpsc::Receiver<Piece>,
    is_whole: bool,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_whole {
            return Poll::Ready(None);
        }
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Piece::Some(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => {
                self.is_whole = true;
                None
            }
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::body::to_bytes;
    use tokio::sync::Semaphore;

    use super::*;

    /// What comes of a body that `write` makes; `None` where it breaks off.
    async fn body(write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static) -> Option<Vec<u8>> {
        let permit = Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap();
        let bytes = to_bytes(streamed(permit, |out| write(out)), usize::MAX).await;
        bytes.ok().map(Vec::from)
    }

    #[tokio::test]
    async fn everything_that_is_written_comes_in_its_order() {
        let rows: Vec<u8> = (0..u32::from(u16::MAX)).flat_map(u32::to_be_bytes).collect();
        let written = rows.clone();
        let write = move |out: &mut dyn Write| written.chunks(1000).try_for_each(|chunk| out.write_all(chunk));
        assert!(body(write).await == Some(rows));
        assert_eq!(body(|_| Ok(())).await, Some(Vec::new()));
    }

    #[tokio::test]
    async fn what_was_not_written_to_its_end_never_looks_whole() {
        let fails = |out: &mut dyn Write| {
            out.write_all(b"half")?;
            out.flush()?;
            Err(io::ErrorKind::Other.into())
        };
        assert_eq!(body(fails).await, None);
        assert_eq!(body(|_| panic!("a defect")).await, None);
    }

    #[tokio::test]
    async fn a_client_that_goes_is_noticed_before_anything_is_sent_and_frees_its_place() {
        let places = Arc::new(Semaphore::new(1));
        let permit = places.clone().acquire_owned().await.unwrap();
        let (sender, mut is_wanted) = mpsc::channel(2);
        let (go_on, waits) = std::sync::mpsc::channel();
        let body = streamed(permit, move |out| {
            sender.blocking_send(out.must_be_wanted().is_ok()).unwrap();
            waits.recv().unwrap();
            sender.blocking_send(out.must_be_wanted().is_ok()).unwrap();
            Ok(())
        });
        assert_eq!(is_wanted.recv().await, Some(true));
        drop(body);
        go_on.send(()).unwrap();
        assert_eq!(is_wanted.recv().await, Some(false));
        places.acquire().await.unwrap().forget();
    }
}
