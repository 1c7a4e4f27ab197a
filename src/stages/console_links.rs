//! Where AWS's console shows a resource. Each partition has a console of its own.

use super::Context;
use crate::plan::Kind;

/// The page of a resource, by the name and the ARN or ID that `Removal` lists it with. None: the console has no page for it.
pub(crate) fn console_url(ctx: &Context, partition: &str, kind: Kind, name: &str, id: &str) -> Option<String> {
    let (region, cluster) = (&ctx.clients.region, &ctx.names.cluster);
    let last = id.rsplit('/').next().unwrap_or(id);
    let ec2 = |page: String| Some(format!("ec2/home?region={region}#{page}"));
    let ecs = |page: String| Some(format!("ecs/v2/{page}?region={region}"));
    let page = match kind {
        Kind::Role => Some(format!("iam/home#/roles/details/{name}")),
        Kind::InstanceProfile | Kind::SecurityGroupRule => None,
        Kind::SecurityGroup => ec2(format!("SecurityGroup:groupId={id}")),
        Kind::Namespace | Kind::DiscoveryService => Some(format!("cloudmap/home/namespaces?region={region}")),
        Kind::Cluster => ecs(format!("clusters/{name}/services")),
        Kind::LaunchTemplate => ec2(format!("LaunchTemplateDetails:launchTemplateId={id}")),
        Kind::AutoScalingGroup => ec2(format!("AutoScalingGroupDetails:id={name};view=details")),
        Kind::Instance => ec2(format!("InstanceDetails:instanceId={id}")),
        Kind::ContainerInstance => ecs(format!("clusters/{cluster}/infrastructure/container-instances/{last}")),
        Kind::LoadBalancer => ec2(format!("LoadBalancer:loadBalancerArn={id}")),
        Kind::TargetGroup => ec2(format!("TargetGroup:targetGroupArn={id}")),
        Kind::Listener => ec2(format!("ELBListenerV2:listenerArn={id}")),
        Kind::LogGroup => {
            // The console's own way to escape a name: percent signs are dollar signs, and those are escaped once more.
            let name = name.replace('/', "$252F");
            Some(format!("cloudwatch/home?region={region}#logsV2:log-groups/log-group/{name}"))
        }
        Kind::TaskDefinition => ecs(format!("task-definitions/{}/containers", last.replace(':', "/"))),
        Kind::Service => ecs(format!("clusters/{cluster}/services/{name}/health")),
    };
    page.map(|page| format!("https://{}/{page}", console(partition, region)))
}

/// The host of a partition's console.
fn console(partition: &str, region: &str) -> String {
    match partition {
        "aws-cn" => format!("{region}.console.amazonaws.cn"),
        "aws-us-gov" => format!("{region}.console.amazonaws-us-gov.com"),
        _ => format!("{region}.console.aws.amazon.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{CredentialSource, Target};
    use crate::events::Events;
    use crate::settings::Settings;

    async fn url(region: &str, partition: &str, kind: Kind, name: &str, id: &str) -> Option<String> {
        let target =
            Target { region: Some(region.to_owned()), credentials: CredentialSource::Dummy, ..Target::default() };
        let clients = target.connect().await.unwrap();
        let ctx = Context::new(clients, Settings::default(), Events::silent(), Default::default());
        console_url(&ctx, partition, kind, name, id)
    }

    #[tokio::test]
    async fn a_link_leads_to_the_partitions_console() {
        let group = async |region, partition| url(region, partition, Kind::SecurityGroup, "web", "sg-1").await.unwrap();
        let page = |region: &str| format!("ec2/home?region={region}#SecurityGroup:groupId=sg-1");
        let china = format!("https://cn-north-1.console.amazonaws.cn/{}", page("cn-north-1"));
        assert_eq!(group("cn-north-1", "aws-cn").await, china);
        let government = format!("https://us-gov-west-1.console.amazonaws-us-gov.com/{}", page("us-gov-west-1"));
        assert_eq!(group("us-gov-west-1", "aws-us-gov").await, government);
        let aws = format!("https://eu-west-1.console.aws.amazon.com/{}", page("eu-west-1"));
        assert_eq!(group("eu-west-1", "aws").await, aws);
    }

    #[tokio::test]
    async fn names_are_spelled_as_the_console_spells_them() {
        let definition = "arn:aws:ecs:us-east-1:000000000000:task-definition/fe:3";
        let found = url("us-east-1", "aws", Kind::TaskDefinition, "fe:3", definition).await.unwrap();
        assert!(found.ends_with("/ecs/v2/task-definitions/fe/3/containers?region=us-east-1"), "{found}");
        let found = url("us-east-1", "aws", Kind::LogGroup, "/ecs/fe", "/ecs/fe").await.unwrap();
        assert!(found.ends_with("#logsV2:log-groups/log-group/$252Fecs$252Ffe"), "{found}");
        assert_eq!(url("us-east-1", "aws", Kind::InstanceProfile, "p", "p").await, None);
    }
}
