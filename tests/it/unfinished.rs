//! Commands that end early: traffic that the user interrupts, a drill that does not begin as it should.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use zonewalk::cloud::Pace;
use zonewalk::commands::outcome::Outcome;
use zonewalk::commands::{Error, failover, verify};
use zonewalk::events::{Event, Events, Traffic};
use zonewalk::report::page::Page;
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::{self, Context, inventory};
use zonewalk::walkthrough;

use crate::support::{clients, context, settings, start_cloud};

const MANY: u64 = 1_000_000;

fn verification() -> verify::Options {
    verify::Options { traffic: verify::Traffic::of(MANY, 8), ..verify::Options::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_verification_tells_of_the_answers_before() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    walkthrough::up(&ctx).await.unwrap();
    // As the user would, once 50 requests have been answered.
    let interrupted = async || {
        let cancel = CancellationToken::new();
        let token = cancel.clone();
        let events = Events::new(move |event| {
            if matches!(event, Event::Traffic(Traffic { done: 50.., total: Some(MANY), .. })) {
                token.cancel();
            }
        });
        Context::new(clients(&cloud).await, settings(), events, cancel)
    };

    let verification_so_far = verify::run_until_interrupted(&interrupted().await, verification()).await.unwrap();
    assert!((50..MANY).contains(&verification_so_far.requests), "{}", verification_so_far.requests);
    assert_eq!((verification_so_far.exit_code(), verification_so_far.next()), (130, None));
    let text = verification_so_far.text(&Page::default());
    assert!(text.contains("INTERRUPTED") && text.contains("so far 100% of"), "{text}");
    assert_eq!(serde_json::to_value(&verification_so_far).unwrap()["interrupted"], true);

    // Who needs all of the answers gets none.
    let whole = verify::run(&interrupted().await, verification()).await;
    assert!(matches!(whole, Err(Error::Stage(stages::Error::Interrupted))), "{whole:?}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_that_does_not_begin_as_it_should_takes_nothing_away() {
    let cloud = start_cloud(Pace::Instant).await;
    let few = Settings { task_count: TaskCount::new(3).unwrap(), ..settings() };
    let ctx = context(&cloud, few).await;
    walkthrough::up(&ctx).await.unwrap();
    let options = failover::Options {
        drill: failover::Drill::Scale { to: 2 },
        max_errors: failover::MAX_ERRORS,
        restore: true,
        verify: verify::Options::default(),
    };
    let drill = failover::run(&ctx, options).await.unwrap();
    assert_eq!((drill.phases.len(), drill.restored, drill.exit_code()), (1, false, 1));
    let text = drill.text(&Page::default());
    assert!(text.contains("nothing was changed") && text.contains("3 healthy backends, Envoy needs 6"), "{text}");
    let backends = inventory::find_services(&ctx).await.unwrap();
    assert!(backends.iter().all(|service| service.desired == 3), "{backends:?}");
    cloud.shutdown().await;
}

/// More or fewer tasks than the settings say are what it restores to, and it says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_says_if_it_restores_to_another_count_than_the_settings() {
    let cloud = start_cloud(Pace::Instant).await;
    let more = Settings { task_count: TaskCount::new(9).unwrap(), ..settings() };
    walkthrough::up(&context(&cloud, more).await).await.unwrap();
    let notes = Arc::new(std::sync::Mutex::new(vec![]));
    let noted = Arc::clone(&notes);
    let events = Events::new(move |event| {
        if let Event::Note { message } = event {
            noted.lock().unwrap().push(message);
        }
    });
    let ctx = Context::new(clients(&cloud).await, settings(), events, CancellationToken::new());
    let verify = verify::Options { traffic: verify::Traffic::of(60, 8), ..verify::Options::default() };
    let options = failover::Options {
        drill: failover::Drill::Scale { to: 6 },
        max_errors: failover::MAX_ERRORS,
        restore: true,
        verify,
    };
    let drill = failover::run(&ctx, options).await.unwrap();
    assert!(drill.restored && drill.holds(), "{:?}", drill.reasons);
    let notes = std::mem::take(&mut *notes.lock().unwrap());
    assert!(notes.iter().any(|note| note.contains("has 9 tasks") && note.contains("settings say 6")), "{notes:?}");
    cloud.shutdown().await;
}
