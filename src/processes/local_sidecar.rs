//! A sidecar proxy as a program of its own, beside an application of the user's.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::mesh::standalone::{self, Inbound, Tcp};

/// Why a sidecar does not run.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] standalone::Error);

/// What a sidecar listens at, and what it knows.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct Serving {
    /// Its own zone.
    pub zone: String,
    /// Where the application's requests to client aliases come in.
    pub outbound: Option<SocketAddr>,
    /// The listeners in the place of the application's ports.
    pub inbound: Vec<InPlaceOf>,
    /// The listeners for upstreams whose protocol is TCP.
    pub tcp: Vec<TcpUpstream>,
    /// The Unix socket of the admin interface.
    pub admin: Option<PathBuf>,
    #[serde(flatten)]
    pub known: Known,
}

/// How much a sidecar knows.
#[derive(Clone, Copy, Debug, JsonSchema, Serialize)]
pub struct Known {
    /// How many services the application can call.
    pub upstreams: usize,
    /// How many endpoints they have together.
    pub endpoints: usize,
}

/// A listener in the place of one of the application's ports.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct InPlaceOf {
    /// The address that it listens at.
    pub listen: SocketAddr,
    /// The application's own address.
    pub application: SocketAddr,
}

/// Where the application connects to an upstream whose protocol is TCP.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct TcpUpstream {
    /// The address that is listened at.
    pub listen: SocketAddr,
    /// The upstream's name.
    pub upstream: String,
}

impl From<&standalone::Serving> for Serving {
    fn from(serving: &standalone::Serving) -> Self {
        let standalone::Serving { zone, outbound, inbound, tcp, admin, known } = serving.clone();
        let in_place_of = |Inbound { listen, application, .. }| InPlaceOf { listen, application };
        let inbound = inbound.into_iter().map(in_place_of).collect();
        let tcp = tcp.into_iter().map(|Tcp { listen, upstream, .. }| TcpUpstream { listen, upstream }).collect();
        Self { zone, outbound, inbound, tcp, admin, known: known.into() }
    }
}

impl From<standalone::Known> for Known {
    fn from(standalone::Known { upstreams, endpoints }: standalone::Known) -> Self {
        Self { upstreams, endpoints }
    }
}

/// What has become of a change of the configuration.
#[derive(Clone, Debug)]
pub enum Change {
    /// It applies: so much is known now.
    Applied(Known),
    /// All is as it was before, for this reason.
    Refused(String),
}

/// Runs a sidecar as its file says until `stop` is cancelled. `ready` is told when it listens, and `changed` of each change of the
/// file.
pub async fn serve(
    config: &Path,
    ready: impl FnOnce(&Serving),
    changed: impl Fn(Change),
    stop: CancellationToken,
) -> Result<(), Error> {
    let ready = |serving: &standalone::Serving| ready(&Serving::from(serving));
    let changed = |change: &standalone::Change| {
        changed(match change {
            standalone::Change::Applied(known) => Change::Applied((*known).into()),
            standalone::Change::Refused(reason) => Change::Refused(reason.clone()),
        });
    };
    Ok(standalone::serve(config, ready, changed, stop).await?)
}
