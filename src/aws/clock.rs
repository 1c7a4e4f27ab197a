//! The cloud's clock, read from its answers: what AWS dates is compared with it and not with this machine's, which may be
//! minutes off.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};

/// How far the clocks may differ without being taken to: answers tell whole seconds, and take a while to come.
const TOLERANCE: i64 = 3;

/// How far the cloud's clock is ahead of this machine's, by its last answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// In seconds; negative: it is behind.
    pub(crate) fn ahead(&self) -> f64 {
        let ahead = self.0.load(Ordering::Relaxed);
        // Clocks differ by centuries at most.
        if ahead.abs() <= TOLERANCE { 0.0 } else { ahead as f64 }
    }
}

impl Intercept for Clock {
    fn name(&self) -> &'static str {
        "zonewalk's view of the cloud's clock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        if let Some(date) = date.and_then(|date| DateTime::from_str(date, DateTimeFormat::HttpDate).ok()) {
            self.0.store(date.secs() - DateTime::from(SystemTime::now()).secs(), Ordering::Relaxed);
        }
        Ok(())
    }
}
