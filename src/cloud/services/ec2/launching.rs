//! Launching an instance from a launch template, with the checks that EC2 makes and its words when they fail.

use hyper::StatusCode;

use super::images;
use super::instance_types::{self, InstanceType};
use super::instances::{self, Instance, InstanceState};
use super::interfaces::{create_interface, public_address};
use super::key_pairs;
use super::launch_data::{self, LaunchData};
use super::launch_templates::Resolved;
use super::resources::{find, invalid_value};
use super::security_groups::{self, SecurityGroup};
use super::tags;
use crate::cloud::ACCOUNT_ID;
use crate::cloud::error::AwsError;
use crate::cloud::faults::{Launch, Refusal};
use crate::cloud::partition::{self, Zone};
use crate::cloud::region::Region;
use crate::cloud::services::ec2::ecs_optimized::Image;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::Tags;

/// What a launch template comes to once its references are looked up.
struct Checked {
    image_id: String,
    instance_type: &'static InstanceType,
    instance_profile: Option<String>,
    security_groups: Vec<String>,
    /// Whether the template asks for a public address; if it does not say, the subnet decides.
    public_address: Option<bool>,
}

/// How a launch says where the instance is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// By a zone, whose default subnet it is.
    Zone,
    Subnet,
}

/// Whether instances could be launched from this template at all; EC2's error if not.
pub(crate) fn check(region: &Region, template: &Resolved, location: Location) -> Result<(), AwsError> {
    checked(region, &template.data, location).map(|_| ())
}

fn checked(region: &Region, data: &LaunchData, location: Location) -> Result<Checked, AwsError> {
    let params = Params::new(data);
    check_combinations(params, location)?;
    let image_id = launch_data::image_id(region, params.str("ImageId")?)?;
    let architecture = find::<Image>(&images::all(region), &image_id)?.architecture;
    if let Some(name) = params.opt_str("KeyName") {
        // Nobody can make one here.
        return Err(key_pairs::not_found(name));
    }
    let name = params.opt_str("InstanceType").unwrap_or("m1.small");
    let instance_type = InstanceType::find(name).ok_or_else(|| instance_types::unknown(name))?;
    if instance_type.architecture != architecture {
        return Err(AwsError::invalid_parameter(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{architecture}' of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
            instance_type.architecture
        )));
    }
    let mut security_groups = Vec::new();
    let interface = params.objects("NetworkInterface").first().copied();
    let of_interface = interface.map(|interface| interface.strings("SecurityGroupId"));
    for id in params.strings("SecurityGroupId").into_iter().chain(of_interface.into_iter().flatten()) {
        security_groups.push(find::<SecurityGroup>(&region.ec2().security_groups, id)?.id.clone());
    }
    for name in params.strings("SecurityGroup") {
        security_groups.push(security_groups::by_name(region.ec2(), name)?.id.clone());
    }
    Ok(Checked {
        image_id,
        instance_type,
        instance_profile: instance_profile(region, params)?,
        security_groups,
        public_address: interface.and_then(|interface| interface.opt_bool("AssociatePublicIpAddress")),
    })
}

/// What a template may say and no launch can do: with an interface of its own, groups are the interface's
/// (ansible-collections/amazon.aws#157); groups go by name in no subnet that is named (alphagov/gsp#596).
fn check_combinations(params: Params<'_>, location: Location) -> Result<(), AwsError> {
    let by_name = !params.strings("SecurityGroup").is_empty();
    let interfaces = params.objects("NetworkInterface");
    let profile = params.object("IamInstanceProfile");
    let message = if !interfaces.is_empty() && (by_name || !params.strings("SecurityGroupId").is_empty()) {
        "Network interfaces and an instance-level security groups may not be specified on the same request"
    } else if by_name && location == Location::Subnet {
        "The parameter groupName cannot be used with the parameter subnet"
    } else if profile.is_some_and(|profile| profile.get("Arn").is_some() && profile.get("Name").is_some()) {
        "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'"
    } else if interfaces.iter().any(|interface| interface.get("DeviceIndex").is_none()) {
        return Err(AwsError::invalid_parameter("Each network interface requires a device index."));
    } else {
        return Ok(());
    };
    Err(AwsError::new("InvalidParameterCombination", message))
}

/// The name of the profile, given by name or by ARN.
fn instance_profile(region: &Region, params: Params<'_>) -> Result<Option<String>, AwsError> {
    let Some(profile) = params.object("IamInstanceProfile") else { return Ok(None) };
    let (given, member, words) = match (profile.opt_str("Arn"), profile.opt_str("Name")) {
        (Some(arn), _) => (arn, "arn", "ARN"),
        (None, Some(name)) => (name, "name", "name"),
        (None, None) => return Ok(None),
    };
    let name = given.rsplit('/').next().unwrap_or(given);
    let iam = region.iam();
    if !iam.has_instance_profile(name) {
        let why = format!("Invalid IAM Instance Profile {words}");
        return Err(invalid_value(&format!("iamInstanceProfile.{member}"), given, &why));
    }
    if iam.role_of_instance_profile(name).is_none() {
        return Err(no_associated_role(given));
    }
    Ok(Some(name.to_owned()))
}

/// A profile that no role has been added to, or none that EC2 knows of yet (DanielThomas/ec2gaming#17).
fn no_associated_role(profile: &str) -> AwsError {
    AwsError::invalid_parameter(format!("IAM Instance Profile \"{profile}\" has no associated IAM Roles"))
}

/// Launches one instance into a subnet. `group_tags` come on top of the template's own, as Auto Scaling's do.
pub(crate) fn launch(
    region: &mut Region,
    template: &Resolved,
    (subnet_id, location): (&str, Location),
    group_tags: Tags,
) -> Result<String, AwsError> {
    let checked = checked(region, &template.data, location)?;
    let subnet = find(&region.ec2().subnets, subnet_id)?.clone();
    check_offered(&region.name, checked.instance_type, &subnet.az_name)?;
    check_quota(region, checked.instance_type)?;
    check_capacity(region, &checked, &subnet.az_name)?;
    let interface = create_interface(region, &subnet.id, &checked.security_groups, "")?;
    let id = region.ids.ec2("i");
    if let Some(own) = region.ec2_mut().interfaces.iter_mut().find(|other| other.id == interface.id) {
        own.instance_id = Some(id.clone());
    }
    for specification in Params::new(&template.data).objects("TagSpecification") {
        let resource = match specification.str("ResourceType")? {
            "instance" => &id,
            "network-interface" => &interface.id,
            // There are no volumes to be tagged.
            _ => continue,
        };
        region.ec2_mut().tags.add(resource, tags::listed(specification)?);
    }
    let mut tags = group_tags;
    tags.insert("aws:ec2launchtemplate:id", &template.id);
    tags.insert("aws:ec2launchtemplate:version", template.version.to_string());
    region.ec2_mut().tags.add(&id, tags);
    let public = checked.public_address.unwrap_or(subnet.map_public_ip_on_launch);
    let public_ip = public.then(|| public_address(region));
    let instance = Instance {
        id: id.clone(),
        instance_type: checked.instance_type.name.to_owned(),
        image_id: checked.image_id,
        interface,
        state: InstanceState::Pending,
        user_data: launch_data::user_data(&template.data),
        instance_profile: checked.instance_profile,
        public_ip,
        reservation_id: region.ids.ec2("r"),
        volume_id: region.ids.ec2("vol"),
        launched: jiff::Timestamp::now(),
        transition_reason: String::new(),
        data: template.data.clone(),
    };
    instances::boot(region, instance);
    Ok(id)
}

fn check_offered(region: &str, instance_type: &InstanceType, az_name: &str) -> Result<(), AwsError> {
    let zones = partition::zones(region);
    let (offering, others): (Vec<&Zone>, Vec<&Zone>) = zones.iter().partition(|zone| instance_type.is_offered_in(zone));
    if !others.iter().any(|zone| zone.name == az_name) {
        return Ok(());
    }
    let offering: Vec<_> = offering.iter().map(|zone| zone.name.as_str()).collect();
    let message = format!(
        "Your requested instance type ({}) is not supported in your requested Availability Zone ({az_name}). Please retry your request by not specifying an Availability Zone or choosing {}.",
        instance_type.name,
        offering.join(", ")
    );
    Err(AwsError::new("Unsupported", message))
}

fn vcpus_in_use(region: &Region, counts: fn(InstanceState) -> bool) -> u32 {
    let instances = region.ec2().instances.iter().filter(|instance| counts(instance.state));
    let types = instances.filter_map(|instance| InstanceType::find(&instance.instance_type));
    types.filter(|found| found.is_standard()).map(|found| found.vcpus).sum()
}

fn check_quota(region: &Region, instance_type: &InstanceType) -> Result<(), AwsError> {
    let in_use = vcpus_in_use(region, |state| state != InstanceState::Terminated);
    let quota = region.vcpu_quota;
    if !instance_type.is_standard() || in_use + instance_type.vcpus <= quota {
        Ok(())
    } else {
        Err(vcpu_limit_exceeded(quota))
    }
}

/// Capacity, the vCPU limit and the plan of a fault: without one, every zone has capacity.
fn check_capacity(region: &Region, checked: &Checked, az_name: &str) -> Result<(), AwsError> {
    let Checked { instance_type, instance_profile, .. } = checked;
    let launch = Launch {
        zone: az_name,
        takes_profile: instance_profile.is_some(),
        vcpus: if instance_type.is_standard() { instance_type.vcpus } else { 0 },
        vcpus_in_use: vcpus_in_use(region, |state| matches!(state, InstanceState::Pending | InstanceState::Running)),
        is_free_tier_eligible: instance_type.is_free_tier_eligible(),
    };
    let profile = instance_profile.as_deref().unwrap_or_default();
    match region.faults.lock().refuse_launch(&launch) {
        None => Ok(()),
        Some(Refusal::NoCapacity) => Err(no_capacity(instance_type.name, az_name)),
        Some(Refusal::VcpuLimit(limit)) => Err(vcpu_limit_exceeded(limit)),
        Some(Refusal::FreePlan) => Err(not_eligible()),
        Some(Refusal::UnknownProfile) => {
            Err(invalid_value("iamInstanceProfile.name", profile, "Invalid IAM Instance Profile name"))
        }
        Some(Refusal::EmptyProfile) => Err(no_associated_role(profile)),
        Some(Refusal::ServiceLinkedRole) => Err(service_linked_role()),
    }
}

/// What the first group of an account meets: Auto Scaling makes its service-linked role with it, and cannot always act in it
/// at once (pelias-deprecated/kubernetes#32).
fn service_linked_role() -> AwsError {
    let message = format!(
        "Access denied when attempting to assume role arn:aws:iam::{ACCOUNT_ID}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling."
    );
    AwsError::new("AccessDenied", message)
}

fn vcpu_limit_exceeded(limit: u32) -> AwsError {
    let message = format!(
        "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the instance bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
    );
    AwsError::new("VcpuLimitExceeded", message)
}

/// As accounts on the Free plan are told (aws-samples/eks-workshop-v2#1644, splunk/attack_range#1302).
fn not_eligible() -> AwsError {
    let message = "The specified instance type is not eligible for Free Tier. For a list of Free Tier instance types, run 'describe-instance-types' with the filter 'free-tier-eligible=true'.";
    AwsError::new("InvalidParameterCombination", message)
}

fn no_capacity(instance_type: &str, az_name: &str) -> AwsError {
    let message = format!(
        "We currently do not have sufficient {instance_type} capacity in the Availability Zone you requested ({az_name}). Our system will be working on provisioning additional capacity. You can currently get {instance_type} capacity by not specifying an Availability Zone in your request or choosing another one."
    );
    AwsError::new("InsufficientInstanceCapacity", message).with_status(StatusCode::INTERNAL_SERVER_ERROR)
}
