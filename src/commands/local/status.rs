//! `local status`: which local cloud runs, what is in it, who uses it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::outcome::Outcome;
use crate::processes::User;
use crate::processes::local_cloud::{self, Error, NewCloud, Standing};
use crate::report::numbers;
use crate::report::page::Page;
use crate::report::style::{attention, good};
use crate::report::table::{self, table};

#[derive(Debug, JsonSchema, Serialize)]
pub struct LocalStatus {
    /// Whether a local cloud runs. If none does, nothing else is known.
    running: bool,
    #[serde(flatten)]
    cloud: Option<Cloud>,
    /// The process of one that has ended without having been told to.
    #[serde(skip_serializing_if = "Option::is_none")]
    killed_process: Option<u32>,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Cloud {
    /// Where it listens.
    endpoint_url: String,
    /// Where its live page is.
    live_page: String,
    /// Its process ID.
    process: u32,
    /// The version of zonewalk that runs it. Null if it does not say.
    version: Option<String>,
    /// Whether a command with --local has started it. If not, `local serve` has.
    background: bool,
    /// Whose Service Connect proxies its tasks have: `zonewalk's own`, or Envoy with its version. Null if it does not say.
    proxies: Option<String>,
    #[serde(flatten)]
    started_with: NewCloud,
    /// When it was started, in UTC (RFC 3339). Null if it does not say.
    started_at: Option<String>,
    /// How long it has been running, in seconds. Null if it does not say.
    age_s: Option<u64>,
    /// Its log. Null if that is in the terminal where it was started.
    log: Option<PathBuf>,
    /// The file by which commands find it.
    state_file: PathBuf,
    /// The commands that use it just now.
    users: Vec<User>,
    /// The walkthroughs in it.
    walkthroughs: Vec<Standing>,
}

pub async fn run() -> Result<LocalStatus, Error> {
    let record = match local_cloud::find().await {
        Ok(record) => record,
        Err(Error::NotRunning(killed_process)) => {
            return Ok(LocalStatus { running: false, cloud: None, killed_process });
        }
        Err(error) => return Err(error),
    };
    let cloud = Cloud {
        walkthroughs: local_cloud::walkthroughs(&record).await?,
        live_page: record.live_page(),
        users: local_cloud::users()?,
        state_file: local_cloud::state_file()?,
        age_s: record.age().map(|age| age.as_secs()),
        background: record.own.background,
        proxies: record.own.proxies,
        started_with: record.own.cloud,
        endpoint_url: record.endpoint_url,
        process: record.process,
        version: record.version,
        started_at: record.started_at,
        log: record.log,
    };
    Ok(LocalStatus { running: true, cloud: Some(cloud), killed_process: None })
}

impl Outcome for LocalStatus {
    fn title(&self) -> &'static str {
        "local status"
    }

    fn text(&self, page: &Page) -> String {
        match &self.cloud {
            Some(cloud) => cloud.text(page),
            None => attention(format!("no local cloud is running{}", local_cloud::gone(self.killed_process))),
        }
    }

    fn holds(&self) -> bool {
        self.running
    }

    fn next(&self) -> Option<String> {
        Some(if self.running {
            "`eval \"$(zonewalk local env)\"` points AWS clients at it".to_owned()
        } else {
            "`zonewalk up --local` starts one".to_owned()
        })
    }
}

/// The columns that the labels of lines take.
const LABELS: usize = 14;

impl Cloud {
    fn text(&self, page: &Page) -> String {
        let age = self.age_s.map(|age| format!(" for {}", numbers::duration(std::time::Duration::from_secs(age))));
        let place = if self.background { "in the background" } else { "in the foreground" };
        let version = self.version.as_deref().unwrap_or("that it does not say");
        let NewCloud { pace, bare_account, proxy } = self.started_with;
        let proxies = self.proxies.clone().unwrap_or_else(|| proxy.to_string());
        let roles = if bare_account { "without" } else { "with" };
        let log =
            self.log.as_ref().map_or("the terminal where it was started".to_owned(), |log| log.display().to_string());
        let users: Vec<_> = self.users.iter().map(ToString::to_string).collect();
        let users = if users.is_empty() { "no command just now".to_owned() } else { users.join(", ") };
        let lines = [
            format!("local cloud   {} at {}{}", good("running"), self.endpoint_url, age.unwrap_or_default()),
            format!("live page     {}", self.live_page),
            format!("process       {} {place}, version {version}", self.process),
            format!("pace          {pace}"),
            format!("proxies       {proxies}"),
            format!("account       {roles} the article's roles"),
            format!("log           {log}"),
            format!("state file    {}", self.state_file.display()),
            format!("used by       {users}"),
        ];
        let mut lines: Vec<_> = lines.iter().map(|line| page.wrap(line, LABELS)).collect();
        if self.walkthroughs.is_empty() {
            lines.push("walkthroughs  none".to_owned());
        } else {
            let mut table = table(page, ["WALKTHROUGH", "REGION", "TAGGED RESOURCES"]);
            for Standing { name, region, resources } in &self.walkthroughs {
                let resources = resources.map_or("?".to_owned(), numbers::grouped);
                table.add_row([name, region.as_deref().unwrap_or("all (only roles are left)"), &resources]);
            }
            table.column_mut(2).into_iter().for_each(|column| {
                column.set_cell_alignment(comfy_table::CellAlignment::Right);
            });
            lines.push(format!("\n{}", table::lines(&table)));
        }
        lines.join("\n")
    }
}
