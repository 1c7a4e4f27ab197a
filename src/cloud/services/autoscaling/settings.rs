//! What a group is to be, as requests say it, with the checks that AWS makes.

use serde_json::Value;

use super::validation_error;
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::services::ec2;
use crate::cloud::wire::Params;

#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) min_size: i64,
    pub(super) max_size: i64,
    pub(super) desired_capacity: i64,
    pub(super) template: Template,
    /// At least one.
    pub(super) subnets: Vec<String>,
    /// Whether they were named, or are those of zones.
    pub(super) location: ec2::Location,
    pub(super) default_cooldown: i64,
    pub(super) health_check_type: String,
    pub(super) health_check_grace_period: i64,
    pub(super) new_instances_protected: bool,
    /// It concerns Spot Instances that are about to be interrupted; none ever is here.
    pub(super) capacity_rebalance: Option<bool>,
}

/// The launch template that instances are launched from.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) id: String,
    pub(super) name: String,
    /// `$Default`, `$Latest` or a number, resolved at each launch; `$Default` if none was given, and then none is shown.
    pub(super) version: Option<String>,
}

const DEFAULT_VERSION: &str = "$Default";

impl Template {
    pub(super) fn resolve(&self, region: &Region) -> Result<ec2::Resolved, AwsError> {
        ec2::resolve(region, Some(&self.id), None, self.version.as_deref().unwrap_or(DEFAULT_VERSION))
    }
}

impl Settings {
    pub(super) fn of_request(region: &Region, params: Params<'_>) -> Result<Self, AwsError> {
        let template = requested_template(region, params)?.ok_or_else(|| {
            validation_error(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.",
            )
        })?;
        let min_size = params.int("MinSize")?;
        let defaults = Self {
            min_size,
            max_size: params.int("MaxSize")?,
            desired_capacity: min_size,
            template,
            subnets: requested_subnets(region, params)?
                .ok_or_else(|| validation_error("At least one Availability Zone or VPC Subnet is required."))?,
            location: ec2::Location::Zone,
            default_cooldown: 300,
            health_check_type: "EC2".to_owned(),
            health_check_grace_period: 0,
            new_instances_protected: false,
            capacity_rebalance: None,
        };
        defaults.changed(region, params)
    }

    /// These with what a request changes.
    pub(super) fn changed(mut self, region: &Region, params: Params<'_>) -> Result<Self, AwsError> {
        let (template, subnets) = (requested_template(region, params)?, requested_subnets(region, params)?);
        let is_to_be_tried = template.is_some() || subnets.is_some();
        if let Some(template) = template {
            self.template = template;
        }
        if let Some(subnets) = subnets {
            self.subnets = subnets;
            let is_named = params.get("VPCZoneIdentifier").is_some();
            self.location = if is_named { ec2::Location::Subnet } else { ec2::Location::Zone };
        }
        if is_to_be_tried {
            // As AWS finds out by a dry run (hashicorp/terraform-provider-aws#4570, eksctl-io/eksctl#1989).
            let resolved = self.template.resolve(region).map_err(invalid_template)?;
            ec2::check_launch(region, &resolved, self.location).map_err(invalid_template)?;
        }
        self.min_size = params.opt_int("MinSize")?.unwrap_or(self.min_size);
        self.max_size = params.opt_int("MaxSize")?.unwrap_or(self.max_size);
        // New bounds move a capacity that the request does not name.
        self.desired_capacity = self.desired_capacity.min(self.max_size).max(self.min_size);
        self.desired_capacity = params.opt_int("DesiredCapacity")?.unwrap_or(self.desired_capacity);
        self.default_cooldown = params.opt_int("DefaultCooldown")?.unwrap_or(self.default_cooldown);
        if let Some(health_check_type) = params.opt_str("HealthCheckType") {
            self.health_check_type = checked_health_check_type(health_check_type)?;
        }
        self.health_check_grace_period =
            params.opt_int("HealthCheckGracePeriod")?.unwrap_or(self.health_check_grace_period);
        if let Some(policy) = params.strings("TerminationPolicies").iter().find(|policy| **policy != "Default") {
            return Err(AwsError::unsupported(format_args!("the termination policy {policy}")));
        }
        self.new_instances_protected =
            params.opt_bool("NewInstancesProtectedFromScaleIn").unwrap_or(self.new_instances_protected);
        self.capacity_rebalance = params.opt_bool("CapacityRebalance").or(self.capacity_rebalance);
        self.check_capacity()?;
        Ok(self)
    }

    fn check_capacity(&self) -> Result<(), AwsError> {
        let (min, max, desired) = (self.min_size, self.max_size, self.desired_capacity);
        if min < 0 || max < 0 {
            return Err(validation_error(format!(
                "1 validation error detected: Value '{}' failed to satisfy constraint: Member must have value greater than or equal to 0",
                min.min(max)
            )));
        }
        if max < min {
            return Err(validation_error(format!(
                "Max bound, {max}, must be greater than or equal to min bound, {min}"
            )));
        }
        if !(min..=max).contains(&desired) {
            return Err(validation_error(format!(
                "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
            )));
        }
        Ok(())
    }
}

fn checked_health_check_type(name: &str) -> Result<String, AwsError> {
    if name.split(',').all(|one| ["EC2", "ELB", "VPC_LATTICE", "EBS"].contains(&one)) {
        Ok(name.to_owned())
    } else {
        Err(validation_error(format!(
            "HealthCheckType {name} is not valid. Valid values are EC2, ELB, VPC_LATTICE, EBS"
        )))
    }
}

fn invalid_template(error: AwsError) -> AwsError {
    validation_error(format!("You must use a valid fully-formed launch template. {}", error.message))
}

/// The template must be there.
fn requested_template(region: &Region, params: Params<'_>) -> Result<Option<Template>, AwsError> {
    let Some(given) = params.object("LaunchTemplate") else { return Ok(None) };
    let (id, name) = (given.opt_str("LaunchTemplateId"), given.opt_str("LaunchTemplateName"));
    if id.is_some() == name.is_some() {
        let both = if id.is_some() { ", not both" } else { "" };
        let message = format!("Valid requests must contain either launchTemplateId or LaunchTemplateName{both}");
        return Err(validation_error(message));
    }
    let version = given.opt_str("Version");
    let resolved = ec2::resolve(region, id, name, version.unwrap_or(DEFAULT_VERSION)).map_err(invalid_template)?;
    Ok(Some(Template { id: resolved.id, name: resolved.name, version: version.map(str::to_owned) }))
}

/// The subnets of a request, or the default subnets of its zones.
fn requested_subnets(region: &Region, params: Params<'_>) -> Result<Option<Vec<String>>, AwsError> {
    let zones = params.strings("AvailabilityZones");
    let Some(identifier) = params.opt_str("VPCZoneIdentifier") else {
        let default_subnet = |zone: &&str| match ec2::default_subnet(region, zone) {
            Some(subnet) => Ok(subnet.id.clone()),
            None => Err(validation_error(format!(
                "No default subnet for availability zone: '{zone}'. Please specify a VPC subnet."
            ))),
        };
        let subnets: Vec<_> = zones.iter().map(default_subnet).collect::<Result<_, _>>()?;
        return Ok(Some(subnets).filter(|subnets| !subnets.is_empty()));
    };
    let mut subnets = Vec::new();
    let mut vpcs = Vec::new();
    for id in identifier.split(',').map(str::trim).filter(|id| !id.is_empty()) {
        let subnet =
            ec2::subnet(region, id).ok_or_else(|| validation_error(format!("The subnet ID '{id}' does not exist")))?;
        if !zones.is_empty() && !zones.contains(&subnet.az_name.as_str()) {
            return Err(validation_error(
                "The availability zones of the specified subnets and the AutoScalingGroup do not match",
            ));
        }
        vpcs.push(subnet.vpc_id.as_str());
        subnets.push(subnet.id.clone());
    }
    vpcs.dedup();
    if vpcs.len() > 1 {
        return Err(validation_error("The subnets of an AutoScalingGroup must belong to one VPC"));
    }
    Ok(Some(subnets).filter(|subnets| !subnets.is_empty()))
}

/// A template as groups and instances name it.
pub(super) fn template_wire(id: &str, name: &str, version: Option<&str>) -> Value {
    serde_json::json!({ "LaunchTemplateId": id, "LaunchTemplateName": name, "Version": version })
}
