//! The two roles that the article takes for granted: its step 4 names the instances', its step 6 the tasks'. Nothing is
//! made. They are looked for before anything else is, since AWS tells their absence late and in other words.

use super::identity::Identity;
use super::{Context, Error, Step};
use crate::aws::{CloudError, ErrorClass};
use crate::report::events::Event;

pub(crate) struct Roles {
    /// Lets instances join the cluster.
    pub(crate) instance_profile_arn: String,
    /// Lets ECS pull the image and write the logs.
    pub(crate) execution_role_arn: String,
}

pub(crate) async fn find_roles(ctx: &Context, identity: &Identity) -> Result<Roles, Error> {
    let (instance_profile_arn, execution_role_arn) =
        tokio::try_join!(find_instance_profile(ctx, identity), find_execution_role(ctx, identity))?;
    let what = format!("{instance_profile_arn} and {execution_role_arn}");
    ctx.events.send(Event::Found { step: Step::Instances, what });
    Ok(Roles { instance_profile_arn, execution_role_arn })
}

async fn find_instance_profile(ctx: &Context, identity: &Identity) -> Result<String, Error> {
    let name = &ctx.settings.instance_profile;
    let request = ctx.clients.iam.get_instance_profile().instance_profile_name(name);
    match ctx.call("iam:GetInstanceProfile", request.send()).await {
        Ok(answer) => match answer.instance_profile {
            Some(profile) if !profile.roles().is_empty() => Ok(profile.arn),
            _ => Err(Error::Prerequisite(format!(
                "instance profile {name} has no role, so no instance could join the cluster; add one with \
                 `aws iam add-role-to-instance-profile --instance-profile-name {name} --role-name …`"
            ))),
        },
        Err(Error::Cloud(error)) if error.class == ErrorClass::Absent => Err(Error::Prerequisite(format!(
            "there is no instance profile {name}, which lets instances join the cluster; make it as \
             https://docs.aws.amazon.com/AmazonECS/latest/developerguide/instance_IAM_role.html says, or name another \
             one in zonewalk.toml: instance_profile = \"…\""
        ))),
        Err(error) => unseen(ctx, error).map(|()| identity.iam_arn(&format!("instance-profile/{name}"))),
    }
}

async fn find_execution_role(ctx: &Context, identity: &Identity) -> Result<String, Error> {
    let name = &ctx.settings.execution_role;
    let request = ctx.clients.iam.get_role().role_name(name);
    match ctx.call("iam:GetRole", request.send()).await {
        Ok(answer) => Ok(answer.role.map_or_else(String::new, |role| role.arn)),
        Err(Error::Cloud(error)) if error.class == ErrorClass::Absent => Err(Error::Prerequisite(format!(
            "there is no role {name}, which lets ECS start tasks; make it as \
             https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_execution_IAM_role.html says, or name \
             another one in zonewalk.toml: execution_role = \"…\""
        ))),
        Err(error) => unseen(ctx, error).map(|()| identity.iam_arn(&format!("role/{name}"))),
    }
}

/// Who may use a role may not always look at it: then it is taken to be there.
fn unseen(ctx: &Context, error: Error) -> Result<(), Error> {
    match error {
        Error::Cloud(CloudError { class: ErrorClass::Refused, action, code: Some(_), .. }) => {
            ctx.events.note(format!("{action} is not allowed: the role is taken to be there"));
            Ok(())
        }
        error => Err(error),
    }
}
