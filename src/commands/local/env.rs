//! `local env`: the variables by which any AWS client finds the local cloud.

use clap_complete::Shell;
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::Record;
use crate::report::page::Page;

#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct LocalEnv {
    /// The variables that point AWS clients at the local cloud.
    variables: Variables,
    #[serde(skip)]
    shell: Shell,
    #[serde(skip)]
    live_page: String,
}

#[derive(Clone, Debug, JsonSchema, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Variables {
    /// Where AWS calls are to be sent.
    aws_endpoint_url: String,
    /// Any key will do.
    aws_access_key_id: &'static str,
    /// Any key will do.
    aws_secret_access_key: &'static str,
    /// The region.
    aws_region: String,
    /// Of the region's two names the one that the AWS CLI and boto3 read.
    aws_default_region: String,
}

/// What it accepts for keys: anything.
const KEY: &str = "local";

impl LocalEnv {
    pub fn new(record: &Record, region: &str, shell: Shell) -> Self {
        let variables = Variables {
            aws_endpoint_url: record.endpoint_url.clone(),
            aws_access_key_id: KEY,
            aws_secret_access_key: KEY,
            aws_region: region.to_owned(),
            aws_default_region: region.to_owned(),
        };
        Self { variables, shell, live_page: record.live_page() }
    }

    /// A line for each variable. Their values have nothing in them that a shell would take for something else.
    pub fn lines(&self) -> Vec<String> {
        let Variables { aws_endpoint_url, aws_access_key_id, aws_secret_access_key, aws_region, aws_default_region } =
            &self.variables;
        let variables = [
            ("AWS_ENDPOINT_URL", aws_endpoint_url.as_str()),
            ("AWS_ACCESS_KEY_ID", aws_access_key_id),
            ("AWS_SECRET_ACCESS_KEY", aws_secret_access_key),
            ("AWS_REGION", aws_region),
            ("AWS_DEFAULT_REGION", aws_default_region),
        ];
        let line = |(name, value): (&str, &str)| match self.shell {
            Shell::Fish => format!("set -gx {name} {value}"),
            Shell::PowerShell => format!("$Env:{name} = '{value}'"),
            Shell::Elvish => format!("set-env {name} {value}"),
            _ => format!("export {name}={value}"),
        };
        variables.map(line).to_vec()
    }

    /// What takes these lines in, as it is typed.
    fn usage(&self) -> &'static str {
        match self.shell {
            Shell::Fish => "zonewalk local env --shell fish | source",
            Shell::PowerShell => "zonewalk local env --shell powershell | Out-String | Invoke-Expression",
            Shell::Elvish => "eval (zonewalk local env --shell elvish | slurp)",
            _ => "eval \"$(zonewalk local env)\"",
        }
    }
}

impl Outcome for LocalEnv {
    fn title(&self) -> &'static str {
        "local env"
    }

    fn text(&self, page: &Page) -> String {
        let lines = self.lines().join("\n");
        // Where nobody but a user reads them, they have not been taken in.
        if page.width.is_some() {
            format!("{lines}\n# live page: {}\n# to set them: {}", self.live_page, self.usage())
        } else {
            lines
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_is_told_in_its_own_words() {
        let last = |shell| {
            let variables = Variables {
                aws_endpoint_url: "http://127.0.0.1:4566".to_owned(),
                aws_access_key_id: KEY,
                aws_secret_access_key: KEY,
                aws_region: "eu-west-1".to_owned(),
                aws_default_region: "eu-west-1".to_owned(),
            };
            let env = LocalEnv { variables, shell, live_page: String::new() };
            let on_terminal = env.text(&Page { width: Some(80), ..Page::default() });
            assert!(
                on_terminal.lines().last().is_some_and(|line| line.starts_with("# to set them: ")),
                "{on_terminal}"
            );
            env.text(&Page::default()).lines().last().map(str::to_owned).unwrap()
        };
        assert_eq!(last(Shell::Bash), "export AWS_DEFAULT_REGION=eu-west-1");
        assert_eq!(last(Shell::Zsh), "export AWS_DEFAULT_REGION=eu-west-1");
        assert_eq!(last(Shell::Fish), "set -gx AWS_DEFAULT_REGION eu-west-1");
        assert_eq!(last(Shell::PowerShell), "$Env:AWS_DEFAULT_REGION = 'eu-west-1'");
        assert_eq!(last(Shell::Elvish), "set-env AWS_DEFAULT_REGION eu-west-1");
    }
}
