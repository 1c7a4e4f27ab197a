//! Arguments, environment and file, resolved once: flag, then environment, then `zonewalk.toml`, then the article's value.
//! (The AWS SDK does the same for the profile and the region that neither flag nor file give.)

use super::options::{Global, ProvisionArgs};
use super::settings_file::SettingsFile;
use crate::aws::{CredentialSource, Target};
use crate::cloud::{self, Faults};
use crate::commands::Error;
use crate::processes::local_cloud::{self, Asked, Proxy};
use crate::settings::Settings;

pub(super) struct Resolved {
    pub(super) settings: Settings,
    pub(super) destination: Destination,
    pub(super) yes: bool,
    pub(super) local_traffic: bool,
    /// Whether the run is kept.
    pub(super) record: bool,
}

pub(super) enum Destination {
    /// AWS, or an endpoint that stands in for it.
    Cloud(Target),
    Local {
        region: String,
        /// What kind of cloud it is to be.
        asked: Asked,
        faults: Option<Faults>,
    },
}

/// The article's region, and the local cloud's unless another is named.
const DEFAULT_LOCAL_REGION: &str = "us-east-1";

pub(super) fn resolve(global: Global, provision: Option<&ProvisionArgs>) -> Result<Resolved, Error> {
    let asked = global.asked();
    let file = SettingsFile::read(global.config.as_deref())?;
    let none = ProvisionArgs::default();
    let given = provision.unwrap_or(&none);
    let defaults = Settings::default();
    let settings = Settings {
        name: global.name.or(file.name).unwrap_or(defaults.name),
        task_count: given.task_count.or(file.task_count).unwrap_or(defaults.task_count),
        launch_type: given.launch_type.or(file.launch_type),
        network_mode: given.network_mode.or(file.network_mode),
        instance_type: given.instance_type.clone().or(file.instance_type).unwrap_or(defaults.instance_type),
        ami_parameter: file.ami_parameter.unwrap_or(defaults.ami_parameter),
        image: given.image.clone().or(file.image).unwrap_or(defaults.image),
        backend_command: file.backend_command,
        frontend_command: file.frontend_command,
        frontend_mode: given.frontend.or(file.frontend).unwrap_or(defaults.frontend_mode),
        access_logs: given.access_logs.or(file.access_logs),
        templates: given.templates.clone().or(file.templates),
        instance_profile: file.instance_profile,
        execution_role: file.execution_role,
        create_roles: !given.no_create_roles && file.create_roles.unwrap_or(defaults.create_roles),
        check_permissions: !given.no_check_permissions && file.check_permissions.unwrap_or(defaults.check_permissions),
        check_quota: !given.no_check_quota && file.check_quota.unwrap_or(defaults.check_quota),
        allow_cidrs: match given.allow_cidrs.as_slice() {
            [] => file.allow_cidr.unwrap_or(defaults.allow_cidrs),
            given => given.to_vec(),
        },
        adopt: global.adopt,
        timeout: global.timeout.or(file.timeout).unwrap_or(defaults.timeout),
    };
    let record = !global.no_record && file.record.unwrap_or(true);
    let region = global.region.or(file.region);
    if let Some(region) = region.as_deref().filter(|region| !looks_like_a_region(region)) {
        return Err(Error::Usage(format!("{region:?} is not an AWS region: they look like us-east-1 or eu-central-1")));
    }
    let destination = if global.local {
        let region = region.unwrap_or_else(|| DEFAULT_LOCAL_REGION.to_owned());
        if !cloud::regions().contains(&region.as_str()) {
            return Err(Error::Usage(format!(
                "the local cloud has no region {region}; it has {}",
                cloud::regions().join(", ")
            )));
        }
        let faults = global.faults.as_deref().map(local_cloud::read_faults).transpose()?;
        Destination::Local { region, asked, faults }
    } else {
        let only_local = [
            ("--faults", global.faults.is_some()),
            ("--pace", global.pace.is_some()),
            ("--bare-account", global.bare_account),
        ];
        if let Some((flag, _)) = only_local.into_iter().find(|(_, given)| *given) {
            return Err(Error::Usage(format!("{flag} is for a local cloud: add --local")));
        }
        if asked.proxy == Some(Proxy::Envoy) {
            return Err(Error::Usage(
                "--proxy envoy (or ZONEWALK_PROXY) is for the local cloud: it goes with --local and with `local serve`"
                    .to_owned(),
            ));
        }
        Destination::Cloud(Target {
            region,
            profile: global.profile.or(file.profile),
            endpoint_url: global.endpoint_url.or_else(endpoint_of_environment).or(file.endpoint_url),
            credentials: CredentialSource::FromEnvironment,
            ..Target::default()
        })
    };
    Ok(Resolved { settings, destination, yes: global.yes, local_traffic: global.local_traffic, record })
}

/// The endpoint that the environment names. Clap does not read the variable, since to it a variable contradicts `--local` as
/// much as the flag does: a user who has exported it for the AWS CLI may still use a local cloud.
fn endpoint_of_environment() -> Option<String> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let ignored =
        variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|ignored| ignored.eq_ignore_ascii_case("true"));
    variable("AWS_ENDPOINT_URL").filter(|_| !ignored)
}

/// Whether a text has the form of a region, groups of letters and a number: `us-east-1`, `us-gov-west-1`.
fn looks_like_a_region(region: &str) -> bool {
    let mut parts: Vec<&str> = region.split('-').collect();
    let number = parts.pop().is_some_and(|last| !last.is_empty() && last.chars().all(|c| c.is_ascii_digit()));
    let letters = parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase()));
    number && letters && parts.len() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_other_words() {
        for region in ["us-east-1", "ap-northeast-3", "us-gov-west-1", "cn-north-1", "us-iso-east-1"] {
            assert!(looks_like_a_region(region), "{region}");
        }
        for other in ["", "nowhere", "us-east", "us-east-1a", "US-EAST-1", "us--1", "1-2-3"] {
            assert!(!looks_like_a_region(other), "{other}");
        }
    }
}
