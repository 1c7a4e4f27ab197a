//! A task definition as it is registered: the document that a template renders to, with all that `RegisterTaskDefinition` takes.

use serde_json::{Map, Value, json};

use super::task_spec::{TaskSpec, fields};
use crate::settings::OWNER_TAG;

/// The members of `RegisterTaskDefinitionRequest` and of `ContainerDefinition` (ECS API Reference). AWS passes over a member
/// that it does not know, so that what is misspelled would never be missed.
const MEMBERS: &str = "containerDefinitions cpu enableFaultInjection ephemeralStorage executionRoleArn family \
                       inferenceAccelerators ipcMode memory networkMode pidMode placementConstraints proxyConfiguration \
                       requiresCompatibilities runtimePlatform tags taskRoleArn volumes";
const CONTAINER_MEMBERS: &str = "command cpu credentialSpecs dependsOn disableNetworking dnsSearchDomains dnsServers \
                                 dockerLabels dockerSecurityOptions entryPoint environment environmentFiles essential \
                                 extraHosts firelensConfiguration healthCheck hostname image interactive links \
                                 linuxParameters logConfiguration memory memoryReservation mountPoints name portMappings \
                                 privileged pseudoTerminal readonlyRootFilesystem repositoryCredentials \
                                 resourceRequirements restartPolicy secrets startTimeout stopTimeout systemControls \
                                 ulimits user versionConsistency volumesFrom workingDirectory";

/// The tag of a task definition that has more than a [`TaskSpec`] tells, or less: what it was made of. A revision never
/// changes, so that an equal digest means an equal definition.
pub(super) const DIGEST_TAG: &str = "zonewalk:task-definition";

pub(super) struct Document {
    members: Map<String, Value>,
    pub(super) spec: TaskSpec,
    /// None: the spec tells it all.
    pub(super) digest: Option<String>,
}

impl Document {
    /// Reads a rendered template. Fails with what it cannot be registered for.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        check_members("RegisterTaskDefinition", &members, MEMBERS)?;
        let containers = members.get("containerDefinitions").and_then(Value::as_array);
        for container in containers.into_iter().flatten().filter_map(Value::as_object) {
            check_members("a container definition", container, CONTAINER_MEMBERS)?;
        }
        let document = Value::Object(members.clone());
        let spec: TaskSpec = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
        if spec.family.is_empty() {
            return Err("it names no family".to_owned());
        }
        let digest = (fields(&document) != spec.fields()).then(|| digest(&document));
        Ok(Self { members, spec, digest })
    }

    pub(super) fn value(&self) -> Value {
        Value::Object(self.members.clone())
    }

    /// The body of a request that registers it, for this owner.
    pub(super) fn request(&self, owner: &str) -> String {
        let mut members = self.members.clone();
        let mut tags = members.get("tags").and_then(Value::as_array).cloned().unwrap_or_default();
        tags.push(json!({ "key": OWNER_TAG, "value": owner }));
        tags.extend(self.digest.iter().map(|digest| json!({ "key": DIGEST_TAG, "value": digest })));
        members.insert("tags".to_owned(), tags.into());
        Value::Object(members).to_string()
    }
}

fn check_members(what: &str, given: &Map<String, Value>, known: &str) -> Result<(), String> {
    match given.keys().find(|member| !known.split_whitespace().any(|name| name == *member)) {
        Some(member) => Err(format!("{what} has no member `{member}`")),
        None => Ok(()),
    }
}

/// Of a document's values, in whatever order: FNV-1a, which is the same on every machine.
fn digest(document: &Value) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for (path, value) in fields(document) {
        for byte in path.bytes().chain([0]).chain(value.bytes()).chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_spec_does_not_tell_has_a_digest() {
        let of = |container: &str| {
            Document::parse(&format!(
                r#"{{ "family": "f", "containerDefinitions": [{{ "name": "c", {container} }}] }}"#
            ))
        };
        let environment =
            |value: &str| of(&format!(r#""environment": [{{ "name": "a", "value": "{value}" }}]"#)).unwrap();
        assert!(environment("1").digest.is_some());
        assert_eq!(environment("1").digest, environment("1").digest);
        assert_ne!(environment("1").digest, environment("2").digest);
        let refused = of(r#""enviroment": []"#).err().unwrap();
        assert_eq!(refused, "a container definition has no member `enviroment`");
        assert!(Document::parse("{}").err().unwrap().contains("family"));
    }
}
