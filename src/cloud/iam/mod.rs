use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::error::AwsError;
use super::protocol::Params;
use super::region::Region;

#[derive(Default)]
pub(crate) struct State {
    roles: BTreeSet<String>,
    instance_profiles: BTreeMap<String, Option<String>>,
}

impl State {
    pub(crate) fn with_article_roles() -> Self {
        Self {
            roles: ["ecsInstanceRole", "ecsTaskExecutionRole"].map(str::to_owned).into(),
            instance_profiles: [("ecsInstanceRole".to_owned(), Some("ecsInstanceRole".to_owned()))].into(),
        }
    }

    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains(name)
    }

    pub(crate) fn has_instance_profile(&self, name: &str) -> bool {
        self.instance_profiles.contains_key(name)
    }
}

pub(crate) fn handle(_region: &mut Region, operation: &str, _params: Params<'_>) -> Result<Value, AwsError> {
    Err(AwsError::unknown_operation("iam", operation))
}
