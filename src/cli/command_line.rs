//! The command line as clap is to parse it: the definitions of `args`, where each command has those of the shared options that
//! mean something to it, in groups, with examples. The options may also stand before the command.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as _, ColorChoice, Command, CommandFactory, FromArgMatches};

use super::args::Args;
use super::options::Global;
use super::{examples, tips};

/// The options that say which walkthrough it is.
pub(super) const WHERE: &[&str] = &["local", "profile", "region", "endpoint_url", "local_traffic", "name", "config"];
/// The options that say what it is to be, and how long may be waited for it.
pub(super) const SETTINGS: &[&str] = &[
    "task_count",
    "instance_type",
    "image",
    "allow_cidrs",
    "no_create_roles",
    "no_check_permissions",
    "no_check_quota",
    "frontend",
    "templates",
    "timeout",
    "pace",
    "proxy",
    "bare_account",
];
const NEW_CLOUD: &[&str] = &["pace", "proxy", "bare_account"];
const OUTPUT: &[&str] = &["output", "verbose", "quiet", "no_color"];
const KEPT: &[&str] = &["no_record"];

/// The headings that the shared options stand under; the others stand with the command's own.
const HEADINGS: &[(&str, &[&str])] = &[
    ("Where", WHERE),
    ("Local cloud", &["pace", "proxy", "bare_account", "faults"]),
    ("Output", &["output", "verbose", "quiet", "no_record", "no_color", "yes"]),
];

/// A command's own options are listed before the shared ones.
const AFTER_OWN: usize = 100;

/// The shared options that mean something to a command.
fn shared_by(path: &[&str]) -> Vec<&'static str> {
    match path {
        ["walkthrough" | "up"] => [WHERE, NEW_CLOUD, OUTPUT, KEPT, &["faults", "adopt", "timeout", "yes"]].concat(),
        ["plan" | "doctor"] => [WHERE, NEW_CLOUD, OUTPUT, &["faults", "adopt"]].concat(),
        ["status"] => [WHERE, OUTPUT, &["faults", "adopt"]].concat(),
        ["verify" | "failover" | "stats" | "redeploy"] => [WHERE, OUTPUT, KEPT, &["faults", "timeout"]].concat(),
        ["down"] => [WHERE, OUTPUT, KEPT, &["faults", "adopt", "timeout", "yes"]].concat(),
        ["audit"] => [&["local", "profile", "region", "endpoint_url", "config"], OUTPUT, &["faults"]].concat(),
        ["policy"] => vec!["name", "config", "no_color"],
        ["runs"] => vec!["name", "output", "no_color"],
        ["report" | "explain"] => vec!["output", "no_color"],
        ["local", "serve"] => [NEW_CLOUD, &["faults", "output", "verbose", "no_color"]].concat(),
        ["local", "hosts"] => vec!["profile", "region", "endpoint_url", "name", "config", "verbose", "no_color"],
        ["local", "env" | "age"] => vec!["region", "config", "output", "no_color"],
        ["local", "sidecar"] => vec!["output", "verbose", "no_color"],
        ["local", "stop"] => vec!["output", "yes", "no_color"],
        ["local", _] => vec!["output", "no_color"],
        _ => vec!["no_color"],
    }
}

/// The arguments, also as clap has them, or what clap says instead: the help that was asked for, or what is wrong.
pub(super) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<(Args, ArgMatches), clap::Error> {
    let words = as_option(words.into_iter().collect());
    let mut command = definition();
    if words.iter().any(|word| word == "--no-color") {
        command = command.color(ColorChoice::Never);
    }
    let matches = command.try_get_matches_from_mut(&words).map_err(|error| tips::improve(error, &command, &words))?;
    refuse_what_means_nothing(&command, &matches)?;
    let args = Args::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    Ok((args, matches))
}

/// `help up` as `up --help`, which is the shorter one of clap's two.
fn as_option(mut words: Vec<OsString>) -> Vec<OsString> {
    if words.get(1).is_some_and(|word| word == "help") && words.len() > 2 {
        words.remove(1);
        words.push("--help".into());
    }
    words
}

/// All commands with their options. Parsed before a command, or after one to which they mean nothing, the shared options are
/// known as well, but shown nowhere.
pub(super) fn definition() -> Command {
    let hidden = |arg: Arg| if arg.is_global_set() { arg.hide(true).env(None::<&str>) } else { arg };
    arranged(Args::command().mut_args(hidden), &shared(), &[])
}

/// The same without what is shown nowhere: for completions and manual pages.
pub(super) fn shown() -> Command {
    let full = definition();
    let root = Command::new("zonewalk").version(env!("CARGO_PKG_VERSION")).after_help(examples::OVERVIEW);
    let root = root.about(full.get_about().cloned().unwrap_or_default());
    root.subcommands(full.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

/// The shared options, each under its heading.
fn shared() -> Vec<Arg> {
    let defined = Global::augment_args(Command::new("shared"));
    let arg = |(position, arg): (usize, &Arg)| {
        let heading = HEADINGS.iter().find(|(_, ids)| ids.contains(&arg.get_id().as_str()));
        let heading = heading.map(|(heading, _)| *heading);
        arg.clone().global(false).help_heading(heading).hide_env_values(true).display_order(AFTER_OWN + position)
    };
    defined.get_arguments().enumerate().map(arg).collect()
}

fn arranged(command: Command, shared: &[Arg], path: &[String]) -> Command {
    // The short form of the help for both flags: a line for an option, not a paragraph.
    let help = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help("Print help");
    let own = |arg: Arg| {
        let negative = arg.get_action().takes_values() && !arg.is_positional();
        // A negative number is no flag, but a value that is too small.
        arg.hide_env_values(true).allow_negative_numbers(negative)
    };
    let mut command = command.mut_args(own).disable_help_flag(true);
    if command.has_subcommands() {
        command = command.mut_subcommands(|inner| {
            let path = [path, &[inner.get_name().to_owned()]].concat();
            arranged(inner, shared, &path)
        });
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if !command.has_subcommands() {
        let taken = shared_by(&path);
        command = command.args(shared.iter().filter(|arg| taken.contains(&arg.get_id().as_str())));
    }
    let own = command.get_after_help().map(|text| format!("{text}\n\n")).unwrap_or_default();
    command.arg(help.display_order(AFTER_OWN + shared.len())).after_help(format!("{own}{}", examples::of(&path)))
}

/// Refuses a shared option that was given to a command to which it means nothing.
fn refuse_what_means_nothing(command: &Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let (mut command, mut matches, mut path) = (command, matches, vec![]);
    while let Some((name, inner)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, matches) = (found, inner);
        path.push(name);
    }
    let taken = shared_by(&path);
    let given = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        !taken.contains(&id) && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let shared = shared();
    let Some(flag) = shared.iter().find(given).and_then(Arg::get_long) else { return Ok(()) };
    let mut error = clap::Error::new(ErrorKind::UnknownArgument).with_cmd(command);
    error.insert(ContextKind::InvalidArg, ContextValue::String(format!("--{flag}")));
    tips::insert(&mut error, format!("`zonewalk {}` takes no --{flag}", path.join(" ")));
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All commands that are shown, each with its path.
    fn commands() -> Vec<(Vec<String>, Command)> {
        fn collect(command: &Command, path: &[String], into: &mut Vec<(Vec<String>, Command)>) {
            into.push((path.to_vec(), command.clone()));
            for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
                collect(inner, &[path, &[inner.get_name().to_owned()]].concat(), into);
            }
        }
        let mut root = shown();
        root.build();
        let mut commands = vec![];
        collect(&root, &[], &mut commands);
        assert!(commands.len() > 15, "{commands:?}");
        commands
    }

    #[test]
    fn every_option_has_a_heading_and_a_help_without_a_full_stop() {
        for (path, command) in commands() {
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let name = format!("{} {}", path.join(" "), arg.get_id());
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help:?}");
                let heading = arg.get_help_heading().unwrap_or("Options");
                assert!(["Options", "Where", "Local cloud", "Output"].contains(&heading), "{name}: {heading}");
            }
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.'), "{path:?}: {about:?}");
        }
    }

    #[test]
    fn shared_options_exist_and_mean_something_somewhere() {
        let ids: Vec<String> = shared().iter().map(|arg| arg.get_id().to_string()).collect();
        let paths: Vec<_> = commands().into_iter().map(|(path, _)| path).collect();
        let taken: Vec<&str> =
            paths.iter().flat_map(|path| shared_by(&path.iter().map(String::as_str).collect::<Vec<_>>())).collect();
        for id in &taken {
            assert!(ids.iter().any(|known| known == id), "{id}");
        }
        for id in &ids {
            assert!(taken.contains(&id.as_str()), "{id}");
        }
    }

    #[test]
    fn every_example_can_be_typed() {
        for (path, mut command) in commands() {
            if command.has_subcommands() && !path.is_empty() {
                continue;
            }
            let help = command.render_help().to_string();
            let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  zonewalk ")).collect();
            let two = if path == ["local", "env"] { 1 } else { 2 }; // the other one is for a shell to evaluate
            assert!(examples.len() >= two, "{path:?}: {help}");
            for example in examples {
                let typed = example.split(['>', '<', '|']).next().unwrap_or_default();
                let typed = typed.split("   ").next().unwrap_or_default();
                let words = ["zonewalk"].into_iter().chain(typed.split_whitespace()).map(Into::into);
                assert!(parse(words).is_ok(), "{example}");
            }
        }
    }

    #[test]
    fn options_may_stand_before_the_command() {
        let parsed = |words: &str| parse(words.split(' ').map(Into::into)).map(|(args, _)| args.global);
        for words in ["zonewalk --local -n x up", "zonewalk up --local -n x", "zonewalk --local up --name x"] {
            let global = parsed(words).unwrap();
            assert!(global.local && global.name.is_some_and(|name| name.as_str() == "x"), "{words}");
        }
        assert!(parsed("zonewalk plan --local").is_ok() && parsed("zonewalk destroy --local -q").is_ok());
        assert!(parsed("zonewalk help up").unwrap_err().to_string().contains("Usage: zonewalk up"));
    }
}
