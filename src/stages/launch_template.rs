//! Step 4: what an instance is: the image, its type and role, IMDSv2 only, and user data that names the cluster.

use aws_sdk_ec2::types::{
    LaunchTemplateHttpTokensState, LaunchTemplateIamInstanceProfileSpecificationRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateTagSpecificationRequest, RequestLaunchTemplateData, ResourceType, ResponseLaunchTemplateData,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use minijinja::context;

use super::ecs_cluster::EcsCluster;
use super::image::Image;
use super::removal::{Details, Remaining, Removal};
use super::security_groups::SecurityGroups;
use super::stage::{Found, Stage};
use super::{Context, Error, templates};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind, Planned, in_order};

/// A template that instances can be launched from.
#[derive(Clone, Debug)]
pub(crate) struct LaunchTemplateVersion {
    pub(crate) id: Planned<String>,
    /// The number of its newest version; none before it is made.
    pub(crate) number: Option<i64>,
}

pub(crate) struct LaunchTemplate {
    name: String,
    instance_name: String,
    /// The description of its versions, which tells which recommendation the image follows.
    description: String,
    image_id: String,
    instance_type: String,
    instance_profile_arn: String,
    security_group_ids: Vec<Planned<String>>,
    user_data: String,
}

/// A container's request to the metadata service passes the bridge, which is a second hop; the article's step 4.
const HOP_LIMIT: i32 = 2;

impl LaunchTemplate {
    /// The cluster has to exist before an instance boots: its agent gives up if it finds none to join.
    pub(crate) fn new(
        ctx: &Context,
        instance_profile_arn: &str,
        groups: &SecurityGroups,
        cluster: &EcsCluster,
        image: &Image,
    ) -> Result<Self, Error> {
        let values = context! { cluster => cluster.name.as_str(), region => ctx.clients.region.as_str() };
        let user_data = templates::render(ctx.settings.templates.as_deref(), templates::USER_DATA, values)?;
        // EC2 User Guide, "Run commands when you launch an EC2 instance with user data input": before they are encoded.
        const MOST_USER_DATA: usize = 16_384;
        if user_data.len() > MOST_USER_DATA {
            let reason = format!("it renders to {} bytes; EC2 takes {MOST_USER_DATA} at most", user_data.len());
            return Err(Error::Template { name: templates::USER_DATA, reason });
        }
        Ok(Self {
            name: ctx.names.launch_template.clone(),
            instance_name: ctx.names.instance.clone(),
            description: format!("ECS optimized launch template of {}", ctx.settings.ami_parameter),
            image_id: image.id.clone(),
            instance_type: ctx.settings.instance_type.clone(),
            instance_profile_arn: instance_profile_arn.to_owned(),
            security_group_ids: vec![groups.client.0.clone(), groups.server.0.clone()],
            user_data: BASE64.encode(user_data),
        })
    }

    fn request(&self, ctx: &Context) -> RequestLaunchTemplateData {
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_put_response_hop_limit(HOP_LIMIT);
        let profile = LaunchTemplateIamInstanceProfileSpecificationRequest::builder().arn(&self.instance_profile_arn);
        let instance_tags = LaunchTemplateTagSpecificationRequest::builder()
            .resource_type(ResourceType::Instance)
            .tags(tags::ec2_tag("Name", &self.instance_name))
            .tags(tags::ec2(ctx.owner()));
        RequestLaunchTemplateData::builder()
            .image_id(&self.image_id)
            .instance_type(self.instance_type.as_str().into())
            .iam_instance_profile(profile.build())
            .set_security_group_ids(Some(self.security_group_ids.iter().map(|id| id.made().clone()).collect()))
            .metadata_options(metadata.build())
            .user_data(&self.user_data)
            .tag_specifications(instance_tags.build())
            .build()
    }
}

/// The newest version of a template that is there.
pub(crate) struct NewestVersion {
    data: ResponseLaunchTemplateData,
    description: Option<String>,
    number: Option<i64>,
}

fn readable(user_data: &str) -> String {
    let text = BASE64.decode(user_data).map(|bytes| String::from_utf8_lossy(&bytes).trim_end().replace('\n', "; "));
    text.unwrap_or_else(|_| user_data.to_owned())
}

impl Stage for LaunchTemplate {
    const KIND: Kind = Kind::LaunchTemplate;
    type Facts = NewestVersion;
    type Output = LaunchTemplateVersion;

    fn name(&self) -> String {
        self.name.clone()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<NewestVersion>>, Error> {
        let Some(template) = find(ctx, &self.name).await? else { return Ok(None) };
        let (id, owner) = (template.launch_template_id().unwrap_or_default().to_owned(), template.owner());
        let request = ctx.clients.ec2.describe_launch_template_versions().launch_template_id(&id).versions("$Latest");
        let answer = optional(ctx.look("ec2:DescribeLaunchTemplateVersions", request.send()).await)?;
        let version = answer.and_then(|answer| answer.launch_template_versions.unwrap_or_default().pop());
        Ok(version.and_then(|version| {
            let (data, description) = (version.launch_template_data?, version.version_description);
            Some(Found::new(id, owner, NewestVersion { data, description, number: version.version_number }))
        }))
    }

    fn output(&self, found: Option<Found<NewestVersion>>) -> LaunchTemplateVersion {
        let number = found.as_ref().and_then(|found| found.facts.number);
        LaunchTemplateVersion { id: found.map(|found| found.id).into(), number }
    }

    fn compare(&self, newest: &NewestVersion) -> Vec<Option<Difference>> {
        let is = &newest.data;
        let profile = is.iam_instance_profile().and_then(|profile| profile.arn()).unwrap_or("none");
        let metadata = is.metadata_options();
        let tokens = metadata.and_then(|m| m.http_tokens()).map_or("none", |tokens| tokens.as_str());
        let hops = metadata.and_then(|m| m.http_put_response_hop_limit()).unwrap_or_default();
        let instance_type = is.instance_type().map_or("none", |instance_type| instance_type.as_str());
        // AWS recommends another image every few weeks, and that alone is no reason to replace instances: nobody asked for it.
        let is_as_recommended = newest.description.as_ref() == Some(&self.description);
        // EC2 promises no order.
        let groups = (in_order(is.security_group_ids()), in_order(&self.security_group_ids));
        let image = if is_as_recommended { None } else { Some(is.image_id().unwrap_or("none")) };
        vec![
            image.and_then(|image| Difference::of(Field::Image, image, &self.image_id)),
            Difference::of(Field::InstanceType, instance_type, &self.instance_type),
            Difference::of(Field::InstanceProfile, profile, &self.instance_profile_arn),
            Difference::of(Field::SecurityGroups, groups.0, groups.1),
            Difference::of(Field::MetadataTokens, tokens, LaunchTemplateHttpTokensState::Required),
            Difference::of(Field::MetadataHopLimit, hops, HOP_LIMIT),
            Difference::of(Field::UserData, readable(is.user_data().unwrap_or_default()), readable(&self.user_data)),
        ]
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let request = ctx
            .clients
            .ec2
            .create_launch_template()
            .launch_template_name(&self.name)
            .version_description(&self.description)
            .launch_template_data(self.request(ctx))
            .client_token(ctx.client_token())
            .tag_specifications(tags::ec2_on_creation(ResourceType::LaunchTemplate, ctx.owner()));
        ctx.change("ec2:CreateLaunchTemplate", request.send()).await
    }

    /// A template's versions never change: another one becomes the latest, which the group launches from.
    async fn change(&self, ctx: &Context, found: &Found<NewestVersion>) -> Result<(), Error> {
        let request = ctx
            .clients
            .ec2
            .create_launch_template_version()
            .launch_template_id(&found.id)
            .version_description(&self.description)
            .launch_template_data(self.request(ctx))
            .client_token(ctx.client_token());
        ctx.change("ec2:CreateLaunchTemplateVersion", request.send()).await
    }

    async fn adopt(&self, ctx: &Context, found: &Found<NewestVersion>) -> Result<(), Error> {
        let request = ctx.clients.ec2.create_tags().resources(&found.id).tags(tags::ec2(ctx.owner()));
        ctx.change("ec2:CreateTags", request.send()).await
    }
}

async fn find(ctx: &Context, name: &str) -> Result<Option<aws_sdk_ec2::types::LaunchTemplate>, Error> {
    let request = ctx.clients.ec2.describe_launch_templates().launch_template_names(name);
    let answer = optional(ctx.look("ec2:DescribeLaunchTemplates", request.send()).await)?;
    Ok(answer.and_then(|answer| answer.launch_templates.unwrap_or_default().pop()))
}

impl Removal for LaunchTemplate {
    const KIND: Kind = Kind::LaunchTemplate;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let by_tag = tags::ec2_filter(ctx.owner());
        let request = ctx.clients.ec2.describe_launch_templates().filters(by_tag);
        let answer = ctx.look("ec2:DescribeLaunchTemplates", request.send()).await?;
        let mut all = answer.launch_templates.unwrap_or_default();
        all.extend(find(ctx, &ctx.names.launch_template).await?);
        all.sort_by_key(|template| template.launch_template_id.clone());
        all.dedup_by_key(|template| template.launch_template_id.clone());
        let remaining = |template: &aws_sdk_ec2::types::LaunchTemplate| {
            let name = template.launch_template_name().unwrap_or_default();
            let details = Details::named(name).created(template.create_time());
            Remaining::new(ctx, template.launch_template_id().unwrap_or_default(), template.owner()).with(details)
        };
        Ok(all.iter().map(remaining).collect())
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        let request = ctx.clients.ec2.delete_launch_template().launch_template_id(id);
        ctx.change("ec2:DeleteLaunchTemplate", request.send()).await
    }
}
