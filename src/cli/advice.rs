//! The commands that messages tell the user to type, completed so that they find the same walkthrough. A message names the
//! command alone, "`zonewalk down`": which flags lead to the same cloud and name, only the command line knows.

use super::args::Global;

/// The beginning of a command to type, in any text.
const COMMAND: &str = "`zonewalk ";

/// The flags that say which walkthrough it is, as the user gave them.
#[derive(Debug, Default)]
pub(super) struct Advice(Vec<Flag>);

#[derive(Debug)]
struct Flag {
    name: &'static str,
    /// The value as a shell takes it.
    value: Option<String>,
}

impl Advice {
    /// The flags that `global` has, those that the environment sets included: then the command works in another shell, too.
    pub(super) fn new(global: &Global) -> Self {
        let switch = |name, given: bool| given.then_some(Flag { name, value: None });
        let valued =
            |name, value: Option<String>| value.map(|value| Flag { name, value: Some(quoted_for_shell(&value)) });
        let flags = [
            switch("--local", global.local),
            valued("--profile", global.profile.clone()),
            valued("--region", global.region.clone()),
            valued("--endpoint-url", global.endpoint_url.clone()),
            switch("--local-traffic", global.local_traffic),
            valued("--name", global.name.as_ref().map(ToString::to_string)),
            valued("--config", global.config.as_ref().map(|path| path.display().to_string())),
        ];
        Self(flags.into_iter().flatten().collect())
    }

    /// The same for texts inside JSON, where quotes and backslashes are escaped.
    pub(super) fn in_json(&self) -> Self {
        let escaped = |value: &String| {
            let quoted = serde_json::to_string(value).expect("a text is JSON");
            quoted[1..quoted.len() - 1].to_owned()
        };
        let flags = self.0.iter().map(|flag| Flag { name: flag.name, value: flag.value.as_ref().map(escaped) });
        Self(flags.collect())
    }

    /// The text with every command in back quotes given the flags that it lacks.
    pub(super) fn complete(&self, text: &str) -> String {
        let mut completed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(quote) = rest.find(COMMAND) {
            let (before, command) = rest.split_at(quote + 1);
            completed.push_str(before);
            rest = command;
            if let Some(end) = command.find('`') {
                completed.push_str(&self.complete_command(&command[..end]));
                completed.push('`');
                rest = &command[end + 1..];
            }
        }
        completed + rest
    }

    fn complete_command(&self, command: &str) -> String {
        let words: Vec<&str> = command.split_whitespace().collect();
        let has = |name: &str| {
            words
                .iter()
                .any(|word| word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
        };
        let matters = |flag: &&Flag| match words.get(1) {
            // These look at no walkthrough.
            Some(&("local" | "predict")) => false,
            Some(&"policy") => ["--name", "--config"].contains(&flag.name),
            _ => !has(flag.name) && !excludes(flag.name).iter().any(|other| has(other)),
        };
        let mut completed = command.to_owned();
        for flag in self.0.iter().filter(matters) {
            completed.push(' ');
            completed.push_str(flag.name);
            if let Some(value) = &flag.value {
                completed.push(' ');
                completed.push_str(value);
            }
        }
        completed
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
    use super::super::args::Args;
    use super::super::command_line;
    use super::*;

    fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Args, clap::Error> {
        command_line::parse(words.into_iter().map(Into::into)).map(|(args, _)| args)
    }

    fn advice(given: &[&str]) -> Advice {
        Advice::new(&parse([&["zonewalk", "up"], given].concat()).unwrap().global)
    }

    #[test]
    fn every_command_gets_the_flags_that_were_given() {
        let advice = advice(&["--region", "eu-west-1", "--name", "x", "--task-count", "3", "--yes"]);
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
        for text in ["`zonewalk local serve`", "`zonewalk predict`", "`aws sso login`", "zonewalk down", "`zonewalk "] {
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
        for command in ["up", "down", "status", "verify", "failover", "stats", "doctor", "redeploy", "policy"] {
            let completed = advice(&given).complete(&format!("`zonewalk {command}`"));
            let parsed = parse(completed.trim_matches('`').split(' '));
            assert!(parsed.is_ok(), "{completed}: {parsed:?}");
        }
    }
}
