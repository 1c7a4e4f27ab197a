//! A namespace that another account shares by AWS RAM, with services and instances of its own (Cloud Map Developer Guide, "Shared
//! AWS Cloud Map namespaces"). No API of this account makes it.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::instances::Instance;
use super::namespaces::{self, OTHER_ACCOUNT};
use super::services;
use crate::cloud::region::Region;

/// Asks for a shared namespace.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Shared {
    pub(crate) region: String,
    /// The namespace's.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) services: Vec<SharedService>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SharedService {
    pub(crate) name: String,
    /// The attributes of each instance: `AWS_INSTANCE_IPV4` and what else.
    #[serde(default)]
    pub(crate) instances: Vec<Map<String, Value>>,
}

/// Makes the namespace and what is in it, and gives its ARN. Nothing runs for its instances.
pub(crate) fn share(region: &mut Region, shared: &Shared) -> Result<String, String> {
    let namespace = namespaces::add_shared(region, &shared.name)?;
    let (id, arn) = (namespace.id.clone(), namespace.arn.clone());
    for service in &shared.services {
        let instances = service.instances.iter();
        let instances = instances
            .map(|attributes| Instance {
                id: region.ids.hex(32),
                attributes: attributes.clone(),
                created_by: OTHER_ACCOUNT,
            })
            .collect();
        services::add_shared(region, &id, &service.name, instances);
    }
    Ok(arn)
}
