//! The connection for reading messages: bounded in memory, and able to read every message.
//!
//! - **Bounded.** AMQP's prefetch counts messages, not bytes, and the client library reads
//!   everything that the broker sends: 200 messages of 16 MiB would fill 3 GiB. The [`Intake`]
//!   counts the bytes read and not yet settled; above its limit nothing is read, and TCP holds the
//!   broker back.
//! - **Able to read.** RabbitMQ adds headers of its own (`x-death`, `x-delivery-count`) to messages
//!   whose headers may already fill a frame, and sends the longer frame all the same; the client
//!   library ends the connection over it. So the library is told a larger frame size than the
//!   broker is. This connection sends nothing larger than an ack: publishing has a connection of
//!   its own.

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::{DummyIO, Task},
};
use futures::{AsyncRead, AsyncWrite, Stream};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, tcp::AMQPUriTcpExt, uri::AMQPUri};

/// Bytes per read: an intake fills in these steps.
const READ: usize = 256 * 1024;
/// Bytes that are read every [`TRICKLE_INTERVAL`] while an intake is full: heartbeats queue behind
/// messages, and the client gives up a connection without heartbeats.
const TRICKLE: usize = 4 * 1024;
const TRICKLE_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes that the broker may add to a frame, besides the keys that a publisher repeated in `CC`.
const ADDED: u32 = 64 * 1024;
/// Longest frame of the handshake that is accepted, in bytes.
const HANDSHAKE: usize = 64 * 1024;

/// Counts the bytes read and not yet settled.
#[derive(Debug)]
pub(crate) struct Intake {
    limit: usize,
    state: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    trickle: bool,
    reader: Option<Waker>,
}

impl Intake {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, Held> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room: messages of this many bytes are settled.
    pub(crate) fn settled(&self, bytes: usize) {
        let mut held = self.state();
        held.bytes = held.bytes.saturating_sub(bytes);
        self.wake(held);
    }

    /// Makes room for a message larger than the limit, and resets the count of bytes that were not
    /// messages. Called when no message that was read is waiting to be handled.
    pub(crate) fn drained(&self) {
        let mut held = self.state();
        held.bytes = 0;
        self.wake(held);
    }

    fn wake(&self, mut held: MutexGuard<'_, Held>) {
        let reader = if held.bytes < self.limit {
            held.reader.take()
        } else {
            None
        };
        drop(held);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Lets a few bytes in, even if the intake is full.
    fn trickle(&self) {
        let mut held = self.state();
        held.trickle = true;
        let reader = held.reader.take();
        drop(held);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// How many bytes may be read now; if none, the reader is woken later.
    fn room(&self, cx: &Context<'_>) -> Option<usize> {
        let mut held = self.state();
        if held.bytes < self.limit {
            return Some(READ);
        }
        if std::mem::take(&mut held.trickle) {
            return Some(TRICKLE);
        }
        held.reader = Some(cx.waker().clone());
        None
    }

    fn read(&self, bytes: usize) {
        self.state().bytes += bytes;
    }
}

/// Opens a connection that only reads messages.
pub(super) async fn connect(
    uri: AMQPUri,
    options: ConnectionProperties,
    intake: Arc<Intake>,
) -> lapin::Result<Connection> {
    let trickling = Arc::downgrade(&intake);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(TRICKLE_INTERVAL).await;
            let Some(intake) = trickling.upgrade() else {
                return; // the connection is gone
            };
            intake.trickle();
        }
    });
    Connection::connector(
        uri,
        Runtime::new(Kit(Tokio::current())),
        async move |uri: AMQPUri, runtime: Runtime<Kit>| {
            // TLS, if the URL asks for it, is below the wire, which sees plain AMQP
            let tokio = Runtime::new(Tokio::current());
            let stream = uri.connect_with_config_async(lapin::tcp::TLSConfig::default(), &tokio);
            let stream = stream.await.map_err(io_error)?;
            drop(runtime);
            Ok(AsyncTcpStream::Plain(Wire::new(stream, intake.clone())))
        },
        options,
    )
    .await
}

fn io_error(error: io::Error) -> lapin::Error {
    error.into()
}

type Tcp = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// tokio's runtime, with our own stream.
#[derive(Debug, Clone)]
struct Kit(Tokio);

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        self.0.block_on(f)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn(f)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(f)
    }
}

impl Reactor for Kit {
    type TcpStream = Wire<Tcp>;
    type Sleep = <Tokio as Reactor>::Sleep;

    #[expect(refining_impl_trait, reason = "nothing is ever registered")]
    fn register<H: io::Read + io::Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<DummyIO> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        std::future::ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// A stream of AMQP frames that limits reading, and whose two ends negotiate different frame sizes.
pub(crate) struct Wire<S> {
    stream: S,
    intake: Arc<Intake>,
    tuning: Tuning,
    /// Bytes read from the broker, not yet passed to the library.
    inward: Vec<u8>,
    /// Bytes taken from the library, not yet written.
    outward: Vec<u8>,
}

/// Progress of the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tuning {
    /// The broker has not yet offered a frame size.
    Awaited,
    /// The broker offered this frame size; the library has not yet answered.
    Offered(u32),
    /// Both have agreed: bytes pass unchanged.
    Done,
}

/// Class and method of `connection.tune` and `connection.tune-ok`.
const TUNE: [u8; 4] = [0, 10, 0, 30];
const TUNE_OK: [u8; 4] = [0, 10, 0, 31];
/// Size of a frame's header (type, channel, payload size), and of the end mark after its payload.
const HEAD: usize = 7;
const END: usize = 1;
/// Position of `frame_max` in the frames of both methods.
const FRAME_MAX: std::ops::Range<usize> = HEAD + 6..HEAD + 10;

/// Length of the frame at the beginning of `bytes`, if it is complete.
fn frame(bytes: &[u8]) -> Option<usize> {
    let size = bytes.get(3..HEAD)?;
    let size = u32::from_be_bytes(size.try_into().ok()?) as usize;
    let length = HEAD + size + END;
    (bytes.len() >= length).then_some(length)
}

fn is_method(frame: &[u8], method: [u8; 4]) -> bool {
    frame.first() == Some(&1) && frame.get(HEAD..HEAD + 4) == Some(&method)
}

fn frame_max(frame: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(frame.get(FRAME_MAX)?.try_into().ok()?))
}

fn set_frame_max(frame: &mut [u8], value: u32) {
    if let Some(place) = frame.get_mut(FRAME_MAX) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The frame size offered to the library: a broker repeats the publisher's keys once, and adds
/// headers of its own.
fn widened(frame_max: u32) -> u32 {
    match frame_max {
        0 => 0, // no limit is no limit
        _ => frame_max.saturating_mul(2).saturating_add(ADDED),
    }
}

impl<S> Wire<S> {
    fn new(stream: S, intake: Arc<Intake>) -> Self {
        Self {
            stream,
            intake,
            tuning: Tuning::Awaited,
            inward: Vec::new(),
            outward: Vec::new(),
        }
    }

    /// How many of the handshake's bytes may be passed to the library: whole frames only.
    fn tune_inward(&mut self) -> usize {
        let mut ready = 0;
        while let (Tuning::Awaited, Some(length)) = (self.tuning, frame(&self.inward[ready..])) {
            let frame = &mut self.inward[ready..ready + length];
            if is_method(frame, TUNE)
                && let Some(offered) = frame_max(frame)
            {
                set_frame_max(frame, widened(offered));
                self.tuning = Tuning::Offered(offered);
            }
            ready += length;
        }
        if self.tuning == Tuning::Awaited {
            ready
        } else {
            self.inward.len()
        }
    }

    /// Rewrites the library's answer to the frame size that the broker offered.
    fn tune_outward(&mut self) {
        let Tuning::Offered(offered) = self.tuning else {
            return;
        };
        let mut at = if self.outward.starts_with(b"AMQP") {
            8
        } else {
            0
        };
        while let Some(length) = self.outward.get(at..).and_then(frame) {
            let frame = &mut self.outward[at..at + length];
            if is_method(frame, TUNE_OK) {
                let accepted = frame_max(frame).unwrap_or(offered);
                set_frame_max(
                    frame,
                    if offered == 0 {
                        accepted
                    } else {
                        offered.min(accepted)
                    },
                );
                self.tuning = Tuning::Done;
                return;
            }
            at += length;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        loop {
            let ready = this.tune_inward().min(buf.len());
            if ready > 0 {
                buf[..ready].copy_from_slice(&this.inward[..ready]);
                this.inward.drain(..ready);
                return Poll::Ready(Ok(ready));
            }
            if this.tuning == Tuning::Awaited {
                let mut chunk = [0; 4096];
                let read = Pin::new(&mut this.stream).poll_read(cx, &mut chunk);
                let read = std::task::ready!(read)?;
                if read == 0 {
                    return Poll::Ready(Ok(0));
                }
                this.inward.extend_from_slice(&chunk[..read]);
                if this.inward.len() > HANDSHAKE {
                    return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                }
                continue;
            }
            let Some(room) = this.intake.room(cx) else {
                return Poll::Pending;
            };
            let most = buf.len().min(room);
            let read = Pin::new(&mut this.stream).poll_read(cx, &mut buf[..most]);
            let read = std::task::ready!(read)?;
            this.intake.read(read);
            return Poll::Ready(Ok(read));
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// Writes the bytes taken from the library.
    fn poll_outward(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outward.is_empty() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.outward);
            let written = std::task::ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.outward.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        std::task::ready!(self.poll_outward(cx))?;
        if self.tuning == Tuning::Done {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        }
        // the library writes whole frames during the handshake: each awaits an answer
        self.outward.extend_from_slice(buf);
        self.tune_outward();
        match self.poll_outward(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(buf.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_outward(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.poll_outward(cx))?;
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, io::Cursor};

    use super::*;

    fn method(method: [u8; 4], frame_max: u32) -> Vec<u8> {
        let mut frame = vec![1, 0, 0, 0, 0, 0, 12];
        frame.extend(method);
        frame.extend([0, 7]);
        frame.extend(frame_max.to_be_bytes());
        frame.extend([0, 60, 0xCE]);
        frame
    }

    #[tokio::test]
    async fn the_library_accepts_a_larger_frame_than_offered() {
        let mut bytes = method([0, 10, 0, 10], 1); // stands for the longer connection.start
        bytes.extend(method(TUNE, 131_072));
        bytes.extend(b"rest");
        let mut wire = Wire::new(Cursor::new(bytes.clone()), Intake::new(1 << 20));
        let mut heard = Vec::new();
        wire.read_to_end(&mut heard).await.unwrap();
        let mut expected = method([0, 10, 0, 10], 1);
        expected.extend(method(TUNE, 131_072 * 2 + ADDED));
        expected.extend(b"rest");
        assert_eq!(heard, expected);

        let mut wire = Wire::new(Cursor::new(Vec::new()), Intake::new(1 << 20));
        wire.tuning = Tuning::Offered(131_072);
        wire.write_all(&method(TUNE_OK, 131_072 * 2 + ADDED))
            .await
            .unwrap();
        wire.write_all(b"open").await.unwrap();
        let mut expected = method(TUNE_OK, 131_072);
        expected.extend(b"open");
        assert_eq!(wire.stream.into_inner(), expected);
    }

    #[tokio::test]
    async fn nothing_is_read_above_the_limit_until_something_is_settled() {
        let intake = Intake::new(10);
        let mut wire = Wire::new(Cursor::new(vec![7; 100]), intake.clone());
        wire.tuning = Tuning::Done;
        let mut buffer = [0; 10];
        assert_eq!(wire.read(&mut buffer).await.unwrap(), 10);
        assert!(wire.read(&mut buffer).now_or_never().is_none());
        intake.settled(4);
        assert_eq!(wire.read(&mut buffer).await.unwrap(), 10);
        assert!(wire.read(&mut buffer).now_or_never().is_none());
        intake.drained();
        assert_eq!(wire.read(&mut buffer).await.unwrap(), 10);
        assert!(wire.read(&mut buffer).now_or_never().is_none());
        intake.trickle();
        assert_eq!(wire.read(&mut buffer).await.unwrap(), 10);
        assert!(wire.read(&mut buffer).now_or_never().is_none());
    }
}
