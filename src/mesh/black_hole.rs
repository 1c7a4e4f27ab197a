//! Addresses on loopback that keep silent: who connects hears nothing, as behind a security group that lets nothing in.
//!
//! Nobody accepts there, and the one place in the queue is taken: the kernel then drops what comes next, and the connecting
//! side tries again until its patience ends (Linux, `tcp_conn_request`; other systems may let a few connections in, and keep
//! as silent on them).

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::http::{Server, listen_shared};

pub(super) struct BlackHole {
    pub(super) address: SocketAddr,
    _listener: TcpListener,
    /// What takes the place in the queue.
    _filling: AbortOnDropHandle<()>,
}

impl BlackHole {
    /// At a port of the system's choice.
    pub(super) fn open(runtime: &Handle) -> io::Result<Self> {
        let now = CancellationToken::new();
        now.cancel();
        Self::at((Ipv4Addr::LOCALHOST, 0).into(), now, runtime)
    }

    /// At the address of a server whose socket is shared and which is about to drain.
    pub(super) fn in_place_of(server: &Server, address: SocketAddr, runtime: &Handle) -> io::Result<Self> {
        Self::at(address, server.closed(), runtime)
    }

    fn at(address: SocketAddr, alone: CancellationToken, runtime: &Handle) -> io::Result<Self> {
        let _context = runtime.enter();
        let listener = listen_shared(address, 0)?;
        let address = listener.local_addr()?;
        let filling = runtime.spawn(async move {
            // Before, the server might be the one to get the connection.
            alone.cancelled().await;
            // If somebody was quicker, the queue is full as well.
            let _filler = TcpStream::connect(address).await;
            std::future::pending().await
        });
        Ok(Self { address, _listener: listener, _filling: AbortOnDropHandle::new(filling) })
    }
}
