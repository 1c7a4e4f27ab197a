//! The profiles of the AWS configuration. The SDK takes one that is not there for one without credentials.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A profile that is asked for and does not exist.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no profile {name} in {}; {}", .file.display(), known(.others))]
pub struct NoProfile {
    name: String,
    file: PathBuf,
    others: BTreeSet<String>,
}

fn known(others: &BTreeSet<String>) -> String {
    if others.is_empty() {
        return "set one up with `aws configure sso --profile NAME`, or add --local to rehearse without AWS".to_owned();
    }
    let others = Vec::from_iter(others.iter().map(String::as_str)).join(", ");
    format!("name one that there is with --profile: {others}")
}

/// An error if the profile does not exist that is named, or that the environment names. Keys in the environment go before the
/// profile that the environment names.
pub(super) fn check(named: Option<&str>) -> Result<(), NoProfile> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let of_environment = || variable("AWS_PROFILE").filter(|_| variable("AWS_ACCESS_KEY_ID").is_none());
    let Some(name) = named.map(str::to_owned).or_else(of_environment) else { return Ok(()) };
    let directory = Path::new(&variable("HOME").or_else(|| variable("USERPROFILE")).unwrap_or_default()).join(".aws");
    let file = |name: &str, default: &str| variable(name).map_or_else(|| directory.join(default), PathBuf::from);
    let config = file("AWS_CONFIG_FILE", "config");
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials");
    let text =
        |path: &Path| std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let others = names(&text(&config), &text(&credentials));
    if others.contains(&name) { Ok(()) } else { Err(NoProfile { name, file: config, others }) }
}

/// The names of the profiles in the two files: `[default]` and `[profile x]` in the one, `[x]` in the other.
fn names(config: &str, credentials: &str) -> BTreeSet<String> {
    fn sections(text: &str) -> impl Iterator<Item = &str> {
        text.lines().filter_map(|line| Some(line.trim().strip_prefix('[')?.split_once(']')?.0.trim()))
    }
    let of_config = sections(config).filter_map(|section| match section.split_once(char::is_whitespace) {
        None => (section == "default").then_some(section),
        Some((kind, name)) => (kind == "profile").then(|| name.trim()),
    });
    of_config.chain(sections(credentials)).map(|name| name.trim_matches(['"', '\'']).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_in_two_files() {
        let config = "[default]\nregion = x\n[profile dev]\n[ profile \"my team\" ] # of mine\n[sso-session corp]\n[services local]\n";
        let found = names(config, "[default]\n[keys]\naws_access_key_id = [x]\n");
        assert_eq!(Vec::from_iter(found), ["default", "dev", "keys", "my team"]);
    }
}
