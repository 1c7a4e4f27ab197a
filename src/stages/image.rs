//! Step 4: the ECS-optimized machine image that AWS recommends now.

use std::fmt;

use super::{Context, Error};
use crate::aws::ErrorClass;
use crate::aws::error::{Classified, optional};
use crate::events::Event;
use crate::plan::Step;

/// The first image whose agent knows zone-aware routing, by its date; AWS's announcement.
const FIRST_ZONE_AWARE: u32 = 20_260_323;

/// The parameter's value as AWS documents it; it has more members.
#[derive(Clone, Debug, serde::Deserialize)]
pub(crate) struct Image {
    #[serde(rename = "image_id")]
    pub(crate) id: String,
    #[serde(rename = "image_name")]
    name: Option<String>,
    ecs_agent_version: Option<String>,
}

impl Image {
    /// The date in the name: `al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-x86_64` is of 20260323.
    fn date(&self) -> Option<u32> {
        let mut numbers = self.name.as_deref()?.split(|c: char| !c.is_ascii_digit());
        numbers.find(|number| number.len() == 8)?.parse().ok()
    }

    /// The architecture as EC2 names it; none if the image is not named as AWS names its own.
    pub(super) fn architecture(&self) -> Option<&'static str> {
        let name = self.name.as_deref()?;
        ["x86_64", "arm64"].into_iter().find(|architecture| name.contains(architecture))
    }
}

impl fmt::Display for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id)?;
        if let Some(name) = &self.name {
            write!(f, " {name}")?;
        }
        if let Some(version) = &self.ecs_agent_version {
            write!(f, ", agent {version}")?;
        }
        Ok(())
    }
}

pub(crate) async fn find_image(ctx: &Context) -> Result<Image, Error> {
    let name = &ctx.settings.ami_parameter;
    let value = match get_parameter(ctx, name).await {
        // An answer that cannot be read: an emulator's, with the JSON as an object. If there was none, the next call says so.
        Err(error) if error.class() == Some(ErrorClass::Unreachable) => Some(String::new()),
        // The local cloud says so of a public parameter that it does not have.
        Err(error) if error.class() == Some(ErrorClass::Unsupported) => None,
        answer => answer?,
    };
    let Some(value) = value else {
        return Err(Error::Prerequisite(format!(
            "SSM parameter {name} does not exist in {}; ECS-optimized images are named by \
             /aws/service/ecs/optimized-ami/amazon-linux-2023/recommended",
            ctx.clients.region
        )));
    };
    let image = match serde_json::from_str::<Image>(&value) {
        Ok(image) => image,
        // AWS has each member as a parameter of its own, too; emulators have these right and not always the whole.
        Err(error) => {
            let (id, name) = tokio::try_join!(get_member(ctx, "image_id"), get_member(ctx, "image_name"),)?;
            let id = id.ok_or_else(|| {
                Error::Prerequisite(format!(
                    "SSM parameter {} does not hold an ECS-optimized image as JSON: {error}",
                    ctx.settings.ami_parameter
                ))
            })?;
            Image { id, name, ecs_agent_version: None }
        }
    };
    let age_matters = ctx.data_plane.runs_agents();
    match image.date().filter(|_| age_matters) {
        Some(date) if date < FIRST_ZONE_AWARE => Err(Error::Prerequisite(format!(
            "image {image} is older than {FIRST_ZONE_AWARE}: its agent does not know zone-aware routing; name a newer one \
             in zonewalk.toml: ami-parameter = \"/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended\""
        ))),
        date => {
            if date.is_none() && age_matters {
                ctx.events.note(format!(
                    "the age of image {image} is not known; zone-aware routing needs one of {FIRST_ZONE_AWARE} or later"
                ));
            }
            ctx.events.send(Event::Found { step: Step::Instances, what: format!("image {image}") });
            Ok(image)
        }
    }
}

async fn get_member(ctx: &Context, member: &str) -> Result<Option<String>, Error> {
    get_parameter(ctx, &format!("{}/{member}", ctx.settings.ami_parameter)).await
}

async fn get_parameter(ctx: &Context, name: &str) -> Result<Option<String>, Error> {
    let request = ctx.clients.ssm.get_parameter().name(name);
    let answer = optional(ctx.look("ssm:GetParameter", request.send()).await)?;
    Ok(answer.and_then(|answer| answer.parameter?.value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_images_name_tells_its_date_and_architecture() {
        let image = |name: &str| Image { id: "ami-1".to_owned(), name: Some(name.to_owned()), ecs_agent_version: None };
        let date = |name| image(name).date();
        assert_eq!(date("al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-x86_64"), Some(20_260_323));
        assert_eq!(date("amzn2-ami-ecs-hvm-2.0.20250101-x86_64-ebs"), Some(20_250_101));
        assert_eq!(date("my-image-7"), None);
        let architecture = |name| image(name).architecture();
        assert_eq!(architecture("al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-x86_64"), Some("x86_64"));
        assert_eq!(architecture("al2023-ami-ecs-hvm-2023.0.20260323-kernel-6.1-arm64"), Some("arm64"));
        assert_eq!(architecture("my-image-7"), None);
    }
}
