//! What AWS does and an undisturbed local cloud does not: answers that come later than what they are about, pages that are
//! empty, deployments that fail on what stands, images that are recommended anew.

use aws_sdk_ec2::types::RequestLaunchTemplateData;
use zonewalk::cloud::{Fault, FaultKind, Faults, Pace};
use zonewalk::commands::{stats, verify};
use zonewalk::plan::{Action, Kind};
use zonewalk::settings::Settings;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{context, plan, settings, start_cloud};

#[tokio::test]
async fn a_command_whose_invocation_is_not_known_yet_is_waited_for() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let hidden = Fault { calls: Some(8), ..Fault::at(FaultKind::Hide, "ssm:SendCommand", 1, 2) };
    cloud.set_faults(Faults { seed: 1, faults: vec![hidden] });
    let stats = stats::run(&ctx, verify::Traffic::default()).await.unwrap();
    assert_eq!(stats.proxies.len(), 6);
    assert!(cloud.faults()["fault"][0]["struck"].as_u64() > Some(0), "{}", cloud.faults());
    cloud.shutdown().await;
}

/// Cloud Map fills a page before it filters, so that a first page may have nothing of what is asked for.
#[tokio::test]
async fn a_namespace_behind_a_hundred_others_is_found() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    for number in 0..101 {
        let request = ctx.clients.servicediscovery.create_http_namespace().name(format!("other-{number}"));
        request.send().await.unwrap();
    }
    let before = inventory(&ctx.clients).await;
    up(&ctx).await.unwrap();
    let again = up(&ctx).await.unwrap();
    assert!(again.resources.iter().all(|resource| resource.action == Action::Kept), "{again:?}");
    let down = down(&ctx).await.unwrap();
    assert!(down.leftovers.is_empty(), "{down:?}");
    assert_eq!(inventory(&ctx.clients).await, before);
    cloud.shutdown().await;
}

/// Also a second time, when the failed deployment stands from before: a new one is made then, and told of.
#[tokio::test]
async fn a_change_that_fails_is_told_and_not_waited_for() {
    let cloud = start_cloud(Pace::Instant).await;
    up(&context(&cloud, settings()).await).await.unwrap();
    let command = ["server", "-port=8090", "-unknown"].map(String::from).to_vec();
    let broken = Settings { backend_command: Some(command), ..settings() };
    for _ in 0..2 {
        let error = up(&context(&cloud, broken.clone()).await).await.unwrap_err().to_string();
        assert!(error.contains("failed (failed)"), "{error}");
        assert!(error.contains("Essential container in task exited"), "{error}");
    }
    let mended = up(&context(&cloud, settings()).await).await.unwrap();
    let changed = mended.resources.iter().filter(|resource| resource.action == Action::Changed);
    assert_eq!(changed.map(|resource| resource.kind).collect::<Vec<_>>(), [Kind::TaskDefinition, Kind::Service]);
    cloud.shutdown().await;
}

/// That AWS recommends another image is no wish of the user's. Another parameter is.
#[tokio::test]
async fn instances_stay_when_another_image_is_recommended() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let template = ctx.names.launch_template.as_str();
    let ec2 = &ctx.clients.ec2;
    let versions = ec2.describe_launch_template_versions().launch_template_name(template).send().await.unwrap();
    let description = versions.launch_template_versions()[0].version_description().unwrap().to_owned();

    let other = RequestLaunchTemplateData::builder().image_id("ami-0aaaaaaaaaaaaaaaa").build();
    let version = ec2.create_launch_template_version().launch_template_name(template).source_version("1");
    version.version_description(description).launch_template_data(other).send().await.unwrap();
    let action = async |settings| {
        let plans = plan(&context(&cloud, settings).await).await.unwrap();
        plans.into_iter().find(|plan| plan.kind == Kind::LaunchTemplate).map(|plan| plan.action)
    };
    assert_eq!(action(settings()).await, Some(Action::Kept));
    let parameter = "/aws/service/ecs/optimized-ami/amazon-linux-2/recommended".to_owned();
    assert_eq!(action(Settings { ami_parameter: parameter, ..settings() }).await, Some(Action::Changed));
    cloud.shutdown().await;
}

/// EC2 promises no order, and in another one they are the same.
#[tokio::test]
async fn a_launch_templates_security_groups_have_no_order() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let (ec2, template) = (&ctx.clients.ec2, ctx.names.launch_template.as_str());
    let versions = ec2.describe_launch_template_versions().launch_template_name(template).send().await.unwrap();
    let version = &versions.launch_template_versions()[0];
    let mut groups = version.launch_template_data().unwrap().security_group_ids().to_vec();
    groups.reverse();
    let turned = RequestLaunchTemplateData::builder().set_security_group_ids(Some(groups)).build();
    let request = ec2.create_launch_template_version().launch_template_name(template).source_version("1");
    let request = request.version_description(version.version_description().unwrap());
    request.launch_template_data(turned).send().await.unwrap();
    let plans = plan(&ctx).await.unwrap();
    let plan = plans.iter().find(|plan| plan.kind == Kind::LaunchTemplate).unwrap();
    assert_eq!((plan.action, plan.differences.as_slice()), (Action::Kept, &[][..]));
    cloud.shutdown().await;
}
