//! The operations of Service Quotas.

use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[Operation::read("GetServiceQuota", "ServiceCode QuotaCode", super::get)];
