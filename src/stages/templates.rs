//! What is rendered and sent elsewhere, from the repository's `templates/`. A name that a template uses and nobody
//! gives is an error; values in `.json` templates are quoted by the renderer.

use minijinja::{Environment, UndefinedBehavior, Value};

use super::Error;

pub(super) const USER_DATA: &str = "user_data.sh";
pub(super) const BACKEND_TASK: &str = "task_definition.backend.json";
pub(super) const FRONTEND_TASK: &str = "task_definition.frontend.json";

pub(super) fn render(name: &'static str, values: Value) -> Result<String, Error> {
    let source = match name {
        USER_DATA => include_str!("../../templates/user_data.sh"),
        BACKEND_TASK => include_str!("../../templates/task_definition.backend.json"),
        FRONTEND_TASK => include_str!("../../templates/task_definition.frontend.json"),
        _ => return Err(Error::Template { name, reason: "there is none of this name".to_owned() }),
    };
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .render_named_str(name, source, values)
        .map_err(|error| Error::Template { name, reason: format!("{error:#}") })
}
