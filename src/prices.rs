//! List prices that more than one part reckons with, in USD, of us-east-1.

/// A month's hours, as AWS's price list has them.
pub(crate) const HOURS_PER_MONTH: f64 = 730.0;

/// A vCPU and a GB of memory of a task on Fargate for an hour, Linux on x86 (AWS's page "AWS Fargate Pricing", November 2026).
const FARGATE_VCPU: f64 = 0.04048;
const FARGATE_GIGABYTE: f64 = 0.004445;

/// What a task of this size costs on Fargate for an hour.
pub(crate) fn fargate_task(vcpus: f64, gigabytes: f64) -> f64 {
    vcpus * FARGATE_VCPU + gigabytes * FARGATE_GIGABYTE
}

/// What Logs Insights takes for a GB (10⁹ bytes) that a query reads (AWS's page "Amazon CloudWatch Pricing", November 2026).
pub(crate) const LOGS_INSIGHTS_GB: f64 = 0.005;
