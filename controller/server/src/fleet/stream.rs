//! A connection after its handshake.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use npanel_consensus::Place;
use npanel_pki::{ChannelBinding, Peer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::oneshot,
    time::{Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Who is on the other end. A request's extensions carry it.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// By the certificate, if one was shown.
    pub(super) peer: Option<Peer>,
    pub(super) address: SocketAddr,
    /// What a proof of a key is bound to, if the connection says.
    pub(super) binding: Option<ChannelBinding>,
}

/// A TLS connection that says when it has ended, and is cut off in time.
pub(super) struct FleetStream {
    inner: TlsStream<TcpStream>,
    caller: Caller,
    /// When it passes, the other end is read as closed.
    cut_off: Pin<Box<Sleep>>,
    /// Among those that show no certificate.
    _place: Option<Place<IpAddr>>,
    /// Dropped with the stream; the receiver then knows.
    _ended: oneshot::Sender<()>,
}

/// Resolves (with an error, which says nothing) when the stream has been dropped.
pub(super) type Ended = oneshot::Receiver<()>;

impl FleetStream {
    /// A stream that is cut off after a while.
    pub(super) fn new(
        inner: TlsStream<TcpStream>,
        caller: Caller,
        stay: Duration,
        place: Option<Place<IpAddr>>,
    ) -> (Self, Ended) {
        let (ended, receiver) = oneshot::channel();
        let cut_off = Box::pin(sleep(stay));
        (Self { inner, caller, cut_off, _place: place, _ended: ended }, receiver)
    }
}

impl Connected for FleetStream {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for FleetStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut_off.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for FleetStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
