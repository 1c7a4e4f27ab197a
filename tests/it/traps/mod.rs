//! Where the article, followed to the letter, fails or misleads: a test for each of the fourteen traps, by its number. What
//! is the article's is done with its own calls; what is ours must not fall in.

mod account;
mod clean_up;
mod running;

use std::sync::{Arc, Mutex};

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use zonewalk::cloud::{LocalCloud, Observer, Options, Pace};
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{context, settings};

/// A walkthrough on a cloud of its own.
struct Walk {
    cloud: LocalCloud,
    ctx: Context,
    /// `service:Operation`, in the order of the calls.
    calls: Arc<Mutex<Vec<String>>>,
}

impl Walk {
    async fn with(settings: Settings, pace: Pace) -> Self {
        let calls = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&calls);
        let observer: Observer = Arc::new(move |exchange| {
            seen.lock().unwrap().push(format!("{}:{}", exchange.service, exchange.operation));
        });
        let options = Options { pace, observer: Some(observer), ..Options::default() };
        let cloud = LocalCloud::start(options).await.unwrap();
        let ctx = context(&cloud, settings).await;
        Self { cloud, ctx, calls }
    }

    /// Made already, with so many tasks of each service.
    async fn up(tasks: u32) -> Self {
        let walk = Self::with(of_tasks(tasks), Pace::Instant).await;
        up(&walk.ctx).await.unwrap();
        walk
    }

    fn first_call(&self, call: &str) -> usize {
        self.calls.lock().unwrap().iter().position(|other| other == call).unwrap_or_else(|| panic!("no {call}"))
    }

    /// `down`, which has to leave nothing.
    async fn end(self) {
        assert_eq!(down(&self.ctx).await.unwrap().leftovers, []);
        assert_eq!(inventory(&self.ctx.clients).await, Vec::<String>::new());
        self.cloud.shutdown().await;
    }
}

fn of_tasks(tasks: u32) -> Settings {
    Settings { task_count: TaskCount::new(tasks).unwrap(), ..settings() }
}

/// AWS's error code.
#[track_caller]
fn code<T, E: ProvideErrorMetadata, R: std::fmt::Debug>(result: Result<T, SdkError<E, R>>) -> String {
    let error = result.err().expect("AWS refuses it");
    error.as_service_error().and_then(|error| error.code()).unwrap_or("no code").to_owned()
}

/// A step of the article, as it is printed there.
fn article(step: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/article").join(format!("{step}.sh"));
    std::fs::read_to_string(path).unwrap()
}
