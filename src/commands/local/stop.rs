//! `local stop`: ends the local cloud that runs, and says what was in it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::outcome::Outcome;
use crate::processes::local_cloud::{self, Error, Record, Standing};
use crate::report::numbers;
use crate::report::page::Page;

/// The local cloud that is to end.
#[derive(Debug)]
pub struct Ending {
    record: Record,
    walkthroughs: Vec<Standing>,
}

/// The local cloud that runs, if one does; an error if a command uses it just now.
pub async fn look() -> Result<Option<Ending>, Error> {
    let record = match local_cloud::find().await {
        Ok(record) => record,
        Err(Error::NotRunning(_)) => return Ok(None),
        Err(error) => return Err(error),
    };
    local_cloud::refuse_if_used()?;
    let walkthroughs = local_cloud::walkthroughs(&record).await?;
    Ok(Some(Ending { record, walkthroughs }))
}

impl Ending {
    /// What ends with it. None: nothing that anybody would miss.
    pub fn contents(&self) -> Option<String> {
        let walkthroughs: Vec<_> = self.walkthroughs.iter().map(ToString::to_string).collect();
        (!walkthroughs.is_empty()).then(|| walkthroughs.join(", "))
    }

    pub async fn end(self) -> Result<LocalStop, Error> {
        local_cloud::stop(&self.record).await?;
        Ok(self.outcome(State::Stopped))
    }

    /// The user does not want it ended after all.
    pub fn spare(self) -> LocalStop {
        self.outcome(State::RunsOn)
    }

    fn outcome(self, state: State) -> LocalStop {
        let Self { record: Record { endpoint_url, process, .. }, walkthroughs } = self;
        LocalStop { state, endpoint_url: Some(endpoint_url), process: Some(process), walkthroughs }
    }
}

#[derive(Debug, Default, JsonSchema, Serialize)]
pub struct LocalStop {
    /// What became of it.
    state: State,
    /// Where it listened. Null if none was running.
    endpoint_url: Option<String>,
    /// Its process ID. Null if none was running.
    process: Option<u32>,
    /// What was in it.
    walkthroughs: Vec<Standing>,
}

/// What the local cloud is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// It has ended.
    Stopped,
    /// The user did not want it ended after all.
    RunsOn,
    /// None was running.
    #[default]
    NotRunning,
}

impl Outcome for LocalStop {
    fn title(&self) -> &'static str {
        "local stop"
    }

    fn text(&self, page: &Page) -> String {
        let process = self.process.unwrap_or_default();
        let text = match self.state {
            State::Stopped => format!("local cloud stopped (process {process})"),
            State::RunsOn => format!("the local cloud runs on (process {process})"),
            State::NotRunning => "no local cloud is running".to_owned(),
        };
        let walkthroughs = self.walkthroughs.iter().map(|walkthrough| match walkthrough.resources {
            Some(resources) => format!("{walkthrough} ({})", numbers::count(resources, "tagged resource")),
            None => walkthrough.to_string(),
        });
        let text = match (self.state, walkthroughs.collect::<Vec<_>>().join(", ")) {
            (State::Stopped, contents) if !contents.is_empty() => format!("{text}, and with it {contents}"),
            _ => text,
        };
        page.wrap(&text, 0)
    }

    fn holds(&self) -> bool {
        self.state != State::RunsOn
    }
}
