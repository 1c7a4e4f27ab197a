//! Attempts that failed, as they happen: the SDK sends a request again without a word.

use aws_sdk_sts::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;

/// Logs each attempt that failed. Whose it is, is in the log's span.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedAttempts;

impl Intercept for FailedAttempts {
    fn name(&self) -> &'static str {
        "zonewalk's log of failed attempts"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(Err(error)) = context.output_or_error() {
            let status = context.response().map(|response| response.status().as_u16());
            let request_id = context.response().and_then(|response| {
                let headers = response.headers();
                headers.get("x-amzn-requestid").or_else(|| headers.get("x-amz-request-id"))
            });
            let error = error.as_operation_error().map_or("no answer".to_owned(), ToString::to_string);
            // The SDK's words for a code that its model of the operation does not list.
            let error = error.trim_start_matches("unhandled error ");
            tracing::debug!(status, request_id, error, "an attempt failed");
        }
        Ok(())
    }
}
