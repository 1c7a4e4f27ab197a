//! Key pairs, of which the account has none: nobody logs in to an instance here.

use serde_json::{Value, json};

use super::resources::{Filter, Kind, NAMESAKE, Resource, described};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::Params;

/// There is no value of this type.
enum KeyPair {}

impl Resource for KeyPair {
    const KIND: Kind = Kind {
        prefix: "key",
        resource_type: "key-pair",
        malformed: "InvalidKeyPair.Format",
        not_found: "InvalidKeyPair.NotFound",
        words: ("The key pair '", "' does not exist"),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[("fingerprint key-name key-pair-id", NAMESAKE)];

    fn id(&self) -> &str {
        match *self {}
    }

    fn wire(&self, _: &Region) -> Value {
        match *self {}
    }
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    if let Some(name) = params.strings("KeyName").first() {
        return Err(not_found(name));
    }
    Ok(json!({ "keySet": described::<KeyPair>(region, &[], &params.strings("KeyPairId"), params)? }))
}

/// A launch with a key pair is refused in the same words (hashicorp/vault-guides#260).
pub(super) fn not_found(name: &str) -> AwsError {
    KeyPair::KIND.not_found(name)
}
