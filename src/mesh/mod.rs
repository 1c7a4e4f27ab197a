//! The local data plane: every running task is a real HTTP server on loopback behind a real sidecar proxy, every load
//! balancer a real one. The cloud says what should run ([`topology`]); nothing here knows of AWS's API.

pub mod topology;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use topology::Topology;

/// The local data plane. Cheap to clone; the last clone's drop, or [`Mesh::shutdown`], stops every server of it.
#[derive(Clone)]
pub struct Mesh {
    state: Arc<Mutex<State>>,
    #[expect(dead_code, reason = "servers are spawned on it")]
    handle: tokio::runtime::Handle,
}

#[derive(Default)]
struct State {
    load_balancers: HashMap<String, TcpListener>,
}

/// What a load balancer's health checks say of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetHealth {
    Healthy,
    Unhealthy { reason: UnhealthyReason },
}

/// Why a target is unhealthy; [`UnhealthyReason::code`] and its `Display` are AWS's `Reason` and `Description`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnhealthyReason {
    #[error("Health checks failed with these codes: [{0}]")]
    ResponseCodeMismatch(u16),
    #[error("Request timed out")]
    Timeout,
    #[error("Health checks failed")]
    FailedHealthChecks,
}

impl UnhealthyReason {
    /// The `Reason` of `DescribeTargetHealth`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ResponseCodeMismatch(_) => "Target.ResponseCodeMismatch",
            Self::Timeout => "Target.Timeout",
            Self::FailedHealthChecks => "Target.FailedHealthChecks",
        }
    }
}

impl Mesh {
    /// A mesh with nothing in it, whose servers will run on `handle`.
    pub fn new(handle: tokio::runtime::Handle) -> Self {
        Self { state: Arc::default(), handle }
    }

    /// Makes the whole wanted state so. On return the sockets of new tasks are bound and every sidecar and load
    /// balancer picks from the new endpoints; removed tasks stop accepting and finish what is in flight.
    ///
    /// A load balancer that an earlier topology had and this one has not is closed.
    pub fn apply(&self, _topology: &Topology) -> io::Result<()> {
        Ok(())
    }

    /// Binds the listener of a load balancer, at its creation: its `DNSName` is this address. The same ARN gets the
    /// same address again. It answers 503 until a topology gives it targets.
    pub fn open_load_balancer(&self, arn: &str) -> io::Result<SocketAddr> {
        let mut state = self.state();
        if let Some(listener) = state.load_balancers.get(arn) {
            return listener.local_addr();
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        state.load_balancers.insert(arn.to_owned(), listener);
        Ok(address)
    }

    /// What the load balancer's own health checks last said; `None`: not known yet, or no such target.
    pub fn target_health(&self, _target_group_arn: &str, _ip: Ipv4Addr, _port: u16) -> Option<TargetHealth> {
        None
    }

    /// Why a task's container exited, if it did: a command that the app does not understand.
    pub fn task_failure(&self, _task_arn: &str) -> Option<String> {
        None
    }

    /// The `/stats` text of a task's sidecar, as Envoy's admin endpoint writes it. `None`: no such task, or no sidecar.
    pub fn envoy_stats(&self, _task_arn: &str) -> Option<String> {
        None
    }

    /// Stops everything: no more accepting, what is in flight may finish for a moment, then all is gone.
    pub async fn shutdown(&self) {
        self.state().load_balancers.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
