//! Zones have a name, which each account has its own order of (`us-east-1a`), and an ID, which is the same place for
//! all (`use1-az1`). Subnets and ECS tasks speak names; Service Connect, the demo application and Envoy speak IDs.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

macro_rules! zone_type {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
        #[serde(transparent)]
        pub struct $type(String);

        impl $type {
            pub fn new(zone: impl Into<String>) -> Self {
                Self(zone.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

zone_type!(
    /// The name of an Availability Zone, such as `us-east-1a`.
    AzName
);
zone_type!(
    /// The ID of an Availability Zone, such as `use1-az1`.
    AzId
);

/// What is known of the names and IDs of a region's zones, so that a text can give both.
#[derive(Clone, Debug, Default)]
pub struct ZoneNames(BTreeMap<AzName, AzId>);

impl ZoneNames {
    pub fn new(zones: &BTreeMap<AzName, AzId>) -> Self {
        Self(zones.clone())
    }

    /// A zone as it is shown everywhere, ID first: `use1-az1 (us-east-1a)`; one that is not known as it is given.
    pub fn label(&self, zone: &str) -> String {
        match self.0.iter().find(|(name, id)| name.as_str() == zone || id.as_str() == zone) {
            Some((name, id)) => format!("{id} ({name})"),
            None => zone.to_owned(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&AzName, &AzId)> {
        self.0.iter()
    }
}
