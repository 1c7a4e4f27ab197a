//! Better tips than clap's where somebody types a name that is none: by what others call it, or where it belongs.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};

use crate::plain::nearest;

/// What others call things, and what to type here.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["ls", "list", "get", "show", "describe", "ps", "info", "inspect"], "`zonewalk status` shows what exists"),
    (&["watch"], "`zonewalk status --watch` shows what changes"),
    (&["history", "records"], "`zonewalk runs` lists the runs that were kept"),
    (&["what", "glossary"], "`zonewalk explain` says what the terms of the output mean"),
    (
        &["init", "configure", "config"],
        "nothing has to be set up; a zonewalk.toml may hold settings, by the options' names",
    ),
    (
        &["test", "check", "prove"],
        "`zonewalk verify` checks where requests go, `zonewalk doctor` what would stop `zonewalk up`",
    ),
    (&["preflight", "validate"], "`zonewalk doctor` checks what would stop `zonewalk up`"),
    (&["start", "run", "deploy", "provision", "install"], "`zonewalk up` provisions everything"),
    (&["remove", "rm", "clean", "cleanup", "uninstall", "teardown"], "`zonewalk down` removes everything"),
    (&["diff"], "`zonewalk plan` shows what `zonewalk up` would change"),
    (&["drill", "scale"], "`zonewalk failover` takes backends away and restores them"),
    (&["metrics", "counters"], "`zonewalk stats` reads Envoy's counters"),
    (&["simulate"], "`zonewalk predict --simulate 1000` simulates requests"),
];

/// Adds a tip.
pub(super) fn insert(error: &mut clap::Error, tip: String) {
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
}

/// The error with better tips, if it is about a name that is none.
pub(super) fn improve(mut error: clap::Error, root: &Command, words: &[OsString]) -> clap::Error {
    let text = |error: &clap::Error, kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let (command, path) = command_of(root, words);
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let Some(name) = text(&error, ContextKind::InvalidSubcommand) else { return error };
            error.remove(ContextKind::SuggestedSubcommand);
            error.remove(ContextKind::Suggested);
            if let Some(tip) = tip_for_command(&name, root, command) {
                insert(&mut error, tip);
            }
        }
        ErrorKind::UnknownArgument => {
            let given = text(&error, ContextKind::InvalidArg).unwrap_or_default();
            let Some(flag) = given.strip_prefix("--") else { return error };
            error.remove(ContextKind::SuggestedArg);
            error.remove(ContextKind::Suggested);
            if let Some(tip) = tip_for_flag(flag, root, command, &path) {
                insert(&mut error, tip);
            }
        }
        _ => {}
    }
    error
}

fn tip_for_command(name: &str, root: &Command, command: &Command) -> Option<String> {
    let all = |command: &Command| -> Vec<String> {
        let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        let names = shown.flat_map(|inner| std::iter::once(inner.get_name()).chain(inner.get_visible_aliases()));
        names.map(str::to_owned).collect()
    };
    let local = root.find_subcommand("local").filter(|local| all(local).iter().any(|inner| inner == name));
    let inner = local.map(|_| format!("`zonewalk local {name}` is about the local cloud"));
    let known = || ELSEWHERE.iter().find(|(names, _)| names.contains(&name)).map(|(_, tip)| (*tip).to_owned());
    let near = || {
        let names = all(command);
        let near = nearest(name, names.iter().map(String::as_str))?;
        Some(format!("there is `{near}`"))
    };
    inner.or_else(known).or_else(near)
}

fn tip_for_flag(flag: &str, root: &Command, command: &Command, path: &[String]) -> Option<String> {
    let longs = |command: &Command| -> Vec<String> {
        let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
        shown.filter_map(Arg::get_long).map(str::to_owned).collect()
    };
    if let Some(near) = nearest(flag, longs(command).iter().map(String::as_str)) {
        return Some(format!("there is --{near}"));
    }
    let has = |command: &&Command| !command.is_hide_set() && longs(command).iter().any(|long| long == flag);
    let names: Vec<String> =
        root.get_subcommands().filter(has).map(|command| format!("`zonewalk {}`", command.get_name())).collect();
    let other = names.split_last().map(|(last, others)| match others {
        [] => format!("{last} takes --{flag}"),
        _ => format!("{} and {last} take --{flag}", others.join(", ")),
    });
    other.or_else(|| Some(format!("`zonewalk {} --help` lists the options", path.join(" "))))
}

/// The command that the words name, and its path.
fn command_of<'a>(root: &'a Command, words: &[OsString]) -> (&'a Command, Vec<String>) {
    let (mut command, mut path) = (root, vec![]);
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        if let Some(inner) = command.find_subcommand(word) {
            command = inner;
            path.push(inner.get_name().to_owned());
        }
    }
    (command, path)
}

#[cfg(test)]
mod tests {
    use super::super::command_line;

    fn told(words: &str) -> String {
        let words = ["zonewalk"].into_iter().chain(words.split(' ')).map(Into::into);
        command_line::parse(words).unwrap_err().render().to_string()
    }

    #[test]
    fn names_that_others_use_lead_somewhere() {
        for (words, tip) in [
            ("ls", "`zonewalk status` shows"),
            ("watch", "`zonewalk status --watch`"),
            ("history", "`zonewalk runs`"),
            ("init", "nothing has to be set up; a zonewalk.toml"),
            ("serve", "`zonewalk local serve`"),
            ("faults", "`zonewalk local faults`"),
            ("verfiy", "there is `verify`"),
            ("destory", "there is `destroy`"),
            ("local sreve", "there is `serve`"),
        ] {
            let told = told(words);
            assert!(told.contains(&format!("tip: {tip}")), "{words}: {told}");
            assert_eq!(told.matches("tip:").count(), 1, "{told}");
        }
        assert!(!told("xyzzy").contains("tip:"), "{}", told("xyzzy"));
    }

    #[test]
    fn flags_are_told_where_they_belong() {
        for (words, tip) in [
            (
                "down --task-count 5",
                "`zonewalk walkthrough`, `zonewalk up`, `zonewalk status` and `zonewalk doctor` take --task-count",
            ),
            ("up --task_count 5", "there is --task-count"),
            ("verify --request 5", "there is --requests"),
            ("predict --region us-east-1", "`zonewalk predict` takes no --region"),
            ("--pace aws policy", "`zonewalk policy` takes no --pace"),
            ("local serve --local", "`zonewalk local serve` takes no --local"),
            ("up --frobnicate", "`zonewalk up --help` lists the options"),
        ] {
            let told = told(words);
            assert!(told.contains(&format!("tip: {tip}")), "{words}: {told}");
            assert_eq!(told.matches("tip:").count(), 1, "{told}");
        }
    }
}
