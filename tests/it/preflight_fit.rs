//! What does not fit is told by `doctor` with what to type, and `up` makes nothing of it: instance types, images, the account's
//! plan.

use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Options, Pace};
use zonewalk::commands::doctor;
use zonewalk::settings::Settings;
use zonewalk::stages::finding::{Check, Level};
use zonewalk::walkthrough::{down, up};

use crate::machine::doctor_code;
use crate::preflight::problem;
use crate::support::{context, settings, start_cloud};

fn of_type(instance_type: &str) -> Settings {
    Settings { instance_type: instance_type.to_owned(), ..settings() }
}

const ARM_IMAGE: &str = "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended";

#[tokio::test]
async fn a_type_too_small_for_a_task_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    for name in ["t3.micro", "t3.small"] {
        let (check, what) = problem(&context(&cloud, of_type(name)).await).await;
        assert_eq!(check, Check::InstanceType);
        assert!(what.contains("takes 2048 MiB") && what.contains(&format!("a {name} has about")), "{what}");
        assert!(what.ends_with("--instance-type t3.medium"), "{what}");
    }
    cloud.shutdown().await;
}

/// The same templates as the built-in ones, with another text in the place of one.
fn templates(from: &str, to: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["task_definition.backend.json", "task_definition.frontend.json"] {
        let built_in = std::fs::read_to_string(format!("{}/templates/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(built_in.contains(from), "{built_in}");
        std::fs::write(directory.path().join(name), built_in.replace(from, to)).unwrap();
    }
    directory
}

#[tokio::test]
async fn tasks_that_take_more_than_an_instance_has_are_told() {
    let cloud = start_cloud(Pace::Instant).await;
    for (from, to, says) in [
        ("\"cpu\": {{ task.cpu }}", "\"cpu\": \"4 vCPU\"", "takes 4096 CPU units, and a t3.medium has 2048"),
        (
            "\"memory\": {{ task.memory }}",
            "\"memory\": \"8 GB\"",
            "takes 8192 MiB of memory, and a t3.medium has about 3840",
        ),
    ] {
        let directory = templates(from, to);
        let large = Settings { templates: Some(directory.path().to_owned()), ..settings() };
        let (check, what) = problem(&context(&cloud, large).await).await;
        assert_eq!(check, Check::InstanceType);
        assert!(what.contains(says) && what.ends_with("--instance-type m7i.xlarge"), "{what}");
    }
    cloud.shutdown().await;
}

#[tokio::test]
async fn an_image_for_another_architecture_than_the_tasks_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let image = Settings { ami_parameter: ARM_IMAGE.to_owned(), ..settings() };
    let (check, what) = problem(&context(&cloud, image.clone()).await).await;
    assert_eq!(check, Check::Image);
    assert!(what.contains("the image is for arm64") && what.contains("for x86_64"), "{what}");
    assert!(
        what.ends_with("ami-parameter = \"/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended\""),
        "{what}"
    );

    // That image and type agree is no help.
    let both = Settings { instance_type: "t4g.medium".to_owned(), ..image };
    let (_, what) = problem(&context(&cloud, both).await).await;
    assert!(what.contains("amazon-linux-2023/recommended") && what.ends_with("--instance-type t3.medium"), "{what}");
    cloud.shutdown().await;
}

#[tokio::test]
async fn tasks_for_arm_run_on_arm() {
    let cloud = start_cloud(Pace::Instant).await;
    let directory = templates("X86_64", "ARM64");
    let tasks = Settings { templates: Some(directory.path().to_owned()), ..settings() };
    let (check, what) = problem(&context(&cloud, tasks.clone()).await).await;
    assert_eq!(check, Check::Image);
    assert!(
        what.contains("amazon-linux-2023/arm64/recommended") && what.ends_with("--instance-type t4g.medium"),
        "{what}"
    );

    let instance_type = "t4g.medium".to_owned();
    let ctx = context(&cloud, Settings { instance_type, ami_parameter: ARM_IMAGE.to_owned(), ..tasks }).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

/// A cloud with this fault.
async fn cloud_with(fault: Fault, policy: Option<String>) -> LocalCloud {
    let faults = Faults { seed: 1, faults: vec![fault] };
    LocalCloud::start(Options { pace: Pace::Instant, faults, policy, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn a_free_plan_account_is_told_which_type_it_may_launch() {
    let cloud = cloud_with(Fault::new(FaultKind::FreePlan), None).await;
    let (check, what) = problem(&context(&cloud, settings()).await).await;
    assert_eq!(check, Check::InstanceType);
    assert!(what.contains("Free plan") && what.contains("--instance-type c7i-flex.large, or upgrade"), "{what}");

    // It would be launched, and holds no task.
    let (_, what) = problem(&context(&cloud, of_type("t3.small")).await).await;
    assert!(what.ends_with("--instance-type c7i-flex.large"), "{what}");

    let ctx = context(&cloud, of_type("c7i-flex.large")).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn who_may_not_ask_for_the_plan_is_told_by_the_failed_launch() {
    let policy = zonewalk::stages::permissions::policy(&settings().name);
    let without = policy.replace("freetier:GetAccountPlanState", "freetier:GetFreeTierUsage");
    let cloud = cloud_with(Fault { first: Some(100), ..Fault::new(FaultKind::FreePlan) }, Some(without)).await;
    let ctx = context(&cloud, settings()).await;
    let findings = doctor::run(&ctx).await.unwrap().findings;
    assert!(findings.iter().all(|finding| finding.level == Level::Fine), "{findings:#?}");
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(
        error.contains("not eligible for Free Tier") && error.contains("--instance-type c7i-flex.large"),
        "{error}"
    );
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn the_plan_is_one_for_all_regions() {
    let cloud = cloud_with(Fault::new(FaultKind::FreePlan), None).await;
    for region in ["us-east-1", "eu-west-1"] {
        let clients = zonewalk::aws::Target::local(&cloud.endpoint_url(), region).connect().await.unwrap();
        let plan = clients.freetier.get_account_plan_state().send().await.unwrap();
        assert_eq!(plan.account_plan_type().as_str(), "FREE");
    }
    cloud.shutdown().await;
}

fn ranges(network: u8, count: u8) -> Vec<zonewalk::settings::Cidr> {
    (0..count).map(|n| format!("10.{network}.{n}.0/24").parse().unwrap()).collect()
}

#[tokio::test]
async fn more_ranges_than_a_security_group_takes_are_told_with_the_quota() {
    let cloud = start_cloud(Pace::Instant).await;
    let with = |allow_cidrs| Settings { task_count: "1".parse().unwrap(), allow_cidrs, ..settings() };
    let (check, what) = problem(&context(&cloud, with(ranges(0, 61))).await).await;
    assert_eq!(check, Check::Quota);
    assert!(what.starts_with("61 address ranges, and a security group takes 60 inbound rules"), "{what}");
    assert!(what.contains("--service-code vpc --quota-code L-0EA8095F --desired-value 61`"), "{what}");

    // As many as there can be, some of them twice; then as many others.
    up(&context(&cloud, with([ranges(0, 60), ranges(0, 9)].concat())).await).await.unwrap();
    let ctx = context(&cloud, with(ranges(1, 60))).await;
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_range_that_nobody_can_come_from_is_told() {
    let cloud = start_cloud(Pace::Instant).await;
    let with = |ranges: &[&str]| Settings {
        allow_cidrs: ranges.iter().map(|range| range.parse().unwrap()).collect(),
        ..settings()
    };
    for ranges in [&["::/0"][..], &["2001:db8::/32", "2001:db8::/32"]] {
        let (check, what) = problem(&context(&cloud, with(ranges)).await).await;
        assert_eq!(check, Check::Network);
        let words = format!("{} cannot reach the load balancer: it has IPv4 addresses only", ranges.last().unwrap());
        assert!(what.starts_with(&words) && what.contains("--allow-cidr"), "{what}");
    }
    // Beside one that somebody can come from, it does no harm.
    let findings = doctor::run(&context(&cloud, with(&["192.0.2.0/24", "::/0"])).await).await.unwrap().findings;
    let told = findings.iter().find(|finding| finding.what.starts_with("::/0 cannot reach")).unwrap();
    assert_eq!((told.check, told.level), (Check::Network, Level::Unknown));
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_namespace_that_another_account_shares_is_told_and_left_alone() {
    let name = Some(settings().name.resources().namespace);
    let fault = Fault { name, ..Fault::new(FaultKind::SharedNamespace) };
    let cloud = cloud_with(fault, Some(zonewalk::stages::permissions::policy(&settings().name))).await;
    let ctx = context(&cloud, settings()).await;
    let findings = doctor::run(&ctx).await.unwrap().findings;
    assert!(findings.iter().all(|finding| finding.level == Level::Fine), "{findings:#?}");
    let shared = findings.iter().find(|finding| finding.what.contains("account 111122223333 shares")).unwrap();
    assert!(shared.check == Check::Names && shared.what.contains("--name"), "{shared:?}");
    up(&ctx).await.unwrap();
    up(&ctx).await.unwrap();
    assert_eq!(down(&ctx).await.unwrap().leftovers, []);
    cloud.shutdown().await;
}

/// A quota of four instances' vCPU, of which none is left.
#[tokio::test(flavor = "multi_thread")]
async fn quotas_are_passed_over_by_flag_by_variable_and_by_file() {
    let cloud = LocalCloud::start(Options { pace: Pace::Instant, vcpu_quota: 8, ..Options::default() }).await.unwrap();
    let url = cloud.endpoint_url();
    let doctor = move |args: &[&str], variable: &[(&str, &str)], file: &str| doctor_code(&url, args, variable, file);
    let codes = tokio::task::spawn_blocking(move || {
        let variable = "ZONEWALK_NO_CHECK_QUOTA";
        [
            doctor(&[], &[], ""),
            doctor(&["--no-check-quota"], &[], ""),
            doctor(&[], &[(variable, "1")], ""),
            doctor(&[], &[(variable, "0")], ""),
            doctor(&[], &[], "check-quota = false"),
        ]
    });
    assert_eq!(codes.await.unwrap(), [1, 0, 0, 1, 0]);
    cloud.shutdown().await;
}
