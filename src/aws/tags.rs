//! The owner tag, in each service's own type: what carries it is ours to change and to remove, and nothing else is.

use std::collections::HashMap;

use crate::settings::{CREATOR_TAG, OWNER_TAG};

/// An answer of AWS's that holds the tags of one resource.
pub(crate) trait Tagged {
    /// The owner that the tags name, if they do.
    fn owner(&self) -> Option<String>;
}

macro_rules! tagged {
    ($pair:expr => $($answer:ty),*) => {$(
        impl Tagged for $answer {
            fn owner(&self) -> Option<String> {
                self.tags().iter().map($pair).find(|(key, _)| *key == Some(OWNER_TAG))?.1.map(str::to_owned)
            }
        }
    )*};
}

tagged!(|tag| (tag.key(), tag.value()) =>
    aws_sdk_autoscaling::types::AutoScalingGroup,
    aws_sdk_ec2::types::Instance,
    aws_sdk_ec2::types::LaunchTemplate,
    aws_sdk_ec2::types::SecurityGroup,
    aws_sdk_ecs::operation::describe_task_definition::DescribeTaskDefinitionOutput,
    aws_sdk_ecs::types::Cluster,
    aws_sdk_ecs::types::Service,
    aws_sdk_elasticloadbalancingv2::types::TagDescription
);
tagged!(|tag| (Some(tag.key()), Some(tag.value())) =>
    aws_sdk_iam::types::InstanceProfile,
    aws_sdk_iam::types::Role,
    aws_sdk_servicediscovery::operation::list_tags_for_resource::ListTagsForResourceOutput
);

impl Tagged for aws_sdk_cloudwatchlogs::operation::list_tags_for_resource::ListTagsForResourceOutput {
    fn owner(&self) -> Option<String> {
        self.tags()?.get(OWNER_TAG).cloned()
    }
}

/// Finds EC2's resources of an owner.
pub(crate) fn ec2_filter(owner: &str) -> aws_sdk_ec2::types::Filter {
    super::ec2_filter(&format!("tag:{OWNER_TAG}"), [owner])
}

pub(crate) fn ec2(owner: &str) -> aws_sdk_ec2::types::Tag {
    ec2_tag(OWNER_TAG, owner)
}

pub(crate) fn ec2_tag(key: &str, value: &str) -> aws_sdk_ec2::types::Tag {
    aws_sdk_ec2::types::Tag::builder().key(key).value(value).build()
}

/// The tags of a resource that is created with them, so that no moment exists in which the resource is nobody's.
pub(crate) fn ec2_on_creation(
    resource: aws_sdk_ec2::types::ResourceType,
    owner: &str,
) -> aws_sdk_ec2::types::TagSpecification {
    aws_sdk_ec2::types::TagSpecification::builder().resource_type(resource).tags(ec2(owner)).build()
}

pub(crate) fn ecs(owner: &str) -> aws_sdk_ecs::types::Tag {
    aws_sdk_ecs::types::Tag::builder().key(OWNER_TAG).value(owner).build()
}

/// Says who made the walkthrough.
pub(crate) fn creator(creator: &str) -> aws_sdk_ecs::types::Tag {
    aws_sdk_ecs::types::Tag::builder().key(CREATOR_TAG).value(creator).build()
}

/// Who made the walkthrough, if its tags tell.
pub(crate) fn creator_of(tags: &[aws_sdk_ecs::types::Tag]) -> Option<&str> {
    tags.iter().find(|tag| tag.key() == Some(CREATOR_TAG))?.value()
}

pub(crate) fn elbv2(owner: &str) -> aws_sdk_elasticloadbalancingv2::types::Tag {
    aws_sdk_elasticloadbalancingv2::types::Tag::builder().key(OWNER_TAG).value(owner).build()
}

/// A tag of a group, which its instances get too.
pub(crate) fn autoscaling(group: &str, key: &str, value: &str) -> aws_sdk_autoscaling::types::Tag {
    let tag = aws_sdk_autoscaling::types::Tag::builder()
        .resource_id(group)
        .resource_type("auto-scaling-group")
        .key(key)
        .value(value)
        .propagate_at_launch(true);
    tag.build()
}

pub(crate) fn servicediscovery(owner: &str) -> aws_sdk_servicediscovery::types::Tag {
    let tag = aws_sdk_servicediscovery::types::Tag::builder().key(OWNER_TAG).value(owner).build();
    tag.expect("its required members, key and value, are set")
}

pub(crate) fn iam(owner: &str) -> aws_sdk_iam::types::Tag {
    let tag = aws_sdk_iam::types::Tag::builder().key(OWNER_TAG).value(owner).build();
    tag.expect("its required members, key and value, are set")
}

pub(crate) fn logs(owner: &str) -> HashMap<String, String> {
    HashMap::from([(OWNER_TAG.to_owned(), owner.to_owned())])
}
