//! AWS IAM: roles, their policies, and the instance profiles that carry roles to instances.
//!
//! The caller is the account's root, whose permissions are not checked, unless a policy is to be rehearsed.

mod api;
mod conditions;
mod instance_profiles;
mod limits;
mod policies;
mod roles;
mod simulation;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hyper::StatusCode;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};

pub(crate) use self::conditions::{Fact, Facts};
use self::instance_profiles::InstanceProfile;
use self::roles::Role;
use self::simulation::Decision;
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::{AwsError, Words};
use crate::cloud::ids::Ids;
use crate::cloud::region::Region;
use crate::cloud::service::{Answer, Service};
use crate::cloud::wire::tags::{Tags, UPPER};
use crate::cloud::wire::{Encoding, Params};

#[derive(Clone, Default)]
pub(crate) struct State {
    /// The roles by name, as AWS lists them.
    roles: BTreeMap<String, Role>,
    instance_profiles: BTreeMap<String, InstanceProfile>,
    /// The name of the role that all calls are made in; without one they are made as the account's root.
    caller: Option<String>,
    /// The services that have their service-linked role, by their signing names.
    pub(crate) service_linked_roles: BTreeSet<&'static str>,
}

/// The state of IAM, which is the account's and not a region's: every region holds a handle of it.
pub(crate) struct Account(Arc<Mutex<State>>);

impl Account {
    /// With the two roles that the article takes for granted, unless the account is to be bare. Fails if what
    /// callers are to be held to is not a policy.
    pub(crate) fn new(bare: bool, policy: Option<&str>) -> Result<Self, AwsError> {
        let mut state = if bare { State::default() } else { State::with_article_roles() };
        if let Some(policy) = policy {
            state.rehearse(policy)?;
        }
        Ok(Self(Arc::new(Mutex::new(state))))
    }

    pub(crate) fn handle(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }
}

/// A copy of the state, as a snapshot has it; [`Account::handle`] gives the same one once more.
impl Clone for Account {
    fn clone(&self) -> Self {
        Self(Arc::new(Mutex::new(self.lock().clone())))
    }
}

impl Region {
    pub(crate) fn iam(&self) -> MutexGuard<'_, State> {
        self.states.get::<Account>().lock()
    }
}

/// The role of a caller whose policy is rehearsed.
const REHEARSED_ROLE: &str = "rehearsed";

impl State {
    /// What the article takes for granted: a role and instance profile for instances, which may join clusters and be
    /// reached by SSM, and a role with which ECS starts tasks.
    fn with_article_roles() -> Self {
        let service_linked_roles = ["autoscaling", "ecs", "elasticloadbalancing"].into_iter().collect();
        let mut state = Self { service_linked_roles, ..Self::default() };
        let mut ids = Ids::from_entropy();
        let mut instances = Role::new(&mut ids, "ecsInstanceRole", roles::trusting("ec2.amazonaws.com"));
        instances.attach("service-role/AmazonEC2ContainerServiceforEC2Role");
        instances.attach("AmazonSSMManagedInstanceCore");
        let mut tasks = Role::new(&mut ids, "ecsTaskExecutionRole", roles::trusting("ecs-tasks.amazonaws.com"));
        tasks.attach("service-role/AmazonECSTaskExecutionRolePolicy");
        // Without it the article's `awslogs-create-group` fails, as it does with the managed policy alone.
        tasks.put_inline("create-log-groups", policies::allowing("logs:CreateLogGroup"));
        let mut profile = InstanceProfile::new(&mut ids, "ecsInstanceRole");
        profile.role = Some(instances.name.clone());
        state.instance_profiles.insert(profile.name.clone(), profile);
        for role in [instances, tasks] {
            state.roles.insert(role.name.clone(), role);
        }
        state
    }

    /// From now on calls are made in a role with this policy alone. Fails if it is not a policy.
    fn rehearse(&mut self, policy: &str) -> Result<(), AwsError> {
        policies::check_document(policy)?;
        let trust_policy = roles::trusting("ec2.amazonaws.com");
        let mut role = Role::new(&mut Ids::from_entropy(), REHEARSED_ROLE, trust_policy);
        role.put_inline("policy", policy.to_owned());
        self.caller = Some(role.name.clone());
        self.roles.insert(role.name.clone(), role);
        Ok(())
    }

    /// As STS names the caller.
    pub(crate) fn caller_arn(&self) -> String {
        match &self.caller {
            None => format!("arn:aws:iam::{ACCOUNT_ID}:root"),
            Some(role) => format!("arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role}/zonewalk"),
        }
    }

    /// Whether the caller may take the action on this resource, or on some, in a request of which these facts are known.
    pub(crate) fn allows(&self, action: &str, resource: Option<&str>, facts: &Facts<'_>) -> bool {
        let role = self.caller.as_ref().and_then(|role| self.roles.get(role));
        role.is_none_or(|role| simulation::decide(role, action, resource, facts).0 == Decision::Allowed)
    }

    /// Whether whoever acts in the role of an instance profile may take the action on this resource.
    pub(crate) fn profile_allows(&self, profile: &str, action: &str, resource: &str, facts: &Facts<'_>) -> bool {
        let role = self.role_of_instance_profile(profile).and_then(|role| self.roles.get(role));
        role.is_some_and(|role| simulation::decide(role, action, Some(resource), facts).0 == Decision::Allowed)
    }

    pub(crate) fn role_arn(&self, name: &str) -> Option<String> {
        self.roles.get(name).map(Role::arn)
    }

    pub(crate) fn has_role(&self, name: &str) -> bool {
        self.roles.contains_key(name)
    }

    pub(crate) fn has_instance_profile(&self, name: &str) -> bool {
        self.instance_profiles.contains_key(name)
    }

    /// The role that instances with this profile act in.
    pub(crate) fn role_of_instance_profile(&self, name: &str) -> Option<&str> {
        self.instance_profiles.get(name)?.role.as_deref()
    }

    fn role(&self, params: Params<'_>) -> Result<&Role, AwsError> {
        let name = params.str("RoleName")?;
        self.roles.get(name).ok_or_else(|| roles::not_found(name))
    }

    fn role_mut(&mut self, params: Params<'_>) -> Result<&mut Role, AwsError> {
        let name = params.str("RoleName")?;
        self.roles.get_mut(name).ok_or_else(|| roles::not_found(name))
    }

    fn instance_profile(&self, params: Params<'_>) -> Result<&InstanceProfile, AwsError> {
        let name = params.str("InstanceProfileName")?;
        self.instance_profiles.get(name).ok_or_else(|| instance_profiles::not_found(name))
    }

    fn instance_profile_mut(&mut self, params: Params<'_>) -> Result<&mut InstanceProfile, AwsError> {
        let name = params.str("InstanceProfileName")?;
        self.instance_profiles.get_mut(name).ok_or_else(|| instance_profiles::not_found(name))
    }
}

fn tags_answer(tags: &Tags) -> Value {
    json!({ "Tags": tags.to_list(UPPER) })
}

fn tag(tags: &mut Tags, params: Params<'_>) -> Answer {
    let mut more = tags.clone();
    more.extend(limits::tags(params)?);
    if more.len() > limits::MOST_TAGS {
        // IAM and STS quotas: "Tags that can be attached to an IAM role".
        return Err(conflict("LimitExceeded", format!("Cannot exceed quota for TagsPerRole: {}", limits::MOST_TAGS)));
    }
    *tags = more;
    Ok(Value::Null)
}

fn untag(tags: &mut Tags, params: Params<'_>) -> Answer {
    tags.remove(&params.strings("TagKeys"));
    Ok(Value::Null)
}

/// Whether a path is below the one that a request asks for.
fn in_path(path: &str, params: Params<'_>) -> bool {
    path.starts_with(params.opt_str("PathPrefix").unwrap_or("/"))
}

fn no_such_entity(message: impl Into<String>) -> AwsError {
    AwsError::new("NoSuchEntity", message).with_status(StatusCode::NOT_FOUND)
}

fn conflict(code: &str, message: impl Into<String>) -> AwsError {
    AwsError::new(code, message).with_status(StatusCode::CONFLICT)
}

pub(crate) static SERVICE: Service = Service {
    signing_name: "iam",
    encoding: Encoding::Query("https://iam.amazonaws.com/doc/2010-05-08/"),
    words: Words {
        failure: ("ServiceFailure", "ServiceUnavailable"),
        invalid_parameter: Some("ValidationError"),
        too_many_tags: Some("LimitExceeded"),
        ..Words::QUERY
    },
    operations: api::OPERATIONS,
    structures: api::STRUCTURES,
    before: limits::check,
    new_state: |founding| Some(Box::new(founding.account.get::<Account>().handle())),
    tagged: |region, key| {
        let state = region.iam();
        let (roles, profiles) = (state.roles.values(), state.instance_profiles.values());
        roles
            .map(|role| &role.tags)
            .chain(profiles.map(|profile| &profile.tags))
            .filter_map(|tags| tags.get(key))
            .collect()
    },
    ..Service::PLAIN
};
