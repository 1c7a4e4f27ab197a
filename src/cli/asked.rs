//! What a command line asks for, as the record of a run keeps it.

use clap::ArgMatches;
use serde_json::{Map, Value};

use super::command_line;

/// What says how a run is told, and nothing of what it does.
const LEFT_OUT: &[&str] = &["output", "verbose", "quiet", "no_color", "yes", "no_record", "help"];

/// The command's `arguments`, and its `options` by their names, with the values that they have by default, too.
pub(super) fn of(matches: &ArgMatches) -> Map<String, Value> {
    let commands = command_line::definition();
    let (mut command, mut matches) = (&commands, matches);
    while let Some((name, inner)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(name) else { break };
        (command, matches) = (found, inner);
    }
    let (mut arguments, mut options) = (vec![], Map::new());
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
        let id = arg.get_id().as_str();
        if LEFT_OUT.contains(&id) {
            continue;
        }
        let name = arg.get_long().unwrap_or_default();
        if !arg.get_action().takes_values() {
            if matches.try_get_one::<bool>(id).is_ok_and(|flag| flag == Some(&true)) {
                options.insert(name.to_owned(), true.into());
            }
            continue;
        }
        let values = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
        let values: Vec<String> = values.map(|value| without_secret(id, &value.to_string_lossy())).collect();
        if arg.is_positional() {
            arguments.extend(values.into_iter().map(Value::from));
        } else if !values.is_empty() {
            options.insert(name.to_owned(), values.join(",").into());
        }
    }
    [("arguments".to_owned(), arguments.into()), ("options".to_owned(), options.into())].into_iter().collect()
}

/// A header may hold a key, and so may a URL before its host and in its query: none is kept.
fn without_secret(id: &str, value: &str) -> String {
    if id.contains("header") {
        let name = value.split(['=', ':']).next().unwrap_or_default();
        return format!("{name}=(not kept)");
    }
    match value.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or(host);
            let path = path.split('?').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &str) -> Map<String, Value> {
        let (_, matches) = command_line::parse(words.split(' ').map(Into::into)).unwrap();
        of(&matches)
    }

    #[test]
    fn options_are_kept_with_their_values_and_how_they_are_told_is_not() {
        let asked = asked("zonewalk failover spillover --local --requests 50 --output json -q");
        assert_eq!(asked["arguments"], serde_json::json!(["spillover"]));
        let asked = asked["options"].as_object().unwrap();
        assert_eq!(
            (&asked["local"], &asked["requests"], &asked["concurrency"]),
            (&true.into(), &"50".into(), &"8".into())
        );
        for none in ["output", "quiet", "strict", "yes"] {
            assert!(!asked.contains_key(none), "{asked:?}");
        }
    }

    #[test]
    fn no_secret_is_kept() {
        assert_eq!(without_secret("header", "Authorization=Bearer a:x"), "Authorization=(not kept)");
        assert_eq!(without_secret("endpoint_url", "http://me:key@localhost:1/a@b?key=1"), "http://localhost:1/a@b");
        assert_eq!(without_secret("name", "mine"), "mine");
    }
}
