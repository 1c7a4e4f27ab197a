//! IAM: the article's roles, and making and unmaking one's own.

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, Tag};
use zonewalk::cloud::{LocalCloud, Options, Pace};

use super::{Stand, assert_refused};
use crate::support;

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;
const SSM: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

#[tokio::test(flavor = "multi_thread")]
async fn the_articles_roles_are_there_unless_the_account_is_bare() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let profile = iam.get_instance_profile().instance_profile_name("ecsInstanceRole").send().await.unwrap();
    assert_eq!(profile.instance_profile().unwrap().roles()[0].role_name(), "ecsInstanceRole");
    let attached = iam.list_attached_role_policies().role_name("ecsInstanceRole").send().await.unwrap();
    let attached: Vec<_> = attached.attached_policies().iter().filter_map(|policy| policy.policy_name()).collect();
    assert_eq!(attached, ["AmazonSSMManagedInstanceCore", "AmazonEC2ContainerServiceforEC2Role"]);
    let inline = iam.list_role_policies().role_name("ecsTaskExecutionRole").send().await.unwrap();
    assert_eq!(inline.policy_names(), ["create-log-groups"]);
    stand.end().await;

    let bare = Options { bare_account: true, pace: Pace::Instant, ..Options::default() };
    let bare = LocalCloud::start(bare).await.unwrap();
    let iam = support::clients(&bare).await.iam;
    let role = iam.get_role().role_name("ecsInstanceRole").send().await;
    assert_refused(role, "NoSuchEntity", "The role with name ecsInstanceRole cannot be found.");
    bare.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_goes_when_nothing_holds_it_any_more() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let create = || iam.create_role().role_name("own").assume_role_policy_document(TRUST).send();
    create().await.unwrap();
    assert_refused(create().await, "EntityAlreadyExists", "Role with name own already exists.");
    iam.attach_role_policy().role_name("own").policy_arn(SSM).send().await.unwrap();
    iam.put_role_policy().role_name("own").policy_name("logs").policy_document(TRUST).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name("own").send().await.unwrap();
    let add = || iam.add_role_to_instance_profile().instance_profile_name("own").role_name("own").send();
    add().await.unwrap();
    assert_refused(add().await, "LimitExceeded", "InstanceSessionsPerInstanceProfile: 1");

    let delete = || iam.delete_role().role_name("own").send();
    assert_refused(delete().await, "DeleteConflict", "must remove roles from instance profile first");
    let profile = iam.delete_instance_profile().instance_profile_name("own").send().await;
    assert_refused(profile, "DeleteConflict", "must remove roles from instance profile first");
    let remove = iam.remove_role_from_instance_profile().instance_profile_name("own").role_name("own");
    remove.send().await.unwrap();
    assert_refused(delete().await, "DeleteConflict", "must detach all policies first");
    iam.detach_role_policy().role_name("own").policy_arn(SSM).send().await.unwrap();
    assert_refused(delete().await, "DeleteConflict", "must delete policies first");
    iam.delete_role_policy().role_name("own").policy_name("logs").send().await.unwrap();
    delete().await.unwrap();
    assert_refused(delete().await, "NoSuchEntity", "The role with name own cannot be found.");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_policy_is_refused() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let role = iam.create_role().role_name("own").assume_role_policy_document("trust me").send().await;
    assert_refused(role, "MalformedPolicyDocument", "This policy contains invalid Json");
    let attach = iam.attach_role_policy().role_name("ecsInstanceRole").policy_arn("arn:aws:iam::aws:policy/Own");
    assert_refused(attach.send().await, "NoSuchEntity", "does not exist or is not attachable");
    let name = iam.create_role().role_name("our own").assume_role_policy_document(TRUST).send().await;
    assert_refused(name, "ValidationError", "'our own' at 'roleName' failed to satisfy constraint");
    stand.end().await;
}

/// What SimulatePrincipalPolicy says of an action, on a resource and with entries of the context: its decision, and what it
/// misses, of all resources and of this one.
async fn simulated(
    iam: &aws_sdk_iam::Client,
    resource: Option<&str>,
    entries: &[(&str, &str)],
) -> (String, Vec<String>, Vec<String>) {
    let request = iam.simulate_principal_policy().policy_source_arn("arn:aws:iam::000000000000:role/own");
    let request = request.action_names("ecs:CreateCluster").set_resource_arns(resource.map(|arn| vec![arn.to_owned()]));
    let request = entries.iter().fold(request, |request, (key, value)| {
        let entry = ContextEntry::builder().context_key_name(*key).context_key_values(*value);
        request.context_entries(entry.context_key_type(ContextKeyTypeEnum::String).build())
    });
    let answer = request.send().await.unwrap();
    let result = &answer.evaluation_results()[0];
    let of_resources = result.resource_specific_results().iter().flat_map(|r| r.missing_context_values());
    let missing = result.missing_context_values().to_vec();
    (result.eval_decision().to_string(), missing, of_resources.cloned().collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_heeds_resources_and_conditions_and_tells_what_it_misses() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    iam.create_role().role_name("own").assume_role_policy_document(TRUST).send().await.unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ecs:*", "Resource": "*", "Condition": {"StringLike": {"aws:RequestedRegion": "eu-*"}}},
        {"Effect": "Allow", "Action": "ecs:*", "Resource": "arn:aws:ecs:*:*:cluster/own"},
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*", "Condition": {"Null": {"aws:MultiFactorAuthPresent": "true"}}}]}"#;
    iam.put_role_policy().role_name("own").policy_name("own").policy_document(policy).send().await.unwrap();

    let (region, mfa) = ("aws:RequestedRegion", "aws:MultiFactorAuthPresent");
    let none: [&str; 0] = [];
    let (decision, missing, _) = simulated(iam, None, &[]).await;
    assert_eq!((decision.as_str(), missing), ("implicitDeny", vec![mfa.to_owned(), region.to_owned()]));
    let (decision, missing, _) = simulated(iam, None, &[("aws:requestedregion", "eu-west-1")]).await;
    assert_eq!((decision.as_str(), missing), ("allowed", vec![mfa.to_owned()]));
    let (decision, missing, _) = simulated(iam, None, &[(region, "us-east-1"), (mfa, "true")]).await;
    assert_eq!(decision, "implicitDeny");
    assert_eq!(missing, none);
    let own = Some("arn:aws:ecs:us-east-1:000000000000:cluster/own");
    let (decision, missing, of_resource) = simulated(iam, own, &[(region, "us-east-1")]).await;
    assert_eq!((decision.as_str(), of_resource), ("allowed", vec![mfa.to_owned()]));
    assert_eq!(missing, none);
    let many = iam.simulate_principal_policy().policy_source_arn("arn:aws:iam::000000000000:role/own");
    let many = many.action_names("ecs:CreateCluster").resource_arns("arn:a").resource_arns("arn:b").send().await;
    assert_refused(many, "UnsupportedFeatureException", "more than one of ResourceArns");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_tells_its_policy_its_tags_and_the_profiles_it_is_in() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let owner = Tag::builder().key("owner").value("us").build().unwrap();
    let create = iam.create_role().role_name("own").assume_role_policy_document(TRUST).tags(owner);
    create.send().await.unwrap();
    let tags = iam.list_role_tags().role_name("own").send().await.unwrap();
    assert_eq!(tags.tags().iter().map(|tag| (tag.key(), tag.value())).collect::<Vec<_>>(), [("owner", "us")]);

    let policy = r#"{"Statement": []}"#;
    iam.put_role_policy().role_name("own").policy_name("logs").policy_document(policy).send().await.unwrap();
    let get = |name: &str| iam.get_role_policy().role_name("own").policy_name(name).send();
    let found = get("logs").await.unwrap();
    assert_eq!((found.role_name(), found.policy_name()), ("own", "logs"));
    assert_eq!(found.policy_document(), "%7B%22Statement%22%3A%20%5B%5D%7D", "percent-encoded, as on AWS");
    assert_refused(get("none").await, "NoSuchEntity", "The role policy with name none cannot be found.");

    let profiles = async |role: &str| {
        let listed = iam.list_instance_profiles_for_role().role_name(role).send().await.unwrap();
        listed.instance_profiles().iter().map(|it| it.instance_profile_name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(profiles("own").await, Vec::<String>::new());
    iam.create_instance_profile().instance_profile_name("mine").send().await.unwrap();
    let add = iam.add_role_to_instance_profile().instance_profile_name("mine").role_name("own");
    add.send().await.unwrap();
    assert_eq!(
        (profiles("own").await, profiles("ecsInstanceRole").await),
        (vec!["mine".to_owned()], vec!["ecsInstanceRole".to_owned()])
    );
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_updated_role_keeps_its_description_and_takes_the_default_duration_again() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let create = iam.create_role().role_name("own").assume_role_policy_document(TRUST).description("of a test");
    create.max_session_duration(7200).send().await.unwrap();
    let update = || iam.update_role().role_name("own");
    assert_refused(update().max_session_duration(60).send().await, "ValidationError", "greater than or equal to 3600");
    assert_refused(
        update().max_session_duration(50_000).send().await,
        "ValidationError",
        "less than or equal to 43200",
    );
    update().send().await.unwrap();
    let role = async || iam.get_role().role_name("own").send().await.unwrap().role.unwrap();
    assert_eq!(role().await.description(), Some("of a test"));
    assert_eq!(role().await.max_session_duration(), Some(3600));
    update().description("another").max_session_duration(43_200).send().await.unwrap();
    assert_eq!(role().await.description(), Some("another"));
    assert_eq!(role().await.max_session_duration(), Some(43_200));
    assert_refused(iam.update_role().role_name("other").send().await, "NoSuchEntity", "other cannot be found");
    stand.end().await;
}

/// As AWS answered (localstack/localstack, `test_iam.snapshot.json`).
#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_told_of_in_three_ways() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let created = iam.create_role().role_name("own").assume_role_policy_document(TRUST).send().await.unwrap();
    let created = created.role().unwrap();
    assert!(created.max_session_duration().is_none() && created.role_last_used().is_none() && created.tags.is_none());
    let found = iam.get_role().role_name("own").send().await.unwrap();
    let found = found.role().unwrap();
    assert_eq!(found.max_session_duration(), Some(3600));
    assert!(found.role_last_used().is_some_and(|used| used.last_used_date().is_none()) && found.tags.is_none());
    let listed = iam.list_roles().send().await.unwrap();
    let listed = listed.roles().iter().find(|role| role.role_name() == "own").unwrap();
    assert!(listed.max_session_duration() == Some(3600) && listed.role_last_used().is_none() && listed.tags.is_none());
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_tells_which_statements_decide() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    iam.create_role().role_name("own").assume_role_policy_document(TRUST).send().await.unwrap();
    iam.attach_role_policy().role_name("own").policy_arn(SSM).send().await.unwrap();
    let policy = r#"{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "ecs:*", "Resource": "*"},
  {"Effect": "Deny", "Action": "ecs:Delete*", "Resource": "*"}]}"#;
    iam.put_role_policy().role_name("own").policy_name("mine").policy_document(policy).send().await.unwrap();
    let request = iam.simulate_principal_policy().policy_source_arn("arn:aws:iam::000000000000:role/own");
    let request = request.action_names("ecs:CreateCluster").action_names("ecs:DeleteCluster");
    let request = request.action_names("ssm:GetDocument").action_names("s3:GetObject");
    let results = request.send().await.unwrap().evaluation_results.unwrap();
    let told: Vec<Vec<_>> = results
        .iter()
        .map(|result| {
            assert!(result.organizations_decision_detail().unwrap().allowed_by_organizations());
            result
                .matched_statements()
                .iter()
                .map(|matched| {
                    let (start, end) = (matched.start_position().unwrap(), matched.end_position().unwrap());
                    (matched.source_policy_id().unwrap(), start.line(), start.column(), end.line(), end.column())
                })
                .collect()
        })
        .collect();
    assert_eq!(told[0], [("role_own_mine", 2, 3, 2, 57)]);
    assert_eq!(told[1], [("role_own_mine", 3, 3, 3, 62)]);
    assert_eq!(told[2].iter().map(|(policy, ..)| *policy).collect::<Vec<_>>(), ["AmazonSSMManagedInstanceCore"]);
    assert_eq!(told[3], []);
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_iam_does_not_take_is_refused() {
    let stand = Stand::new(Pace::Instant).await;
    let iam = &stand.clients.iam;
    let create = || iam.create_role().role_name("own").assume_role_policy_document(TRUST);
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let many = (0..51).fold(create(), |request, n| request.tags(tag(&format!("k{n}"), "v")));
    assert_refused(
        many.send().await,
        "ValidationError",
        "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
    );
    let twice = create().tags(tag("Owner", "a")).tags(tag("owner", "b"));
    assert_refused(twice.send().await, "InvalidInput", "Duplicate tag keys found");
    assert_refused(create().tags(tag(&"k".repeat(129), "v")).send().await, "ValidationError", "'tags.1.member.key'");
    assert_refused(create().tags(tag("k", &"v".repeat(257))).send().await, "ValidationError", "'tags.1.member.value'");
    assert_refused(create().tags(tag("k", "<v>")).send().await, "ValidationError", "regular expression pattern");
    assert_refused(create().path("teams/").send().await, "ValidationError", "'teams/' at 'path'");
    assert_refused(create().path("/teams").send().await, "ValidationError", "'/teams' at 'path'");
    assert_refused(create().description("d".repeat(1_001)).send().await, "ValidationError", "at 'description'");
    assert_refused(
        create().max_session_duration(3_599).send().await,
        "ValidationError",
        "greater than or equal to 3600",
    );
    assert_refused(
        create().max_session_duration(43_201).send().await,
        "ValidationError",
        "less than or equal to 43200",
    );
    assert_refused(create().role_name("r".repeat(65)).send().await, "ValidationError", "less than or equal to 64");
    create().path("/teams/").tags(tag("owner", "us")).send().await.unwrap();

    let attach = |arn: &str| iam.attach_role_policy().role_name("own").policy_arn(arn).send();
    assert_refused(
        attach("longpolicynamebutnoarn").await,
        "ValidationError",
        "ARN longpolicynamebutnoarn is not valid.",
    );
    assert_refused(attach("short").await, "ValidationError", "greater than or equal to 20");
    let more = (0..50).fold(iam.tag_role().role_name("own"), |request, n| request.tags(tag(&format!("k{n}"), "v")));
    assert_refused(more.send().await, "LimitExceeded", "TagsPerRole: 50");
    stand.end().await;
}
