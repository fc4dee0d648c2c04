//! A stream that is read ahead, so that packets cost few system calls, with memory only for as long as much arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::bytes::{Buf as _, BytesMut};
use tokio_util::io::poll_read_buf;

/// What is asked for first when something arrives, bytes: enough for what is typed and what is shown of it.
const FIRST: usize = 4 * 1024;
/// What is asked for at most, bytes: a fifth of the system calls, against one for each packet, at this size.
const MOST: usize = 256 * 1024;
/// By how much more is asked for when all that was asked for has come.
const GROWTH: usize = 8;

/// Reads ahead of what is taken. Thousands of connections that wait for something take no memory for it.
pub(super) struct ReadAhead<S> {
    stream: S,
    ahead: BytesMut,
    /// What is asked for next, bytes.
    next: usize,
}

impl<S> ReadAhead<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            ahead: BytesMut::new(),
            next: FIRST,
        }
    }
}

impl<S: AsyncRead + Unpin> ReadAhead<S> {
    /// Reads more, and gives the memory back where there is nothing more yet.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ahead.reserve(self.next);
        let Poll::Ready(read) = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.ahead) else {
            self.ahead = BytesMut::new();
            self.next = FIRST;
            return Poll::Pending;
        };
        if read? >= self.next {
            self.next = (self.next * GROWTH).min(MOST);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadAhead<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            ready!(self.poll_more(cx))?;
        }
        let length = self.ahead.len().min(into.remaining());
        into.put_slice(&self.ahead[..length]);
        self.ahead.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadAhead<S> {
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
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    #[tokio::test]
    async fn all_that_arrives_is_read_in_pieces_of_any_size_until_the_end() {
        let sent: Vec<u8> = (0..=250).cycle().take(3 * MOST).collect();
        let (mut far, near) = duplex(MOST / 2);
        let sending = sent.clone();
        let sender = tokio::spawn(async move { far.write_all(&sending).await.unwrap() });
        let (mut near, mut heard) = (ReadAhead::new(near), Vec::new());
        for length in (0..).map(|round| 1 + round * 997 % 40_000) {
            let mut piece = vec![0; length];
            let read = near.read(&mut piece).await.unwrap();
            if read == 0 {
                break;
            }
            heard.extend_from_slice(&piece[..read]);
        }
        sender.await.unwrap();
        assert!(heard == sent);
    }

    #[tokio::test]
    async fn memory_is_given_back_when_nothing_more_comes() {
        let (mut far, near) = duplex(2 * MOST);
        let mut near = ReadAhead::new(near);
        far.write_all(&vec![0; MOST]).await.unwrap();
        let mut all = vec![0; MOST];
        near.read_exact(&mut all).await.unwrap();
        assert!(near.next > FIRST, "much came, so that more was asked for");
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(1), near.read(&mut all))
                .await
                .is_err()
        );
        assert_eq!((near.ahead.capacity(), near.next), (0, FIRST));
    }
}
