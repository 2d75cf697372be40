//! A connection that does not wait for ever for a client to take its answer, and whose last answer arrives.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// How long somebody is listened to after the last answer, at most.
const LINGER: Duration = Duration::from_secs(2);
/// The same where nothing comes.
const QUIET: Duration = Duration::from_millis(200);
/// Bytes that are read at a time of what nobody wants.
const UNWANTED: usize = 8 * 1024;

/// Takes what still comes after the last answer and throws it away, until the other side ends, falls silent or goes on too
/// long.
///
/// Closing a connection on which something has come that nobody has read makes the system throw away our answer, on the
/// other side too: who is refused in the middle of a long body would only see a connection that broke.
pub(super) struct Linger {
    end: Instant,
    quiet: Pin<Box<Sleep>>,
}

impl Linger {
    pub(super) fn new() -> Self {
        Self {
            end: Instant::now() + LINGER,
            quiet: Box::pin(sleep(QUIET)),
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>, stream: &mut TcpStream) -> Poll<()> {
        let mut room = [MaybeUninit::uninit(); UNWANTED];
        loop {
            let mut unwanted = ReadBuf::uninit(&mut room);
            match Pin::new(&mut *stream).poll_read(cx, &mut unwanted) {
                Poll::Ready(Ok(())) if !unwanted.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= self.end {
                        return Poll::Ready(());
                    }
                    self.quiet.as_mut().reset(self.end.min(now + QUIET));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.quiet.as_mut().poll(cx),
            }
        }
    }
}

/// A stream whose writing fails once the other side has taken nothing for a while.
///
/// An answer may be some megabytes, and stays in memory until it is taken: clients that ask and never read would
/// otherwise fill it.
pub(super) struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    waits: Option<Pin<Box<Sleep>>>,
    /// Begins with the end of the last answer.
    linger: Option<Linger>,
}

impl Patient {
    pub(super) fn new(stream: TcpStream, patience: Duration) -> Self {
        Self {
            stream,
            patience,
            waits: None,
            linger: None,
        }
    }

    /// What a write came to, or an error where it has waited too long.
    fn within<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.waits = None;
            return outcome;
        }
        let patience = self.patience;
        let waits = self.waits.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(waits.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.within(cx, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.within(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let linger = this.linger.get_or_insert_with(Linger::new);
        linger.poll(cx, &mut this.stream).map(Ok)
    }
}
