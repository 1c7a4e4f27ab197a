//! What is rendered and sent elsewhere: from the repository's `templates/`, or from a file of the same name in the
//! user's directory. A name that a template uses and nobody gives is an error; values in `.json` templates are quoted by
//! the renderer.

use std::io::ErrorKind;
use std::path::Path;

use minijinja::{Environment, UndefinedBehavior, Value};

use super::Error;
use crate::{plain, text_file};

pub(super) const USER_DATA: &str = "user_data.sh";
pub(super) const BACKEND_TASK: &str = "task_definition.backend.json";
pub(super) const FRONTEND_TASK: &str = "task_definition.frontend.json";

/// What is wrong with a directory that is to have templates: that it has none, or one whose name is nearly a template's.
pub(crate) fn check(directory: &Path) -> Result<(), String> {
    const ALL: [&str; 3] = [USER_DATA, BACKEND_TASK, FRONTEND_TASK];
    let files = std::fs::read_dir(directory).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let files = files.map_err(|error| plain::of_io(&error))?;
    let names: Vec<String> = files.iter().map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    let is_of_a_kind = |name: &&String| name.ends_with(".json") || name.ends_with(".sh");
    for name in names.iter().filter(is_of_a_kind).filter(|name| !ALL.contains(&name.as_str())) {
        if let Some(near) = plain::nearest(name, ALL) {
            return Err(format!("no template is named {name}, so it would not be used; did you mean {near}?"));
        }
    }
    if names.iter().any(|name| ALL.contains(&name.as_str())) {
        Ok(())
    } else {
        Err(format!("it has none of {}", ALL.join(", ")))
    }
}

pub(super) fn render(directory: Option<&Path>, name: &'static str, values: Value) -> Result<String, Error> {
    let built_in = match name {
        USER_DATA => include_str!("../../templates/user_data.sh"),
        BACKEND_TASK => include_str!("../../templates/task_definition.backend.json"),
        FRONTEND_TASK => include_str!("../../templates/task_definition.frontend.json"),
        _ => return Err(Error::Template { name, reason: "there is none of this name".to_owned() }),
    };
    let replaced = match directory {
        Some(directory) => replacement(name, directory)?,
        None => None,
    };
    let source = replaced.as_deref().unwrap_or(built_in);
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .render_named_str(name, source, values)
        .map_err(|error| Error::Template { name, reason: format!("{error:#}") })
}

/// The user's file of that name, if there is one in a directory that there has to be.
fn replacement(name: &'static str, directory: &Path) -> Result<Option<String>, Error> {
    let path = directory.join(name);
    match text_file::read(&path) {
        // A shell takes no carriage return for an end of line, and then finds no `/bin/bash\r`.
        Ok(text) => Ok(Some(text.replace("\r\n", "\n"))),
        Err(error) if error.kind() == ErrorKind::NotFound && directory.is_dir() => Ok(None),
        Err(error) => Err(Error::Template { name, reason: format!("{}: {}", path.display(), plain::of_io(&error)) }),
    }
}
