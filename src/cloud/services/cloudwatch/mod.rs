//! Amazon CloudWatch: the metrics of Service Connect and of ECS's services, by the minute, from what the sidecars carry.

mod api;
mod list;
mod metrics;
mod query;
mod seed;

use jiff::Timestamp;

use crate::cloud::carried::ServiceKey;
use crate::cloud::error::Words;
use crate::cloud::region::Region;
use crate::cloud::service::Service;
use crate::cloud::services::{ec2, ecs, logs};
use crate::cloud::wire::Encoding;
use metrics::Metrics;
pub(crate) use seed::{Seed, seed};

#[derive(Clone, Default)]
pub(crate) struct State {
    metrics: Metrics,
}

impl Region {
    fn cloudwatch(&self) -> &State {
        self.states.get()
    }

    fn cloudwatch_mut(&mut self) -> &mut State {
        self.states.get_mut()
    }
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "monitoring",
    iam_name: Some("cloudwatch"),
    target_prefix: Some("GraniteServiceVersion20100801"),
    // Older clients speak Query, newer ones CBOR or JSON, and read Query's codes in a header.
    encoding: Encoding::Query("http://monitoring.amazonaws.com/doc/2010-08-01/"),
    has_query_codes: true,
    words: Words { failure: ("InternalServiceError", "InternalServiceError"), ..Words::QUERY },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    new_state: |_| Some(Box::new(State::default())),
    reconcile,
    ..Service::PLAIN
};

/// Counts what has been carried since the last time, for CloudWatch and for the logs, and how many tasks each service has.
fn reconcile(region: &mut Region) {
    let carried = region.mesh.take_carried();
    let exchanges = ecs::exchanges(region, carried);
    for exchange in &exchanges {
        region.cloudwatch_mut().metrics.count(exchange);
    }
    let minute = minute_of(Timestamp::now());
    // Asked after every request: only what is new is kept.
    if region.cloudwatch().metrics.is_news(minute, ecs::live_task_counts(region)) {
        let key =
            |cluster: &str, service: &str| ServiceKey { cluster: cluster.to_owned(), service: service.to_owned() };
        let counts = ecs::live_task_counts(region).map(|(cluster, service, count)| (key(cluster, service), count));
        let counts = counts.collect();
        region.cloudwatch_mut().metrics.gauge(minute, counts);
    }
    logs::write_accesses(region, &exchanges);
    ec2::record_flows(region, &exchanges);
}

/// Forgets how many tasks a service had while it began, since it is to have begun long ago.
pub(crate) fn forget_beginning(region: &mut Region, service: &ServiceKey) {
    region.cloudwatch_mut().metrics.forget_live(service);
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}
