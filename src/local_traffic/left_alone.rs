//! Tasks that an emulator moves on by itself: a task of moto's goes to its next state each time it is described, and so stops by
//! being watched (docs.getmoto.org, "State Transition"). It can be told to leave them as they are.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::Worker;
use crate::http::{AskError, ask};

/// The paths with which moto's state manager is asked and told.
const GET: &str = "/moto-api/state-manager/get-transition?model_name=ecs::task";
const SET: &str = "/moto-api/state-manager/set-transition";

/// A task moves on when it has been described so often: never.
const NEVER: u64 = 1_000_000_000;

const LIMIT: Duration = Duration::from_secs(10);

/// More tasks than a walkthrough of any size restarts while an emulator is told: beyond it, they will never stay.
const TOO_MANY: u32 = 24;

impl Worker {
    /// Tells the emulator, if it can be told, to leave tasks as they are. Once, and again when tasks have stopped all the same.
    pub(super) async fn have_tasks_left_alone(&mut self) {
        if self.is_told {
            return;
        }
        self.is_told = true;
        let Some(url) = self.clients.emulator_url().map(|url| url.trim_end_matches('/').to_owned()) else { return };
        match leave_alone(&url).await {
            Ok(true) => self.note(
                "its tasks move on each time they are described, and stop so: its state manager was told to leave them as \
                 they are",
            ),
            // Not all emulators have one, and those that have none may well leave tasks alone.
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "no state manager"),
        }
    }

    /// Why no task stays, if that is so.
    pub(super) fn trouble(&self) -> Option<String> {
        let text = format!(
            "{} tasks have stopped so far though no command stopped them: the emulator at {} moves tasks on by itself, and has no \
             {SET} at which it could be told not to (moto 5 has); configure it to keep tasks RUNNING, then repeat the command",
            self.vanished,
            self.clients.emulator_url().unwrap_or_default(),
        );
        (self.vanished > TOO_MANY).then_some(text)
    }
}

/// Whether there is a state manager that did not leave tasks alone until now.
async fn leave_alone(url: &str) -> Result<bool, AskError> {
    let (status, body) = ask(Method::GET, &format!("{url}{GET}"), "", LIMIT).await?;
    let Ok(transition) = serde_json::from_slice::<Value>(&body) else { return Ok(false) };
    if status != StatusCode::OK || transition["progression"].is_null() || transition["times"].as_u64() == Some(NEVER) {
        return Ok(false);
    }
    let transition = json!({ "progression": "manual", "times": NEVER });
    let body = json!({ "model_name": "ecs::task", "transition": transition }).to_string();
    let (status, _) = ask(Method::POST, &format!("{url}{SET}"), body, LIMIT).await?;
    Ok(status == StatusCode::CREATED)
}
