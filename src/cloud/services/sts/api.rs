//! The operations of AWS STS.

use crate::cloud::service::Operation;

pub(super) const OPERATIONS: &[Operation] = &[Operation::read("GetCallerIdentity", "", super::get_caller_identity)];
