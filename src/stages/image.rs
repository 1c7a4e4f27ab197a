//! Step 4: the ECS-optimized machine image that AWS recommends now.

use super::{Context, Error, Step};
use crate::aws::ErrorClass;
use crate::report::events::Event;

pub(crate) struct ImageId(pub(crate) String);

/// The parameter's value as AWS documents it; it has more members.
#[derive(serde::Deserialize)]
struct Recommended {
    image_id: String,
}

pub(crate) async fn find_image(ctx: &Context) -> Result<ImageId, Error> {
    let name = &ctx.settings.ami_parameter;
    let value = match get_parameter(ctx, name).await? {
        Some(value) => value,
        None => {
            return Err(Error::Prerequisite(format!(
                "there is no SSM parameter {name} in {}; ECS-optimized images are named by \
                 /aws/service/ecs/optimized-ami/amazon-linux-2023/recommended",
                ctx.clients.region
            )));
        }
    };
    let id = match serde_json::from_str::<Recommended>(&value) {
        Ok(recommended) => recommended.image_id,
        // AWS has each member as a parameter of its own, too; emulators have these right and not always the whole.
        Err(error) => get_parameter(ctx, &format!("{name}/image_id")).await?.ok_or_else(|| {
            Error::Prerequisite(format!("SSM parameter {name} does not hold an ECS-optimized image as JSON: {error}"))
        })?,
    };
    ctx.events.send(Event::Found { step: Step::Instances, what: format!("image {id}") });
    Ok(ImageId(id))
}

async fn get_parameter(ctx: &Context, name: &str) -> Result<Option<String>, Error> {
    let request = ctx.clients.ssm.get_parameter().name(name);
    match ctx.call("ssm:GetParameter", request.send()).await {
        Ok(answer) => Ok(answer.parameter.and_then(|parameter| parameter.value)),
        Err(error) if error.class() == Some(ErrorClass::Absent) => Ok(None),
        Err(error) => Err(error),
    }
}
