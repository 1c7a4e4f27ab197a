//! The settings file. Its keys are the options' names, and some more.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use crate::commands::{Error, limits};
use crate::settings::{Cidr, LaunchType, Name, NetworkMode, ServiceConnectMode, TaskCount};
use crate::{plain, text_file};

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SettingsFile {
    pub(super) name: Option<Name>,
    pub(super) profile: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint_url: Option<String>,
    pub(super) task_count: Option<TaskCount>,
    #[serde(default, deserialize_with = "wait")]
    pub(super) timeout: Option<Duration>,
    pub(super) launch_type: Option<LaunchType>,
    pub(super) network_mode: Option<NetworkMode>,
    pub(super) instance_type: Option<String>,
    pub(super) backend_command: Option<Vec<String>>,
    pub(super) frontend_command: Option<Vec<String>>,
    pub(super) frontend: Option<ServiceConnectMode>,
    pub(super) access_logs: Option<bool>,
    pub(super) templates: Option<PathBuf>,
    pub(super) ami_parameter: Option<String>,
    pub(super) image: Option<String>,
    pub(super) instance_profile: Option<String>,
    pub(super) execution_role: Option<String>,
    pub(super) create_roles: Option<bool>,
    pub(super) check_permissions: Option<bool>,
    pub(super) check_quota: Option<bool>,
    pub(super) record: Option<bool>,
    #[serde(default, deserialize_with = "ranges")]
    pub(super) allow_cidr: Option<Vec<Cidr>>,
}

/// The file that is read if no other is named; it need not exist.
const DEFAULT: &str = "zonewalk.toml";

impl SettingsFile {
    /// What the named file says, which has to exist, or the default one.
    pub(super) fn read(named: Option<&Path>) -> Result<Self, Error> {
        let path = named.unwrap_or(Path::new(DEFAULT));
        let error = |reason| Error::Usage(format!("settings file {}: {reason}", path.display()));
        match text_file::read(path) {
            Ok(text) => plain::from_toml(&text).map_err(error),
            Err(missing) if named.is_none() && missing.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(reason) => Err(error(plain::of_io(&reason))),
        }
    }
}

/// Seconds, or a text with units.
fn wait<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let text = match toml::Value::deserialize(from)? {
        toml::Value::String(text) => text,
        other => other.to_string(),
    };
    limits::wait(&text).map(Some).map_err(D::Error::custom)
}

/// One range of addresses, or a list of them.
fn ranges<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Cidr>>, D::Error> {
    let ranges = match toml::Value::deserialize(from)? {
        toml::Value::Array(ranges) if ranges.is_empty() => {
            return Err(D::Error::custom("the list is empty, and nothing could reach the load balancer"));
        }
        toml::Value::Array(ranges) => ranges,
        one => vec![one],
    };
    let range = |value: toml::Value| match value.as_str() {
        Some(text) => text.parse().map_err(D::Error::custom),
        None => Err(D::Error::custom(format!("a text such as \"192.0.2.0/24\" is needed, not {value}"))),
    };
    ranges.into_iter().map(range).collect::<Result<_, _>>().map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let told = SettingsFile::read(Some(file.path())).unwrap_err().to_string();
        told.replace(&file.path().display().to_string(), "FILE")
    }

    #[test]
    fn what_is_wrong_is_told_once_with_its_line() {
        for (text, says) in [
            ("task-count = 99", "line 1: task-count: a whole number from 1 to 15 is needed: the Auto Scaling"),
            ("task-count = 'six'", "line 1: task-count: a whole number, 0 or more, is needed, not \"six\""),
            ("\ntask_count = 6", "line 2: there is no task_count; did you mean task-count?"),
            ("naem = 'x'", "line 1: there is no naem; did you mean name?"),
            ("name = 'Zone'", "line 1: name: a name is 1 to 17 lower-case letters"),
            ("timeout = 'soon'", "line 1: timeout: a time of a second or more is needed"),
            ("timeout = 0", "line 1: timeout: a time of a second or more is needed"),
            ("allow-cidr = []", "line 1: allow-cidr: the list is empty"),
            (
                "allow-cidr = ['10.0.0.1/8']",
                "line 1: allow-cidr: 10.0.0.1/8 is not a range of addresses: did you mean 10.0.0.0/8?",
            ),
            ("allow-cidr = 3", "line 1: allow-cidr: a text such as \"192.0.2.0/24\" is needed, not 3"),
            ("frontend = 'server'", "line 1: frontend: \"server\" is none of client-server, client-only"),
            ("create-roles = 'no'", "line 1: create-roles: true or false is needed, not \"no\""),
            ("region = us-east-1", "line 1 is not TOML: region = us-east-1"),
        ] {
            let told = told(text);
            assert!(told.starts_with(&format!("settings file FILE: {says}")), "{text}: {told}");
        }
        let missing = SettingsFile::read(Some(Path::new("missing.toml"))).unwrap_err().to_string();
        assert_eq!(missing, "settings file missing.toml: no such file or directory");
    }

    #[test]
    fn times_have_units_or_are_seconds() {
        for text in ["timeout = '15m'", "timeout = 900", "timeout = '900'"] {
            let read: SettingsFile = plain::from_toml(text).unwrap();
            assert_eq!(read.timeout, Some(Duration::from_secs(900)), "{text}");
        }
    }
}
