//! Plain words for what libraries say of a file, in their own: neither a type of Rust's nor a parser's token reaches a user.

use std::io;

use serde::de::DeserializeOwned;

/// What went wrong with a file or a connection: "no such file or directory", without the number that the system gives it.
pub(crate) fn of_io(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    // "Permission denied" begins a sentence elsewhere; a name in capitals stays one.
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => {
            first.to_lowercase().collect::<String>() + &text[first.len_utf8()..]
        }
        _ => text.to_owned(),
    }
}

/// Reads TOML; the error names the line and, where it is known, the key.
pub(crate) fn from_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let line_of = |error: &toml::de::Error| {
        let before = error.span().map_or("", |span| &text[..span.start.min(text.len())]);
        before.matches('\n').count() + 1
    };
    let syntax = |error: toml::de::Error| {
        let line = line_of(&error);
        let content = text.lines().nth(line - 1).unwrap_or_default().trim();
        format!("line {line} is not TOML: {content} (it takes key = value, with texts in quotes)")
    };
    // All that this finds is about the syntax; what is found later is about the values.
    text.parse::<toml::Table>().map_err(syntax)?;
    let values = toml::Deserializer::parse(text).map_err(syntax)?;
    serde_path_to_error::deserialize(values).map_err(|error| {
        let line = line_of(error.inner());
        format!("line {line}: {}", at_path(&error.path().to_string(), &of_serde(error.inner().message())))
    })
}

/// Reads JSON; the error names the field by its path, or where the syntax ends.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let place = |error: &serde_json::Error| match text.trim_end().lines().count() {
        0 | 1 => format!("column {}", error.column()),
        _ => format!("line {}, column {}", error.line(), error.column()),
    };
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| match error.inner() {
        inner if inner.is_data() => {
            let said = inner.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            at_path(&error.path().to_string(), &of_serde(said))
        }
        inner => format!("it is not JSON, as {} shows", place(inner)),
    })?;
    json.end().map_err(|error| format!("something follows the JSON at {}", place(&error)))?;
    Ok(value)
}

/// A text about the value at a path of serde's, which is `.` or empty for the whole.
fn at_path(path: &str, text: &str) -> String {
    // Of an unknown key, the text speaks by its name.
    let path = match text.strip_prefix("there is no ").and_then(|rest| rest.split([';', ' ']).next()) {
        Some(unknown) => path.strip_suffix(unknown).unwrap_or(path).trim_end_matches('.'),
        None => path,
    };
    if path.is_empty() || path == "." { text.to_owned() } else { format!("{path}: {text}") }
}

/// A message of serde's in plain words. Those of our own values have no such beginning, and stay as they are.
fn of_serde(message: &str) -> String {
    let quoted = |text: &str| text.split('`').nth(1).map(str::to_owned);
    let type_or_value = message.strip_prefix("invalid type: ").or(message.strip_prefix("invalid value: "));
    if let Some((found, wanted)) = type_or_value.and_then(|rest| rest.split_once(", expected ")) {
        return format!("{} is needed, not {}", wanted_in_words(wanted), found_in_words(found));
    }
    let name = quoted(message).unwrap_or_default();
    let known = || -> Vec<&str> { message.split('`').skip(3).step_by(2).collect() };
    if message.starts_with("missing field") {
        return format!("{name} is missing");
    }
    if message.starts_with("duplicate ") {
        return format!("{name} is given twice");
    }
    if message.starts_with("unknown field") {
        return match nearest(&name, known()) {
            Some(near) => format!("there is no {name}; did you mean {near}?"),
            None => format!("there is no {name}; there are {}", known().join(", ")),
        };
    }
    if message.starts_with("unknown variant") {
        return match nearest(&name, known()) {
            Some(near) => format!("{name:?} is none of {}; did you mean {near}?", known().join(", ")),
            None => format!("{name:?} is none of {}", known().join(", ")),
        };
    }
    message.to_owned()
}

/// What a value has to be: "a whole number" for `u32`.
fn wanted_in_words(wanted: &str) -> &str {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more,",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a string" | "a borrowed string" | "string or map" | "identifier" => "a text",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "a table",
        other if other.starts_with("struct ") => "a table",
        other => other,
    }
}

/// What a value is: "six" for `string "six"`, 3 for "integer `3`".
fn found_in_words(found: &str) -> &str {
    match found {
        "map" => "a table",
        "sequence" => "a list",
        "null" | "unit value" => "null",
        found => match found.split_once(['`', '"']) {
            Some((kind, value)) if kind.starts_with("string") => &found[kind.len()..kind.len() + value.len() + 1],
            Some((_, value)) => value.trim_end_matches('`'),
            None => found,
        },
    }
}

/// The likeliest of the names for a word that is none of them: the fewest letters differ, of which two that are swapped count as
/// one, and `_` is as good as `-`. None if none comes close.
pub(crate) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = |text: &str| text.to_lowercase().replace('_', "-");
    let word = folded(word);
    let close = names.into_iter().map(|name| (distance(&word, &folded(name)), name));
    let (least, name) = close.min_by_key(|(distance, _)| *distance)?;
    (least <= word.chars().count().max(3) / 3).then_some(name)
}

/// How many letters have to be added, dropped, replaced or swapped with the next (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Sample {
        #[serde(rename = "count")]
        _count: Option<u32>,
        #[serde(rename = "share")]
        _share: Option<f64>,
        #[serde(rename = "task-name")]
        _name: Option<String>,
        #[serde(rename = "on")]
        _on: Option<bool>,
        #[serde(rename = "list")]
        _list: Option<Vec<u32>>,
        #[serde(rename = "kind")]
        _kind: Option<Kind>,
        #[serde(rename = "of")]
        _of: Option<BTreeMap<String, u32>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Throttle,
        ServerError,
    }

    #[test]
    fn toml_is_told_by_line_and_in_words() {
        let told = |text: &str| from_toml::<Sample>(text).unwrap_err();
        assert_eq!(
            told("on = true\ncount = 'six'"),
            r#"line 2: count: a whole number, 0 or more, is needed, not "six""#
        );
        assert_eq!(told("count = -1"), "line 1: count: a whole number, 0 or more, is needed, not -1");
        assert_eq!(told("share = true"), "line 1: share: a number is needed, not true");
        assert_eq!(told("task-name = 3"), "line 1: task-name: a text is needed, not 3");
        assert_eq!(told("on = 'yes'"), r#"line 1: on: true or false is needed, not "yes""#);
        assert_eq!(told("list = {}"), "line 1: list: a list is needed, not a table");
        assert_eq!(told("list = [1, 'x']"), r#"line 1: list[1]: a whole number, 0 or more, is needed, not "x""#);
        assert_eq!(told("\n\ntask_name = 'x'"), "line 3: there is no task_name; did you mean task-name?");
        assert_eq!(told("cuont = 3"), "line 1: there is no cuont; did you mean count?");
        assert!(told("elsewhere = 3").starts_with("line 1: there is no elsewhere; there are count, share"));
        assert_eq!(
            told("kind = 'throtle'"),
            r#"line 1: kind: "throtle" is none of throttle, server-error; did you mean throttle?"#
        );
        let told = told("count = 3\nname = x");
        assert_eq!(told, "line 2 is not TOML: name = x (it takes key = value, with texts in quotes)");
        assert!(from_toml::<Sample>("count = 3\n").is_ok());
    }

    #[test]
    fn json_is_told_by_path_and_in_words() {
        let told = |text: &str| from_json::<Sample>(text).unwrap_err();
        assert_eq!(told(r#"{"of": {"a": -1}}"#), "of.a: a whole number, 0 or more, is needed, not -1");
        assert_eq!(told(r#"{"cuont": 3}"#), "there is no cuont; did you mean count?");
        assert_eq!(told("[3"), "it is not JSON, as column 2 shows");
        assert_eq!(told("nonsense"), "it is not JSON, as column 2 shows");
        assert_eq!(told("{\n\"count\": }"), "it is not JSON, as line 2, column 10 shows");
        assert_eq!(told("{} {}"), "something follows the JSON at column 4");
        assert!(from_json::<Sample>(r#"{"count": 3}"#).is_ok());
    }

    #[test]
    fn the_likeliest_name_is_close() {
        let names = ["name", "task-count", "timeout", "region"];
        for (word, near) in
            [("naem", "name"), ("task_count", "task-count"), ("timout", "timeout"), ("Region", "region")]
        {
            assert_eq!(nearest(word, names), Some(near), "{word}");
        }
        for word in ["bare-account", "x", "zone", ""] {
            assert_eq!(nearest(word, names), None, "{word}");
        }
    }

    #[test]
    fn what_the_system_says_has_no_number() {
        let missing = std::fs::read("/no/such/file").unwrap_err();
        assert_eq!(of_io(&missing), "no such file or directory");
        assert_eq!(of_io(&io::Error::other("it is not UTF-8 text")), "it is not UTF-8 text");
    }
}
