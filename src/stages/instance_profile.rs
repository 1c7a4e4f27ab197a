//! Before step 4, where the account has none that serves: the profile through which instances are given their role.

use super::identity::Identity;
use super::removal::{Details, Remaining, Removal};
use super::roles::{NOT_LOOKED_FOR, RoleName, own_instance_role};
use super::stage::{Found, Stage};
use super::{Context, Error};
use crate::aws::error::optional;
use crate::aws::tags::{self, Tagged};
use crate::plan::{Difference, Field, Kind};

/// A profile of the tool's own, with its role's name.
pub(crate) struct InstanceProfile<'a> {
    role: &'a RoleName,
    arn: String,
}

impl<'a> InstanceProfile<'a> {
    pub(crate) fn new(identity: &Identity, role: &'a RoleName) -> Self {
        Self { role, arn: identity.iam_arn(&format!("instance-profile/{}", role.0)) }
    }

    async fn add_role(&self, ctx: &Context) -> Result<(), Error> {
        let add = ctx.clients.iam.add_role_to_instance_profile();
        let request = add.instance_profile_name(self.name()).role_name(&self.role.0);
        ctx.change("iam:AddRoleToInstanceProfile", request.send()).await
    }
}

async fn find(ctx: &Context, name: &str) -> Result<Option<Found<aws_sdk_iam::types::InstanceProfile>>, Error> {
    let request = ctx.clients.iam.get_instance_profile().instance_profile_name(name);
    let answer = optional(ctx.look("iam:GetInstanceProfile", request.send()).await)?;
    let profile = answer.and_then(|answer| answer.instance_profile);
    Ok(profile.map(|profile| Found::new(name, profile.owner(), profile)))
}

impl Stage for InstanceProfile<'_> {
    const KIND: Kind = Kind::InstanceProfile;
    type Facts = aws_sdk_iam::types::InstanceProfile;
    /// The profile's ARN.
    type Output = String;

    fn name(&self) -> String {
        self.role.0.clone()
    }

    async fn find(&self, ctx: &Context) -> Result<Option<Found<Self::Facts>>, Error> {
        find(ctx, &self.role.0).await
    }

    fn output(&self, _found: Option<Found<Self::Facts>>) -> String {
        self.arn.clone()
    }

    fn compare(&self, profile: &Self::Facts) -> Vec<Option<Difference>> {
        let role = profile.roles().first().map_or("none", |role| role.role_name());
        vec![Difference::of(Field::Role, role, &self.role.0)]
    }

    async fn create(&self, ctx: &Context) -> Result<(), Error> {
        let create = ctx.clients.iam.create_instance_profile().instance_profile_name(self.name());
        ctx.change("iam:CreateInstanceProfile", create.tags(tags::iam(ctx.owner())).send()).await?;
        self.add_role(ctx).await
    }

    /// Replaces the role, since a profile holds one.
    async fn change(&self, ctx: &Context, found: &Found<Self::Facts>) -> Result<(), Error> {
        remove_roles(ctx, &found.facts).await?;
        self.add_role(ctx).await
    }

    async fn adopt(&self, ctx: &Context, _found: &Found<Self::Facts>) -> Result<(), Error> {
        let request = ctx.clients.iam.tag_instance_profile().instance_profile_name(self.name());
        ctx.change("iam:TagInstanceProfile", request.tags(tags::iam(ctx.owner())).send()).await
    }
}

async fn remove_roles(ctx: &Context, profile: &aws_sdk_iam::types::InstanceProfile) -> Result<(), Error> {
    for role in profile.roles() {
        let remove = ctx.clients.iam.remove_role_from_instance_profile();
        let request = remove.instance_profile_name(profile.instance_profile_name()).role_name(role.role_name());
        optional(ctx.change("iam:RemoveRoleFromInstanceProfile", request.send()).await)?;
    }
    Ok(())
}

impl Removal for InstanceProfile<'_> {
    const KIND: Kind = Kind::InstanceProfile;

    async fn list(ctx: &Context) -> Result<Vec<Remaining>, Error> {
        let name = own_instance_role(ctx);
        let found = ctx.unless_refused(find(ctx, &name).await, NOT_LOOKED_FOR)?;
        let details = |profile: &aws_sdk_iam::types::InstanceProfile| {
            Details::named(name).arn(Some(profile.arn())).created(Some(profile.create_date()))
        };
        Ok(Remaining::of(ctx, found.flatten(), details))
    }

    async fn delete(ctx: &Context, id: &str) -> Result<(), Error> {
        if let Some(profile) = find(ctx, id).await? {
            remove_roles(ctx, &profile.facts).await?;
        }
        let request = ctx.clients.iam.delete_instance_profile().instance_profile_name(id);
        ctx.change("iam:DeleteInstanceProfile", request.send()).await
    }
}
