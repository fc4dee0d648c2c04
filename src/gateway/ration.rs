//! A stream of which a stranger may use so much: each new key exchange costs more than it does to ask for one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::CancellationToken;

/// Bytes that may come before anybody has proved who they are: a key exchange takes 3 KiB, each attempt with a certificate twice
/// its size.
const RATION: usize = 128 * 1024;

/// Ends the stream with an error once it has carried more than a stranger needs.
pub(super) struct Rationed<S> {
    stream: S,
    /// What is left, bytes, and what lifts the limit; `None` once that has happened.
    limit: Option<(usize, CancellationToken)>,
}

impl<S> Rationed<S> {
    /// Limits `stream` until `lifted` is cancelled.
    pub(super) fn until(lifted: CancellationToken, stream: S) -> Self {
        let limit = Some((RATION, lifted));
        Self { stream, limit }
    }

    fn take(&mut self, bytes: usize) -> io::Result<()> {
        let Some((left, lifted)) = &mut self.limit else {
            return Ok(());
        };
        if lifted.is_cancelled() {
            self.limit = None;
            return Ok(());
        }
        let Some(rest) = left.checked_sub(bytes) else {
            let reason = "more than anybody needs to authenticate";
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, reason));
        };
        *left = rest;
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rationed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        Poll::Ready(self.take(into.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rationed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, repeat};

    use super::*;

    async fn read(stream: &mut Rationed<tokio::io::Repeat>, bytes: usize) -> io::Result<usize> {
        stream.read_exact(&mut vec![0; bytes]).await
    }

    #[tokio::test]
    async fn a_stranger_may_say_so_much_and_no_more() {
        let mut stream = Rationed::until(CancellationToken::new(), repeat(b'x'));
        assert_eq!(read(&mut stream, RATION).await.unwrap(), RATION);
        let error = read(&mut stream, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert!(read(&mut stream, 1).await.is_err(), "and it stays so");
    }

    #[tokio::test]
    async fn who_has_proved_who_they_are_may_say_as_much_as_they_like() {
        let lifted = CancellationToken::new();
        let mut stream = Rationed::until(lifted.clone(), repeat(b'x'));
        read(&mut stream, RATION).await.unwrap();
        lifted.cancel();
        assert_eq!(read(&mut stream, 2 * RATION).await.unwrap(), 2 * RATION);
    }
}
