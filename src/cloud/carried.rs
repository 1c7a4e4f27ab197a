//! A request that a task's proxy has carried, in AWS's terms: what metrics, access logs and flow logs are made of.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::mesh::journal::{Line, Size};

/// A service by its name, in its cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ServiceKey {
    pub(crate) cluster: String,
    pub(crate) service: String,
}

/// A task at one end.
#[derive(Clone, Debug)]
pub(crate) struct Party {
    pub(crate) task_id: String,
    pub(crate) task_arn: String,
    pub(crate) service: Option<ServiceKey>,
    pub(crate) cluster: String,
    pub(crate) ip: Ipv4Addr,
    pub(crate) az_id: String,
    pub(crate) subnet_id: String,
    pub(crate) interface_id: String,
    /// Where its proxy logs accesses.
    pub(crate) log: Option<Log>,
}

#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) group: String,
    pub(crate) stream: String,
    pub(crate) is_json: bool,
    pub(crate) with_query: bool,
}

/// A name that a service offers.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) discovery_name: String,
    /// None: TCP.
    pub(crate) app_protocol: Option<String>,
}

/// The endpoint that was called.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// None: none was there, or its task is not known any more.
    pub(crate) party: Option<Arc<Party>>,
    pub(crate) port: u16,
    /// How many endpoints the name has.
    pub(crate) among: u32,
}

/// A request that a proxy has carried.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Whose proxy it was.
    pub(crate) proxy: Arc<Party>,
    pub(crate) name: Name,
    /// None: it came in, at this port, for the proxy's own application.
    pub(crate) target: Option<Target>,
    /// The port of the own application.
    pub(crate) own_port: u16,
    pub(crate) began: Timestamp,
    pub(crate) took: Duration,
    pub(crate) status: u16,
    pub(crate) request: Size,
    pub(crate) response: Size,
    pub(crate) line: Option<Box<Line>>,
}
