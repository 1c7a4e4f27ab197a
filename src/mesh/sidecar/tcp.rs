//! What is carried as it is, TCP: a connection, not each request, is balanced, and stays with its endpoint.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hyper::StatusCode;

use super::cluster::{Cluster, Endpoint};
use super::retry::RETRIES;
use crate::http::{Pool, TcpConnection, join};

impl Cluster {
    /// Carries a connection to an endpoint that takes it, and ends it if none does: "The second attempt avoids using the host from the
    /// previous connection" (ECS Developer Guide, Service Connect).
    pub(super) async fn carry(&self, client: TcpConnection) {
        let mut failed: [Option<Arc<Endpoint>>; RETRIES as usize] = Default::default();
        for attempt in 0..=RETRIES as usize {
            let Some(endpoint) = self.pick(failed.iter().flatten()) else {
                tracing::debug!(cluster = &*self.name, "a connection has no healthy endpoint to go to");
                return;
            };
            match endpoint.pool.connect().await {
                Ok((stream, _counted)) => {
                    self.stats.rq_total.fetch_add(1, Relaxed);
                    self.observe(&endpoint, StatusCode::OK);
                    return join(client, stream).await;
                }
                Err(error) => {
                    tracing::debug!(cluster = &*self.name, "failed to connect: {error}");
                    // Envoy, too, counts it as a 503.
                    self.observe(&endpoint, StatusCode::SERVICE_UNAVAILABLE);
                    if let Some(place) = failed.get_mut(attempt) {
                        *place = Some(endpoint);
                    }
                }
            }
        }
    }
}

/// Carries a connection to the application.
pub(super) async fn carry(client: TcpConnection, application: &Pool) {
    match application.connect().await {
        Ok((stream, _counted)) => join(client, stream).await,
        Err(error) => tracing::debug!("failed to connect to the application: {error}"),
    }
}
