//! Which tags no service takes: keys of AWS's own, a key twice, and more than fifty.

use zonewalk::cloud::Pace;

use super::{Stand, assert_refused};

/// The cases, with what each is refused for.
fn cases() -> [(Vec<(String, String)>, &'static str); 5] {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    [
        (vec![tag("aws:owner", "me")], "aws: prefixed tag key names are not allowed"),
        (vec![tag("AWS:owner", "me")], "aws: prefixed tag key names are not allowed"),
        (vec![tag(&"k".repeat(129), "v")], "at most 128 characters"),
        (vec![tag("k", &"v".repeat(257))], "at most 256 characters"),
        ((0..51).map(|n| tag(&format!("key-{n}"), "v")).collect(), "at most 50 tags"),
    ]
}

const TWICE: [(&str, &str); 2] = [("key", "one"), ("key", "two")];

/// Refusals of a request that takes the cases as this kind of tags, by these codes: for what is said in vain, and for too many.
macro_rules! assert_tags {
    ($codes:expr, $tag:path, |$tags:ident| $request:expr) => {{
        let (invalid, too_many) = $codes;
        for (tags, words) in cases() {
            let $tags = tags.into_iter().map(|(key, value)| <$tag>::builder().key(key).value(value).build());
            assert_refused($request.send().await, if words.ends_with("tags") { too_many } else { invalid }, words);
        }
    }};
}

/// The tags of builders that may lack a member.
fn built<T, E: std::fmt::Debug>(tags: impl Iterator<Item = Result<T, E>>) -> Option<Vec<T>> {
    Some(tags.map(Result::unwrap).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_keys_and_more_than_fifty_tags_are_refused_everywhere() {
    let stand = Stand::new(Pace::Instant).await;
    let clients = &stand.clients;
    let invalid = "InvalidParameterException";
    assert_tags!((invalid, invalid), aws_sdk_ecs::types::Tag, |tags| clients
        .ecs
        .create_cluster()
        .cluster_name("c")
        .set_tags(Some(tags.collect())));
    clients.ecs.create_cluster().cluster_name("c").send().await.unwrap();
    let cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/c";
    assert_tags!((invalid, invalid), aws_sdk_ecs::types::Tag, |tags| clients
        .ecs
        .tag_resource()
        .resource_arn(cluster)
        .set_tags(Some(tags.collect())));
    assert_tags!(("InvalidInput", "TooManyTagsException"), aws_sdk_servicediscovery::types::Tag, |tags| clients
        .servicediscovery
        .create_http_namespace()
        .name("n")
        .set_tags(built(tags)));
    assert_tags!(("ValidationError", "TooManyTags"), aws_sdk_elasticloadbalancingv2::types::Tag, |tags| clients
        .elbv2
        .create_target_group()
        .name("t")
        .protocol("HTTP".into())
        .port(80)
        .vpc_id(&stand.vpc)
        .set_tags(Some(tags.collect())));
    let group = stand.security_group("tagged").await;
    assert_tags!(("InvalidParameterValue", "TagLimitExceeded"), aws_sdk_ec2::types::Tag, |tags| clients
        .ec2
        .create_tags()
        .resources(&group)
        .set_tags(Some(tags.collect())));
    for (tags, words) in cases() {
        let code = if words.ends_with("tags") { "TooManyTagsException" } else { invalid };
        let tags = Some(tags.into_iter().collect());
        assert_refused(clients.logs.create_log_group().log_group_name("g").set_tags(tags).send().await, code, words);
    }
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_given_once_and_a_resource_be_filled_up_to_fifty() {
    let stand = Stand::new(Pace::Instant).await;
    let clients = &stand.clients;
    let twice = || TWICE.map(|(key, value)| aws_sdk_ecs::types::Tag::builder().key(key).value(value).build()).to_vec();
    let create = clients.ecs.create_cluster().cluster_name("c").set_tags(Some(twice()));
    assert_refused(create.send().await, "InvalidParameterException", "Duplicate tag key 'key'");

    let group = stand.security_group("tagged").await;
    let tag = async |from: u32, to: u32| {
        let tags = (from..to).map(|n| aws_sdk_ec2::types::Tag::builder().key(n.to_string()).value("v").build());
        clients.ec2.create_tags().resources(&group).set_tags(Some(tags.collect())).send().await
    };
    tag(0, 30).await.unwrap();
    tag(20, 50).await.unwrap();
    assert_refused(tag(50, 51).await, "TagLimitExceeded", "at most 50 tags");

    let template = stand.launch_template("template", stand.article_data().await).await;
    let tags = |from: u32, to: u32| {
        let tags = (from..to).map(|n| aws_sdk_autoscaling::types::Tag::builder().key(n.to_string()).resource_id("g"));
        Some(tags.map(|tag| tag.resource_type("auto-scaling-group").build()).collect::<Vec<_>>())
    };
    let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_id(template);
    let create = clients.autoscaling.create_auto_scaling_group().auto_scaling_group_name("g").min_size(0).max_size(1);
    let create = create.launch_template(template.build()).availability_zones("us-east-1a");
    assert_refused(create.clone().set_tags(tags(0, 51)).send().await, "LimitExceeded", "at most 50 tags");
    create.set_tags(tags(0, 49)).send().await.unwrap();
    let add = |from: u32, to: u32| clients.autoscaling.create_or_update_tags().set_tags(tags(from, to)).send();
    add(48, 50).await.unwrap();
    assert_refused(add(50, 51).await, "LimitExceeded", "at most 50 tags");

    let delete = clients.ec2.delete_tags().set_resources(Some(vec![])).send().await;
    assert_refused(delete, "MissingParameter", "resourceIdSet");
    stand.end().await;
}
