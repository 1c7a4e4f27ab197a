//! The local cloud's EC2, Auto Scaling, Elastic Load Balancing, IAM and STS, through the SDK: what is there, what
//! becomes of what is made, what is refused.
//!
//! States that pass are looked at where time passes as on AWS, what comes after them where it passes at once: no test
//! races a clock.

mod autoscaling;
mod ec2;
mod elbv2;
mod iam;
mod launch_templates;
mod launching;
mod parameters;
mod security_groups;
mod tags;
mod words;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::{
    Filter, InstanceType, LaunchTemplateIamInstanceProfileSpecificationRequest, RequestLaunchTemplateData,
};
use zonewalk::aws::Clients;
use zonewalk::cloud::{LocalCloud, Pace};

use crate::support;

struct Stand {
    cloud: LocalCloud,
    clients: Clients,
    vpc: String,
    /// The subnets by zone.
    subnets: BTreeMap<String, String>,
}

impl Stand {
    async fn new(pace: Pace) -> Self {
        let cloud = support::start_cloud(pace).await;
        let clients = support::clients(&cloud).await;
        let subnets = clients.ec2.describe_subnets().send().await.unwrap().subnets.unwrap();
        let vpc = subnets[0].vpc_id.clone().unwrap();
        let subnets = subnets.into_iter().map(|s| (s.availability_zone.unwrap(), s.subnet_id.unwrap())).collect();
        Self { cloud, clients, vpc, subnets }
    }

    /// The subnets of the zones with these letters.
    fn subnets(&self, letters: &str) -> Vec<String> {
        letters.chars().map(|letter| self.subnets[&format!("us-east-1{letter}")].clone()).collect()
    }

    async fn security_group(&self, name: &str) -> String {
        let create = self.clients.ec2.create_security_group().group_name(name).description("of a test");
        create.vpc_id(&self.vpc).send().await.unwrap().group_id.unwrap()
    }

    async fn launch_template(&self, name: &str, data: RequestLaunchTemplateData) -> String {
        let create = self.clients.ec2.create_launch_template().launch_template_name(name).launch_template_data(data);
        create.send().await.unwrap().launch_template.unwrap().launch_template_id.unwrap()
    }

    /// A launch template of the article's kind, for instances that join the ECS cluster `cluster`.
    async fn article_data(&self) -> RequestLaunchTemplateData {
        let images = self.clients.ec2.describe_images().owners("amazon").send().await.unwrap().images.unwrap();
        RequestLaunchTemplateData::builder()
            .image_id(images[0].image_id().unwrap())
            .instance_type(InstanceType::T3Medium)
            .iam_instance_profile(profile("ecsInstanceRole"))
            // #!/bin/sh, echo ECS_CLUSTER=cluster >> /etc/ecs/ecs.config
            .user_data("IyEvYmluL3NoCmVjaG8gRUNTX0NMVVNURVI9Y2x1c3RlciA+PiAvZXRjL2Vjcy9lY3MuY29uZmln")
            .build()
    }

    async fn end(self) {
        self.cloud.shutdown().await;
    }
}

fn profile(name: &str) -> LaunchTemplateIamInstanceProfileSpecificationRequest {
    LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build()
}

fn filter(name: &str, values: &[&str]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.iter().map(|value| (*value).to_owned()).collect())).build()
}

/// What is awaited comes by itself; the limit is for a cloud that is broken.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..2000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}

#[track_caller]
fn assert_refused<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, E>, code: &str, words: &str) {
    let error = result.expect_err("it is to be refused");
    assert_eq!(error.code(), Some(code), "{error:?}");
    assert!(error.message().unwrap_or_default().contains(words), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_is_the_accounts_root() {
    let stand = Stand::new(Pace::Instant).await;
    let caller = stand.clients.sts.get_caller_identity().send().await.unwrap();
    assert_eq!(caller.account(), Some("000000000000"));
    assert_eq!(caller.arn(), Some("arn:aws:iam::000000000000:root"));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_is_not_there_is_named() {
    let stand = Stand::new(Pace::Instant).await;
    let result = stand.clients.ec2.describe_volumes().send().await;
    assert_refused(result, "UnknownOperationException", "ec2:DescribeVolumes");
    stand.end().await;
}
