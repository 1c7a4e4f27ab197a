//! Launch templates: created once a token, versions, what they may say.

use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData};
use zonewalk::cloud::Pace;

use super::{Stand, assert_refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_template_is_created_once_however_often_its_token_comes() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let data = stand.article_data().await;
    let create = |token: &str, data: &RequestLaunchTemplateData| {
        let create = ec2.create_launch_template().launch_template_name("template").client_token(token);
        create.launch_template_data(data.clone()).send()
    };
    let first = create("token", &data).await.unwrap().launch_template.unwrap();
    let second = create("token", &data).await.unwrap().launch_template.unwrap();
    assert_eq!(first.launch_template_id, second.launch_template_id);
    let other = RequestLaunchTemplateData::builder().image_id("ami-0").build();
    assert_refused(create("token", &other).await, "IdempotentParameterMismatch", "inconsistent");
    let taken = create("another", &data).await;
    let code = "InvalidLaunchTemplateName.AlreadyExistsException";
    assert_refused(taken, code, "Launch template name already in use.");

    let delete = || ec2.delete_launch_template().launch_template_name("template").send();
    delete().await.unwrap();
    assert_refused(delete().await, "InvalidLaunchTemplateName.NotFoundException", "template name template,");
    let id = first.launch_template_id().unwrap();
    let describe = ec2.describe_launch_templates().launch_template_ids(id).send().await;
    assert_refused(describe, "InvalidLaunchTemplateId.NotFound", &format!("template ID {id}, does not exist"));
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_starts_from_another_and_becomes_the_default_when_told() {
    let stand = Stand::new(Pace::Instant).await;
    let ec2 = &stand.clients.ec2;
    let id = stand.launch_template("template", stand.article_data().await).await;
    let larger = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Large).build();
    let version = ec2.create_launch_template_version().launch_template_id(&id).source_version("1");
    let version = version.launch_template_data(larger).send().await.unwrap().launch_template_version.unwrap();
    let data = version.launch_template_data().unwrap();
    assert_eq!((version.version_number(), version.default_version()), (Some(2), Some(false)));
    assert_eq!(data.instance_type(), Some(&InstanceType::T3Large));
    assert_eq!(data.iam_instance_profile().unwrap().name(), Some("ecsInstanceRole"));

    ec2.modify_launch_template().launch_template_id(&id).default_version("2").send().await.unwrap();
    let versions = ec2.describe_launch_template_versions().launch_template_id(&id).versions("$Default").versions("1");
    let versions = versions.send().await.unwrap().launch_template_versions.unwrap();
    let numbers: Vec<_> = versions.iter().map(|version| version.version_number().unwrap()).collect();
    assert_eq!(numbers, [2, 1]);
    let missing = ec2.describe_launch_template_versions().launch_template_id(&id).versions("3").send().await;
    assert_refused(missing, "InvalidLaunchTemplateId.VersionNotFound", "version 3");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_must_be_base64_and_names_within_bounds() {
    let stand = Stand::new(Pace::Instant).await;
    let create = |name: &str, user_data: &str| {
        let data = RequestLaunchTemplateData::builder().user_data(user_data).build();
        stand.clients.ec2.create_launch_template().launch_template_name(name).launch_template_data(data).send()
    };
    assert_refused(create("template", "#!/bin/sh").await, "InvalidUserData.Malformed", "Invalid BASE64 encoding");
    assert_refused(create("t", "").await, "InvalidLaunchTemplateName.MalformedException", "between 3 and 128");
    stand.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_goes_by_itself_unless_it_is_the_default_and_its_number_is_not_given_again() {
    let stand = Stand::new(Pace::Instant).await;
    let template = stand.launch_template("template", stand.article_data().await).await;
    let ec2 = &stand.clients.ec2;
    let add = async || {
        let create = ec2.create_launch_template_version().launch_template_id(&template).source_version("1");
        let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Medium).build();
        let create = create.launch_template_data(data).send().await.unwrap();
        create.launch_template_version.unwrap().version_number.unwrap()
    };
    assert_eq!((add().await, add().await), (2, 3));
    let delete = ec2.delete_launch_template_versions().launch_template_id(&template);
    let deleted = delete.versions("1").versions("3").versions("7").send().await.unwrap();
    let gone = deleted.successfully_deleted_launch_template_versions();
    assert_eq!(gone.iter().map(|version| version.version_number()).collect::<Vec<_>>(), [Some(3)]);
    let left = deleted.unsuccessfully_deleted_launch_template_versions();
    let why = |at: usize| left[at].response_error().unwrap().code().unwrap().as_str();
    assert_eq!((left[0].version_number(), why(0)), (Some(1), "unexpectedError"));
    assert_eq!((left[1].version_number(), why(1)), (Some(7), "launchTemplateVersionDoesNotExist"));
    let described = ec2.describe_launch_templates().launch_template_ids(&template).send().await.unwrap();
    assert_eq!(described.launch_templates()[0].latest_version_number(), Some(2));
    assert_eq!(add().await, 4);
    let refused = ec2.delete_launch_template_versions().launch_template_id(&template).versions("$Latest").send().await;
    assert_refused(refused, "InvalidParameterValue", "$Latest");
    stand.end().await;
}
