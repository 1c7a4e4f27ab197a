//! The commands that messages tell the user to type, completed so that they find the same walkthrough and mean the same settings. A
//! message names the command alone, "`zonewalk down`": which options lead to the same cloud, only the command line knows.

use std::sync::OnceLock;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use super::command_line::{self, SETTINGS, WHERE};

/// The beginnings of commands to type, in any text.
const OWN: &str = "`zonewalk ";
const AWS: &str = "`aws ";

/// The options that say which walkthrough it is, and what it is to be, as the user gave them.
#[derive(Debug, Default)]
pub(super) struct Advice {
    flags: Vec<Flag>,
    /// All commands, with the options that they take.
    commands: Command,
    /// Where the local cloud answers, and the region there: for the AWS CLI, which does not find it by itself.
    local: OnceLock<(String, String)>,
}

#[derive(Clone, Debug)]
struct Flag {
    id: String,
    name: String,
    /// The value as a shell takes it.
    value: Option<String>,
}

impl Advice {
    /// The options of a command line. Those that the environment sets are included if they say where: then the command works in
    /// another shell, too.
    pub(super) fn new(matches: &ArgMatches) -> Self {
        let commands = command_line::definition();
        let (mut command, mut matches) = (&commands, matches);
        while let Some((name, inner)) = matches.subcommand() {
            let Some(found) = command.find_subcommand(name) else { break };
            (command, matches) = (found, inner);
        }
        let mut flags = vec![];
        for arg in command.get_arguments() {
            let id = arg.get_id().as_str();
            let matters = match matches.value_source(id) {
                Some(ValueSource::CommandLine) => WHERE.contains(&id) || SETTINGS.contains(&id),
                Some(ValueSource::EnvVariable) => WHERE.contains(&id),
                _ => false,
            };
            let Some(name) = arg.get_long().filter(|_| matters) else { continue };
            let flag = |value| Flag { id: id.to_owned(), name: format!("--{name}"), value };
            if arg.get_action().takes_values() {
                let values = matches.get_raw(id).into_iter().flatten();
                flags.extend(values.map(|value| flag(Some(quoted_for_shell(&value.to_string_lossy())))));
            } else {
                flags.push(flag(None));
            }
        }
        Self { flags, commands, local: OnceLock::new() }
    }

    /// Notes where the local cloud answers.
    pub(super) fn note_local(&self, endpoint_url: &str, region: &str) {
        // It stays the same for a command.
        let _ = self.local.set((endpoint_url.to_owned(), region.to_owned()));
    }

    /// The same for texts inside JSON, where quotes and backslashes are escaped.
    pub(super) fn in_json(&self) -> Self {
        let escaped = |value: &String| {
            let quoted = serde_json::to_string(value).expect("a text is JSON");
            quoted[1..quoted.len() - 1].to_owned()
        };
        let flags = self.flags.iter().map(|flag| Flag { value: flag.value.as_ref().map(escaped), ..flag.clone() });
        Self { flags: flags.collect(), commands: self.commands.clone(), local: self.local.clone() }
    }

    /// The text with every command in back quotes given the options that it lacks.
    pub(super) fn complete(&self, text: &str) -> String {
        let mut completed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(quote) = [OWN, AWS].iter().filter_map(|beginning| rest.find(beginning)).min() {
            let (before, command) = rest.split_at(quote + 1);
            completed.push_str(before);
            rest = command;
            if let Some(end) = command.find('`') {
                let command = &command[..end];
                completed.push_str(&match command.starts_with("aws ") {
                    true => self.complete_aws(command),
                    false => self.complete_own(command),
                });
                completed.push('`');
                rest = &rest[end + 1..];
            }
        }
        completed + rest
    }

    fn complete_own(&self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let mut advised = &self.commands;
        while let Some(inner) = words.iter().find_map(|word| advised.find_subcommand(word)) {
            advised = inner;
        }
        let matters = |flag: &&Flag| {
            let takes = advised.get_arguments().any(|arg| arg.get_id() == flag.id.as_str());
            takes && !has(&words, &flag.name) && !excludes(&flag.name).iter().any(|other| has(&words, other))
        };
        let mut completed = command.to_owned();
        for flag in self.flags.iter().filter(matters) {
            append(&mut completed, &flag.name, flag.value.as_deref());
        }
        completed
    }

    /// A command of the AWS CLI, which takes the profile, the region and the endpoint as zonewalk does, and for a local cloud keys.
    fn complete_aws(&self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let signs_in = words.get(1).is_some_and(|word| ["configure", "sso"].contains(word));
        let mut completed = command.to_owned();
        if let Some((url, region)) = self.local.get().filter(|_| !signs_in) {
            completed = format!("AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local {completed} --endpoint-url {url}");
            if !has(&words, "--region") {
                append(&mut completed, "--region", Some(region));
            }
            return completed;
        }
        for flag in &self.flags {
            let matters = match flag.id.as_str() {
                "profile" => true,
                "region" | "endpoint_url" => !signs_in,
                _ => false,
            };
            if matters && !has(&words, &flag.name) {
                append(&mut completed, &flag.name, flag.value.as_deref());
            }
        }
        completed
    }
}

fn has(words: &[&str], name: &str) -> bool {
    words.iter().any(|word| word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

fn append(command: &mut String, name: &str, value: Option<&str>) {
    for word in [Some(name), value].into_iter().flatten() {
        command.push(' ');
        command.push_str(word);
    }
}

/// The flags that exclude a flag, as `args` says: a message that names one of them means another cloud than the user's.
fn excludes(flag: &str) -> &'static [&'static str] {
    match flag {
        "--local" => &["--profile", "--endpoint-url", "--local-traffic"],
        "--profile" | "--endpoint-url" | "--local-traffic" => &["--local"],
        _ => &[],
    }
}

fn quoted_for_shell(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !value.is_empty() && value.chars().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<ArgMatches, clap::Error> {
        command_line::parse(words.into_iter().map(Into::into)).map(|(_, matches)| matches)
    }

    fn advice(given: &[&str]) -> Advice {
        Advice::new(&parse([&["zonewalk", "up"], given].concat()).unwrap())
    }

    #[test]
    fn every_command_gets_the_flags_that_were_given() {
        let advice = advice(&["--region", "eu-west-1", "--name", "x", "--yes"]);
        assert_eq!(
            advice.complete("no task runs: `zonewalk up` goes on from there,\n`zonewalk down` removes it"),
            "no task runs: `zonewalk up --region eu-west-1 --name x` goes on from there,\n\
             `zonewalk down --region eu-west-1 --name x` removes it"
        );
        let all = ["--profile", "p", "--endpoint-url", "http://127.0.0.1:1/", "--local-traffic", "--config", "a.toml"];
        assert_eq!(
            self::advice(&all).complete("`zonewalk down --adopt`"),
            "`zonewalk down --adopt --profile p --endpoint-url http://127.0.0.1:1/ --local-traffic --config a.toml`"
        );
        assert_eq!(self::advice(&["--local"]).complete("`zonewalk stats`"), "`zonewalk stats --local`");
    }

    /// A message that is about settings is right only with the same ones.
    #[test]
    fn commands_that_take_settings_get_those_that_were_given() {
        let advice = advice(&[
            "--local",
            "--task-count",
            "9",
            "--allow-cidr",
            "192.0.2.0/24,::/0",
            "--timeout",
            "5m",
            "--adopt",
        ]);
        let (ranges, local) = ("--allow-cidr 192.0.2.0/24 --allow-cidr ::/0", "--local");
        for (command, completed) in [
            ("up", format!("up --task-count 9 {ranges} --timeout 5m {local}")),
            ("status", format!("status --task-count 9 {ranges} {local}")),
            ("up --task-count 6", format!("up --task-count 6 {ranges} --timeout 5m {local}")),
            ("verify", format!("verify --timeout 5m {local}")),
            ("down --adopt", format!("down --adopt --timeout 5m {local}")),
        ] {
            assert_eq!(advice.complete(&format!("`zonewalk {command}`")), format!("`zonewalk {completed}`"));
        }
    }

    #[test]
    fn commands_of_the_aws_cli_find_the_same_cloud() {
        let aws = advice(&["--profile", "dev", "--region", "eu-west-1"]);
        let listed = aws.complete("`aws ecs list-services --cluster c` lists, `aws sso login` signs in");
        assert_eq!(
            listed,
            "`aws ecs list-services --cluster c --profile dev --region eu-west-1` lists, `aws sso login --profile dev` signs in"
        );
        let there = "`aws ecs list-services --region us-east-1 --profile x`";
        assert_eq!(aws.complete(there), there);
        let emulator = advice(&["--endpoint-url", "http://127.0.0.1:1"]).complete("`aws sts get-caller-identity`");
        assert_eq!(emulator, "`aws sts get-caller-identity --endpoint-url http://127.0.0.1:1`");
        let local = advice(&["--local"]);
        local.note_local("http://127.0.0.1:2", "us-east-1");
        assert_eq!(
            local.complete("`aws ecs list-clusters`"),
            "`AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local aws ecs list-clusters --endpoint-url http://127.0.0.1:2 --region \
             us-east-1`"
        );
    }

    #[test]
    fn a_flag_that_is_there_stays_as_it_is() {
        let given = advice(&["--region", "eu-west-1", "--name=x"]);
        for there in ["`zonewalk up --region us-east-1 --name y`", "`zonewalk up --region=us-east-1 --name=y`"] {
            assert_eq!(given.complete(there), there);
        }
        let once = given.complete("`zonewalk verify`");
        assert_eq!(given.complete(&once), once);
    }

    /// A message that sends the user to the local cloud is right only without what leads elsewhere.
    #[test]
    fn flags_that_exclude_each_other_do_not_meet() {
        let elsewhere = ["--endpoint-url", "http://127.0.0.1:1", "--local-traffic", "--profile", "p", "--name", "x"];
        let completed = advice(&elsewhere).complete("`zonewalk up --local`");
        assert_eq!(completed, "`zonewalk up --local --name x`");
        assert!(parse(completed.trim_matches('`').split(' ')).is_ok());
    }

    #[test]
    fn commands_that_take_no_walkthrough_stay_as_they_are() {
        let advice = advice(&["--region", "eu-west-1", "--name", "x"]);
        for text in [
            "`zonewalk local serve`",
            "`zonewalk predict`",
            "`aws sso login`",
            "`zonewalk completions bash`",
            "zonewalk down",
            "`zonewalk ",
        ] {
            assert_eq!(advice.complete(text), text);
        }
        assert_eq!(advice.complete("`zonewalk policy` prints"), "`zonewalk policy --name x` prints");
    }

    #[test]
    fn values_are_quoted_where_a_shell_would_split_them() {
        let completed = advice(&["--profile", "o'brien at work"]).complete("`zonewalk down`");
        assert_eq!(completed, r"`zonewalk down --profile 'o'\''brien at work'`");
        assert_eq!(["", "a/b-1.toml"].map(quoted_for_shell), ["''", "a/b-1.toml"]);
    }

    #[test]
    fn json_stays_json() {
        let config = r#"C:\new "zonewalk".toml"#;
        let advice = advice(&["--config", config]);
        let completed = advice.in_json().complete(&serde_json::json!({ "what": "`zonewalk up` first" }).to_string());
        let read: serde_json::Value = serde_json::from_str(&completed).unwrap();
        assert_eq!(read["what"], format!("`zonewalk up --config '{config}'` first"));
    }

    #[test]
    fn completed_commands_can_be_typed() {
        let given = ["--region", "eu-west-1", "--local-traffic", "--endpoint-url", "http://127.0.0.1:1", "--name", "x"];
        for command in ["up", "down", "status", "verify", "failover", "stats", "doctor", "redeploy", "policy", "audit"]
        {
            let completed = advice(&given).complete(&format!("`zonewalk {command}`"));
            let parsed = parse(completed.trim_matches('`').split(' '));
            assert!(parsed.is_ok(), "{completed}: {parsed:?}");
        }
    }
}
