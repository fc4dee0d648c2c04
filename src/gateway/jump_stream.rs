//! A channel of an outer connection as the stream that an inner connection runs on.
//!
//! What arrives is always taken, as everywhere ([`super::intake`]): the outer connection goes on while the inner one waits
//! for its user to read. And everything ends with a token: a write would otherwise wait for a window that never opens.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncWrite, Join, ReadBuf, join};
use tokio_util::bytes::{Buf as _, Bytes};
use tokio_util::sync::{CancellationToken, ReusableBoxFuture, WaitForCancellationFutureOwned};

use super::intake::Intake;

/// The stream of what arrives by `intake` and leaves by `writer`, until `ended`.
pub(super) fn new<W: AsyncWrite + Unpin>(
    intake: Intake,
    writer: W,
    ended: CancellationToken,
) -> Join<Incoming, Outgoing<W>> {
    let outgoing = Outgoing {
        writer,
        ended: Box::pin(ended.clone().cancelled_owned()),
    };
    join(Incoming::new(intake, ended), outgoing)
}

/// What arrives.
pub(super) struct Incoming {
    next: ReusableBoxFuture<'static, Heard>,
    rest: Bytes,
}

/// A piece of data, empty at the end, and who hears the next one.
type Heard = (Bytes, Intake, CancellationToken);

impl Incoming {
    fn new(intake: Intake, ended: CancellationToken) -> Self {
        Self {
            next: ReusableBoxFuture::new(hear(intake, ended)),
            rest: Bytes::new(),
        }
    }
}

async fn hear(mut intake: Intake, ended: CancellationToken) -> Heard {
    loop {
        let message = tokio::select! {
            biased;
            () = ended.cancelled() => None,
            message = intake.next() => message,
        };
        match message {
            Some(ChannelMsg::Data { data }) if data.is_empty() => {}
            Some(ChannelMsg::Data { data }) => return (data, intake, ended),
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return (Bytes::new(), intake, ended),
            Some(_) => {}
        }
    }
}

impl AsyncRead for Incoming {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            let (data, intake, ended) = ready!(self.next.poll(cx));
            self.next.set(hear(intake, ended));
            self.rest = data;
        }
        let length = self.rest.len().min(into.remaining());
        into.put_slice(&self.rest.slice(..length));
        self.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// What leaves.
pub(super) struct Outgoing<W> {
    writer: W,
    ended: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<W: AsyncWrite + Unpin> Outgoing<W> {
    /// What `write` makes of the writer, but an error once all has ended.
    fn unless_ended<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut W>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.ended.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        write(Pin::new(&mut self.writer), cx)
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Outgoing<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.unless_ended(cx, |writer, cx| writer.poll_write(cx, from))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_ended(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.unless_ended(cx, AsyncWrite::poll_shutdown)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn a_write_that_waits_ends_with_the_token() {
        let ended = CancellationToken::new();
        let (near, _far) = tokio::io::duplex(1);
        let mut outgoing = Outgoing {
            writer: near,
            ended: Box::pin(ended.clone().cancelled_owned()),
        };
        outgoing.write_all(b"a").await.unwrap();
        let waiting = tokio::spawn(async move { outgoing.write_all(b"b").await });
        tokio::task::yield_now().await;
        ended.cancel();
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }

    #[tokio::test]
    async fn what_is_heard_is_read_in_pieces_of_any_size_until_the_end() {
        let (messages, intake) = Intake::played();
        let mut incoming = Incoming::new(intake, CancellationToken::new());
        for data in ["ab", "", "cdef"] {
            messages.send(ChannelMsg::Data { data: data.into() }).unwrap();
        }
        messages.send(ChannelMsg::Eof).unwrap();
        let mut piece = [0; 3];
        incoming.read_exact(&mut piece).await.unwrap();
        assert_eq!(&piece, b"abc");
        let mut rest = Vec::new();
        incoming.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"def");
    }

    #[tokio::test]
    async fn a_read_that_waits_ends_with_the_token() {
        let (_messages, intake) = Intake::played();
        let ended = CancellationToken::new();
        let mut incoming = Incoming::new(intake, ended.clone());
        ended.cancel();
        assert_eq!(incoming.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
