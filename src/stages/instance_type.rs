//! What an instance type is, and whether it suits: its instances have to hold a task, have the processor that the task
//! definitions name, and be launched under the account's plan. EC2 and ECS tell of each when an instance fails to launch or
//! a task is not placed, when all else is made and costs.

use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_freetier::types::AccountPlanType;

use super::finding::{Check, Finding, Level};
use super::identity::Identity;
use super::image::Image;
use super::task_definitions::Needs;
use super::{Context, Error};
use crate::aws::CloudError;

/// The facts of an instance type that matter here.
pub(crate) struct InstanceTypeInfo {
    name: String,
    pub(super) vcpus: u64,
    /// In MiB; zero if it is not told.
    memory: u64,
    /// The architectures it has, as EC2 names them: `x86_64`.
    architectures: Vec<String>,
    is_free_tier_eligible: bool,
}

pub(super) async fn find_instance_type(ctx: &Context) -> Result<InstanceTypeInfo, Error> {
    let name = ctx.settings.instance_type.clone();
    let request = ctx.clients.ec2.describe_instance_types().instance_types(name.as_str().into());
    let answer = ctx.look("ec2:DescribeInstanceTypes", request.send()).await.map_err(|error| match error {
        Error::Cloud(CloudError { code: Some(code), .. }) if code == "InvalidInstanceType" => {
            let region = &ctx.clients.region;
            Error::Prerequisite(format!(
                "{region} has no instance type {name}: choose another with --instance-type, for example t3.medium, of those that \
                 `aws ec2 describe-instance-types --region {region} --query InstanceTypes[].InstanceType` lists"
            ))
        }
        error => error,
    })?;
    let found = answer.instance_types().first();
    let whole = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok()).unwrap_or_default();
    let processor = found.and_then(|found| found.processor_info());
    let architectures = processor.map_or(&[][..], |processor| processor.supported_architectures());
    Ok(InstanceTypeInfo {
        name,
        vcpus: whole(found.and_then(|found| found.v_cpu_info()?.default_v_cpus()).map(i64::from)),
        memory: whole(found.and_then(|found| found.memory_info()?.size_in_mib())),
        architectures: architectures.iter().map(ToString::to_string).collect(),
        is_free_tier_eligible: found.and_then(|found| found.free_tier_eligible()).unwrap_or_default(),
    })
}

/// Whether the account is on AWS's Free plan, under which EC2 launches few types. None: it is not known. Accounts older than
/// the plans have none, the caller may lack the permission, and an emulator the service: nothing of that is an obstacle.
pub(super) async fn is_on_free_plan(ctx: &Context, identity: &Identity) -> Result<Option<bool>, Error> {
    if identity.partition != "aws" {
        return Ok(None);
    }
    // Once: an endpoint that a network does not let through would be tried for half a minute.
    let once = aws_sdk_freetier::Config::builder().retry_config(RetryConfig::disabled());
    let request = ctx.clients.freetier.get_account_plan_state().customize().config_override(once);
    match ctx.look("freetier:GetAccountPlanState", request.send()).await {
        Ok(plan) => Ok(Some(plan.account_plan_type == AccountPlanType::Free)),
        Err(Error::Cloud(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Types to be advised, with architecture, vCPU, MiB, and whether the Free plan launches them.
const ADVISED: [(&str, &str, u64, u64, bool); 6] = [
    ("t3.medium", "x86_64", 2, 4096, false),
    ("t4g.medium", "arm64", 2, 4096, false),
    ("c7i-flex.large", "x86_64", 2, 4096, true),
    ("m7i-flex.large", "x86_64", 2, 8192, true),
    ("m7i.xlarge", "x86_64", 4, 16384, false),
    ("m7g.xlarge", "arm64", 4, 16384, false),
];

/// What stands against this type, or the image, as the tasks need them.
pub(super) fn problems(
    needs: &[Needs],
    image: Option<&Image>,
    instance_type: Option<&InstanceTypeInfo>,
    free_plan: Option<bool>,
) -> Vec<Finding> {
    let mut findings = vec![];
    let free_plan = free_plan == Some(true);
    let advice = || {
        let suits = |(_, architecture, vcpus, memory, is_free): &(&str, &str, u64, u64, bool)| {
            let holds = |needs: &Needs| needs.cpu <= vcpus * 1024 && needs.memory <= registered(*memory);
            let runs = |needs: &Needs| needs.architecture.is_none_or(|wanted| wanted == *architecture);
            (*is_free || !free_plan) && needs.iter().all(|needs| holds(needs) && runs(needs))
        };
        ADVISED.iter().copied().find(suits).map(|(name, ..)| format!("; ask for another with --instance-type {name}"))
    };
    if let Some(what) = wrong_architecture(needs, image, instance_type, &advice) {
        findings.push(Finding::new(Check::Image, Level::Problem, what));
    }
    let Some(instance_type) = instance_type else { return findings };
    let advice = advice().unwrap_or_default();
    if let Some((level, what)) = needs.iter().find_map(|needs| too_small(needs, instance_type)) {
        findings.push(Finding::new(Check::InstanceType, level, format!("{what}{advice}")));
    }
    if free_plan && !instance_type.is_free_tier_eligible {
        let what = format!(
            "the account is on AWS's Free plan, which launches only what is eligible for it, and {} is not: no instance would \
             launch{advice}, or upgrade the account to the paid plan (in the console: Billing and Cost Management, Upgrade \
             plan), which keeps its credits",
            instance_type.name
        );
        findings.push(Finding::new(Check::InstanceType, Level::Problem, what));
    }
    findings
}

/// What an instance with so much memory registers with ECS: less, since the kernel and the agent keep some, by public reports
/// a thirtieth (m4.large) to a sixteenth (t3.medium).
fn registered(memory: u64) -> u64 {
    memory - memory / 16
}

fn too_small(needs: &Needs, instance_type: &InstanceTypeInfo) -> Option<(Level, String)> {
    let InstanceTypeInfo { name, vcpus, memory, .. } = instance_type;
    let wants = |wanted: u64, unit: &str, has: String| {
        format!("a task of {} takes {wanted} {unit}, and a {name} has {has} for tasks", needs.family)
    };
    if *vcpus > 0 && needs.cpu > vcpus * 1024 {
        let has = format!("{}", vcpus * 1024);
        Some((Level::Problem, format!("{}: no task would be placed", wants(needs.cpu, "CPU units", has))))
    } else if *memory > 0 && needs.memory > registered(*memory) {
        let has = format!("about {}", registered(*memory));
        let text = wants(needs.memory, "MiB of memory", has);
        // Between what some kernels leave and what any does.
        let certain = needs.memory > memory - memory / 64;
        Some(if certain {
            (Level::Problem, format!("{text}: no task would be placed"))
        } else {
            (Level::Unknown, format!("{text}: perhaps no task would be placed"))
        })
    } else {
        None
    }
}

/// The task definitions decide: their image of the application is for one architecture. If they name none, image and type
/// have to go together.
fn wrong_architecture(
    needs: &[Needs],
    image: Option<&Image>,
    instance_type: Option<&InstanceTypeInfo>,
    advice: &dyn Fn() -> Option<String>,
) -> Option<String> {
    let of_image = image.and_then(Image::architecture);
    let of_type = instance_type.filter(|it| !it.architectures.is_empty());
    let has = |wanted: &str| of_type.is_none_or(|it| it.architectures.iter().any(|has| has == wanted));
    let type_is = || of_type.map_or_else(String::new, |it| format!("{} is {}", it.name, it.architectures.join(", ")));
    let wanted = needs.iter().find_map(|needs| Some((needs.architecture?, &needs.family)));
    let mut wrong = vec![];
    match wanted {
        Some((wanted, family)) => {
            if let Some(other) = of_image.filter(|other| *other != wanted) {
                let parameter = if wanted == "arm64" { "amazon-linux-2023/arm64" } else { "amazon-linux-2023" };
                wrong.push(format!(
                    "the image is for {other}, and task definition {family} for {wanted}: no task would be placed; name \
                     another in zonewalk.toml: ami-parameter = \"/aws/service/ecs/optimized-ami/{parameter}/recommended\""
                ));
            }
            if !has(wanted) {
                wrong.push(format!(
                    "{}, and task definition {family} is for {wanted}: no task would be placed{}",
                    type_is(),
                    advice().unwrap_or_default()
                ));
            }
        }
        None => {
            if let Some(wanted) = of_image.filter(|wanted| !has(wanted)) {
                let example = if wanted == "arm64" { "t4g.medium" } else { "t3.medium" };
                wrong.push(format!(
                    "the image is for {wanted}, and {}: no instance would launch; ask for another with --instance-type \
                     {example}",
                    type_is()
                ));
            }
        }
    }
    (!wrong.is_empty()).then(|| wrong.join("; "))
}
