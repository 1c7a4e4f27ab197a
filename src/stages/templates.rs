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
