//! Launch templates and their versions.

use serde_json::{Map, Value, json};

use super::lacking_filters;
use super::launch_data::{self, LaunchData};
use super::resources::{Filter, Kind, LACKING, NAMESAKE, Resource, described, filtered, find, find_mut};
use super::{State, tags};
use crate::cloud::error::AwsError;
use crate::cloud::region::Region;
use crate::cloud::service::Answer;
use crate::cloud::wire::tags::LOWER;
use crate::cloud::wire::{Params, timestamp};

#[derive(Clone, Debug)]
pub(super) struct LaunchTemplate {
    pub(super) id: String,
    name: String,
    created: jiff::Timestamp,
    default_version: u64,
    /// A number is never given twice, also if its version is deleted.
    last_number: u64,
    /// The first one first.
    versions: Vec<Version>,
}

#[derive(Clone, Debug)]
struct Version {
    number: u64,
    description: Option<String>,
    created: jiff::Timestamp,
    data: LaunchData,
    /// Who asks again with the same token gets this version, not another one.
    client_token: Option<String>,
}

impl LaunchTemplate {
    fn latest_version(&self) -> u64 {
        self.versions.last().map_or(self.default_version, |version| version.number)
    }

    /// `$Default`, `$Latest` or a number.
    fn version(&self, wanted: &str) -> Result<&Version, AwsError> {
        let number = match wanted {
            "$Default" => Some(self.default_version),
            "$Latest" => Some(self.latest_version()),
            number => number.parse().ok(),
        };
        self.versions.iter().find(|version| Some(version.number) == number).ok_or_else(|| {
            let message =
                format!("Could not find the specified version {wanted} for the launch template with ID {}.", self.id);
            AwsError::new("InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }
}

impl Resource for LaunchTemplate {
    const KIND: Kind = Kind {
        prefix: "lt",
        resource_type: "launch-template",
        malformed: "InvalidLaunchTemplateId.Malformed",
        not_found: "InvalidLaunchTemplateId.NotFound",
        words: ("The specified launch template, with template ID ", ", does not exist."),
        unpaged_set: None,
    };

    const FILTERS: &'static [Filter] = &[("create-time launch-template-name", NAMESAKE)];

    fn id(&self) -> &str {
        &self.id
    }

    fn wire(&self, region: &Region) -> Value {
        json!({
            "launchTemplateId": self.id,
            "launchTemplateName": self.name,
            "createTime": timestamp(self.created),
            "createdBy": creator(),
            "defaultVersionNumber": self.default_version,
            "latestVersionNumber": self.latest_version(),
            "tagSet": region.ec2().tags.of(&self.id).to_list(LOWER),
        })
    }
}

fn by_name<'s>(state: &'s State, name: &str) -> Result<&'s LaunchTemplate, AwsError> {
    state.launch_templates.iter().find(|template| template.name == name).ok_or_else(|| {
        let message = format!("The specified launch template, with template name {name}, does not exist.");
        AwsError::new("InvalidLaunchTemplateName.NotFoundException", message)
    })
}

/// The template that a request names by ID or by name.
fn named<'s>(state: &'s State, params: Params<'_>) -> Result<&'s LaunchTemplate, AwsError> {
    chosen(state, params.opt_str("LaunchTemplateId"), params.opt_str("LaunchTemplateName"))
}

fn chosen<'s>(state: &'s State, id: Option<&str>, name: Option<&str>) -> Result<&'s LaunchTemplate, AwsError> {
    match (id, name) {
        // getmoto/moto's tests/test_ec2/test_launch_templates.py, verified on AWS.
        (Some(_), Some(_)) => Err(AwsError::new(
            "InvalidParameterCombination",
            "Either provide launch template ID or launch template name to modify the template.",
        )),
        (Some(id), None) => find(&state.launch_templates, id),
        (None, Some(name)) => by_name(state, name),
        (None, None) => {
            Err(AwsError::new("MissingParameter", "Either LaunchTemplateId or LaunchTemplateName must be specified."))
        }
    }
}

/// As [`named`], for changing it.
fn named_mut<'s>(state: &'s mut State, params: Params<'_>) -> Result<&'s mut LaunchTemplate, AwsError> {
    let id = named(state, params)?.id.clone();
    find_mut(&mut state.launch_templates, &id)
}

/// A version of a template, resolved.
pub(crate) struct Resolved {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: u64,
    pub(super) data: LaunchData,
}

impl Resolved {
    /// Whether its instances, or what comes with them, get tags at once.
    pub(crate) fn tags_on_launch(&self) -> bool {
        !Params::new(&self.data).objects("TagSpecification").is_empty()
    }

    /// The name of its instances' profile.
    pub(crate) fn instance_profile(&self) -> Option<String> {
        let profile = Params::new(&self.data).object("IamInstanceProfile")?;
        let given = profile.opt_str("Arn").or(profile.opt_str("Name"))?;
        Some(given.rsplit('/').next().unwrap_or(given).to_owned())
    }
}

/// The version of a template, named by ID or by name, that an Auto Scaling group launches from.
pub(crate) fn resolve(
    region: &Region,
    id: Option<&str>,
    name: Option<&str>,
    version: &str,
) -> Result<Resolved, AwsError> {
    let template = chosen(region.ec2(), id, name)?;
    let version = template.version(version)?;
    Ok(Resolved {
        id: template.id.clone(),
        name: template.name.clone(),
        version: version.number,
        data: version.data.clone(),
    })
}

fn version_wire(template: &LaunchTemplate, version: &Version) -> Value {
    json!({
        "launchTemplateId": template.id,
        "launchTemplateName": template.name,
        "versionNumber": version.number,
        "versionDescription": version.description,
        "createTime": timestamp(version.created),
        "createdBy": creator(),
        "defaultVersion": version.number == template.default_version,
        "launchTemplateData": launch_data::wire(&version.data),
    })
}

fn creator() -> String {
    format!("arn:aws:iam::{}:root", crate::cloud::ACCOUNT_ID)
}

fn requested_version(number: u64, data: LaunchData, params: Params<'_>) -> Version {
    Version {
        number,
        description: params.opt_str("VersionDescription").map(str::to_owned),
        created: jiff::Timestamp::now(),
        data,
        client_token: params.opt_str("ClientToken").map(str::to_owned),
    }
}

pub(super) fn create(region: &mut Region, params: Params<'_>) -> Answer {
    let tags = tags::of_specifications(params, &LaunchTemplate::KIND)?;
    let name = params.str("LaunchTemplateName")?;
    let data = launch_data::checked(params, &Map::new())?;
    check_name(name)?;
    if let Some(template) = region.ec2().launch_templates.iter().find(|template| template.name == name) {
        let first = template.versions.first();
        let token = params.opt_str("ClientToken");
        if token.is_none() || first.and_then(|version| version.client_token.as_deref()) != token {
            let message = "Launch template name already in use.";
            return Err(AwsError::new("InvalidLaunchTemplateName.AlreadyExistsException", message));
        }
        if first.is_none_or(|version| version.data != data) {
            return Err(token_reused());
        }
        return Ok(json!({ "launchTemplate": template.wire(region) }));
    }
    let template = LaunchTemplate {
        id: region.ids.ec2("lt"),
        name: name.to_owned(),
        created: jiff::Timestamp::now(),
        default_version: 1,
        last_number: 1,
        versions: vec![requested_version(1, data, params)],
    };
    region.ec2_mut().tags.add(&template.id, tags);
    let answer = template.wire(region);
    region.ec2_mut().launch_templates.push(template);
    Ok(json!({ "launchTemplate": answer }))
}

fn token_reused() -> AwsError {
    let message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
    AwsError::new("IdempotentParameterMismatch", message)
}

fn check_name(name: &str) -> Result<(), AwsError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-().\\/_".contains(c);
    if (3..=128).contains(&name.len()) && name.chars().all(allowed) {
        Ok(())
    } else {
        let message = "Launch template names must be between 3 and 128 characters long, and may contain letters, numbers, and the following characters: - ( ) . / _";
        Err(AwsError::new("InvalidLaunchTemplateName.MalformedException", message))
    }
}

pub(super) fn create_version(region: &mut Region, params: Params<'_>) -> Answer {
    let template = named_mut(region.ec2_mut(), params)?;
    let source = match params.opt_str("SourceVersion") {
        Some(wanted) => template.version(wanted)?.data.clone(),
        None => Map::new(),
    };
    let data = launch_data::checked(params, &source)?;
    let token = params.opt_str("ClientToken");
    let repeated = template.versions.iter().find(|version| token.is_some() && version.client_token.as_deref() == token);
    let version = match repeated {
        Some(version) if version.data != data => return Err(token_reused()),
        Some(version) => version.clone(),
        None => {
            template.last_number += 1;
            let version = requested_version(template.last_number, data, params);
            template.versions.push(version.clone());
            version
        }
    };
    Ok(json!({ "launchTemplateVersion": version_wire(template, &version) }))
}

/// Sets the default version, the one thing of a template that can be changed.
pub(super) fn modify(region: &mut Region, params: Params<'_>) -> Answer {
    if params.get("LaunchTemplateId").is_some() && params.get("LaunchTemplateName").is_some() {
        let message = "Either provide launch template ID or launch template name to modify the template.";
        return Err(AwsError::new("InvalidParameterCombination", message));
    }
    let template = named_mut(region.ec2_mut(), params)?;
    if let Some(wanted) = params.opt_str("SetDefaultVersion") {
        template.default_version = template.version(wanted)?.number;
    }
    let template = template.clone();
    Ok(json!({ "launchTemplate": template.wire(region) }))
}

pub(super) fn describe(region: &Region, params: Params<'_>) -> Answer {
    let state = region.ec2();
    let mut ids = params.strings("LaunchTemplateId");
    for name in params.strings("LaunchTemplateName") {
        let there = by_name(state, name).map_err(|error| {
            let message = "At least one of the launch templates specified in the request does not exist.";
            AwsError::new(&error.code, message)
        })?;
        ids.push(&there.id);
    }
    Ok(json!({ "launchTemplates": described(region, &state.launch_templates, &ids, params)? }))
}

const VERSION_FILTERS: &[Filter] = &[
    (lacking_filters::LAUNCH_TEMPLATE_VERSIONS, LACKING),
    ("create-time", "createTime"),
    ("image-id", "launchTemplateData.imageId"),
    ("instance-type", "launchTemplateData.instanceType"),
    ("is-default-version", "defaultVersion"),
];

pub(super) fn describe_versions(region: &Region, params: Params<'_>) -> Answer {
    let state = region.ec2();
    let one_template = params.get("LaunchTemplateId").is_some() || params.get("LaunchTemplateName").is_some();
    let wanted = params.strings("LaunchTemplateVersion");
    if !one_template && !wanted.iter().any(|version| ["$Latest", "$Default"].contains(version)) {
        let code = if wanted.is_empty() { "MissingParameter" } else { "InvalidParameterValue" };
        let message = "To describe the versions of all launch templates, name $Latest, $Default or both, and no template; to describe those of one, name it by ID or name.";
        return Err(AwsError::new(code, message));
    }
    let templates: Vec<_> =
        if one_template { vec![named(state, params)?] } else { state.launch_templates.iter().collect() };
    let mut found = Vec::new();
    for template in templates {
        if wanted.is_empty() {
            let (min, max) = (params.opt_int("MinVersion")?, params.opt_int("MaxVersion")?);
            let within =
                |number: u64| min.is_none_or(|min| number as i64 >= min) && max.is_none_or(|max| number as i64 <= max);
            let versions = template.versions.iter().rev().filter(|version| within(version.number));
            found.extend(versions.map(|version| (template, version)));
        }
        for wanted in &wanted {
            found.push((template, template.version(wanted)?));
        }
    }
    let mut found: Vec<_> = found.into_iter().map(|(template, version)| version_wire(template, version)).collect();
    if params.opt_bool("ResolveAlias") == Some(true) {
        for image in found.iter_mut().filter_map(|version| version.pointer_mut("/launchTemplateData/imageId")) {
            *image = json!(launch_data::image_id(region, image.as_str().unwrap_or_default())?);
        }
    }
    Ok(json!({ "launchTemplateVersionSet": filtered(found, VERSION_FILTERS, params)? }))
}

pub(super) fn delete(region: &mut Region, params: Params<'_>) -> Answer {
    let template = named(region.ec2(), params)?.clone();
    let answer = template.wire(region);
    let state = region.ec2_mut();
    state.launch_templates.retain(|other| other.id != template.id);
    state.tags.forget(&template.id);
    Ok(json!({ "launchTemplate": answer }))
}

/// "You can delete up to 200 launch template versions in a single request" (API Reference).
const MOST_DELETED_AT_ONCE: usize = 200;

/// Each by itself: what cannot go is told in the answer. The default version cannot.
pub(super) fn delete_versions(region: &mut Region, params: Params<'_>) -> Answer {
    let template = named_mut(region.ec2_mut(), params)?;
    let wanted = params.strings("LaunchTemplateVersion");
    if wanted.is_empty() {
        return Err(AwsError::missing_parameter("LaunchTemplateVersion"));
    }
    if wanted.len() > MOST_DELETED_AT_ONCE {
        let message = format!("At most {MOST_DELETED_AT_ONCE} launch template versions can be deleted at once");
        return Err(AwsError::invalid_parameter(message));
    }
    let numbers = wanted.into_iter().map(|number| {
        number
            .parse::<u64>()
            .map_err(|_| AwsError::invalid_parameter(format!("{number} is no launch template version number")))
    });
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    for number in numbers.collect::<Result<Vec<_>, _>>()? {
        let mut entry =
            json!({ "launchTemplateId": template.id, "launchTemplateName": template.name, "versionNumber": number });
        let refusal = if number == template.default_version {
            (
                "unexpectedError",
                format!("Version {number} is the default version of the launch template, which cannot be deleted"),
            )
        } else if template.versions.iter().all(|version| version.number != number) {
            ("launchTemplateVersionDoesNotExist", format!("Could not find the specified version {number}"))
        } else {
            template.versions.retain(|version| version.number != number);
            gone.push(entry);
            continue;
        };
        entry["responseError"] = json!({ "code": refusal.0, "message": refusal.1 });
        left.push(entry);
    }
    Ok(json!({
        "successfullyDeletedLaunchTemplateVersionSet": gone,
        "unsuccessfullyDeletedLaunchTemplateVersionSet": left,
    }))
}
