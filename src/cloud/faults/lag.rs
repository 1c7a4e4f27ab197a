//! Eventual consistency: after a change, reads of its service answer as before it for a while. What was to be seen before
//! the change stays so, and what came after it comes into sight with it: time never runs backwards for a reader.

use tokio::time::Instant;

use super::Extent;
use crate::cloud::region::Region;
use crate::cloud::services::{autoscaling, ec2, ecs, elbv2, iam, logs, servicediscovery, ssm};
use crate::cloud::wire::Service;

/// A service as it was.
pub(crate) enum Snapshot {
    AutoScaling(autoscaling::State),
    Ec2(ec2::State),
    Ecs(ecs::State),
    Elbv2(elbv2::State),
    Iam(iam::State),
    Logs(logs::State),
    CloudMap(servicediscovery::State),
    Ssm(ssm::State),
    /// It has no state that changes.
    Of(Service),
}

impl Snapshot {
    pub(crate) fn of(region: &Region, service: Service) -> Self {
        match service {
            Service::AutoScaling => Self::AutoScaling(region.autoscaling.clone()),
            Service::Ec2 => Self::Ec2(region.ec2.clone()),
            Service::Ecs => Self::Ecs(region.ecs.clone()),
            Service::Elbv2 => Self::Elbv2(region.elbv2.clone()),
            Service::Iam => Self::Iam(region.iam().clone()),
            Service::Logs => Self::Logs(region.logs.clone()),
            Service::CloudMap => Self::CloudMap(region.servicediscovery.clone()),
            Service::Ssm => Self::Ssm(region.ssm.clone()),
            Service::Quotas | Service::Sts => Self::Of(service),
        }
    }

    fn service(&self) -> Service {
        match self {
            Self::AutoScaling(_) => Service::AutoScaling,
            Self::Ec2(_) => Service::Ec2,
            Self::Ecs(_) => Service::Ecs,
            Self::Elbv2(_) => Service::Elbv2,
            Self::Iam(_) => Service::Iam,
            Self::Logs(_) => Service::Logs,
            Self::CloudMap(_) => Service::CloudMap,
            Self::Ssm(_) => Service::Ssm,
            Self::Of(service) => *service,
        }
    }

    /// Exchanges the present and the past.
    fn swap(&mut self, region: &mut Region) {
        match self {
            Self::AutoScaling(state) => std::mem::swap(state, &mut region.autoscaling),
            Self::Ec2(state) => std::mem::swap(state, &mut region.ec2),
            Self::Ecs(state) => std::mem::swap(state, &mut region.ecs),
            Self::Elbv2(state) => std::mem::swap(state, &mut region.elbv2),
            Self::Iam(state) => std::mem::swap(state, &mut region.iam()),
            Self::Logs(state) => std::mem::swap(state, &mut region.logs),
            Self::CloudMap(state) => std::mem::swap(state, &mut region.servicediscovery),
            Self::Ssm(state) => std::mem::swap(state, &mut region.ssm),
            Self::Of(_) => {}
        }
    }
}

/// The changes of a region that are not seen yet, oldest first.
#[derive(Default)]
pub(crate) struct Lags(Vec<Lag>);

struct Lag {
    before: Snapshot,
    reads_left: u64,
    until: Option<Instant>,
}

impl Lags {
    /// Reads of the service answer with `before` for that long.
    pub(crate) fn begin(&mut self, before: Snapshot, extent: Extent) {
        let (reads_left, until) = match extent {
            Extent::Calls(calls) => (calls, None),
            Extent::Time(time) => (u64::MAX, Some(Instant::now() + time)),
        };
        self.0.push(Lag { before, reads_left, until });
    }

    /// The oldest past that reads of a service are still in.
    fn take(&mut self, service: Service) -> Option<Lag> {
        let now = Instant::now();
        self.0.retain(|lag| lag.reads_left > 0 && lag.until.is_none_or(|until| now < until));
        let oldest = self.0.iter().position(|lag| lag.before.service() == service)?;
        let mut lag = self.0.remove(oldest);
        lag.reads_left -= 1;
        Some(lag)
    }
}

impl Region {
    /// Runs `read` on the service as its readers see it now.
    pub(crate) fn as_seen<T>(&mut self, service: Service, read: impl FnOnce(&mut Self) -> T) -> T {
        let Some(mut lag) = self.lags.take(service) else { return read(self) };
        lag.before.swap(self);
        let result = read(self);
        lag.before.swap(self);
        self.lags.0.insert(0, lag);
        result
    }
}

/// Whether an operation only looks.
pub(crate) fn is_read(operation: &str) -> bool {
    ["Describe", "Discover", "Get", "List"].iter().any(|start| operation.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_hidden_for_a_time_comes_into_sight_after_it() {
        let mut lags = Lags::default();
        let time = std::time::Duration::from_millis(100);
        lags.begin(Snapshot::Of(Service::Quotas), Extent::Time(time));
        for passed in [0, 60, 39] {
            tokio::time::advance(std::time::Duration::from_millis(passed)).await;
            assert!(lags.take(Service::Sts).is_none());
            let lag = lags.take(Service::Quotas).unwrap();
            lags.0.push(lag);
        }
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
        assert!(lags.take(Service::Quotas).is_none());
    }
}
