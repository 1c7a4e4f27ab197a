//! `up`, an `up` with other settings and `down` killed at every single AWS call in turn: the call is carried out and its
//! answer never read, as when the process dies. Running it again gives what an undisturbed run gives. The account has no
//! roles, so that they are made and removed, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tokio::sync::Notify;
use zonewalk::cloud::{LocalCloud, Observer, Options, Pace};
use zonewalk::settings::{LaunchType, NetworkMode, Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use crate::inventory::inventory;
use crate::support::{context, settings};

/// Counts calls, and ends some work at its n-th.
#[derive(Clone, Default)]
struct Killer(Arc<Counters>);

#[derive(Default)]
struct Counters {
    calls: AtomicUsize,
    /// The number of the call at which to kill; 0 for none.
    kill_at: AtomicUsize,
    kill: Notify,
}

impl Killer {
    fn observer(&self) -> Observer {
        let Self(counters) = self.clone();
        Arc::new(move |_| {
            let call = counters.calls.fetch_add(1, Ordering::SeqCst) + 1;
            if call == counters.kill_at.load(Ordering::SeqCst) {
                counters.kill.notify_one();
            }
        })
    }

    /// How many calls `work` makes.
    async fn count<T>(&self, work: impl Future<Output = T>) -> usize {
        let before = self.0.calls.load(Ordering::SeqCst);
        work.await;
        self.0.calls.load(Ordering::SeqCst) - before
    }

    /// Runs `work` to its n-th call, or to its end if it makes fewer.
    async fn kill_at<T>(&self, n: usize, work: impl Future<Output = T>) {
        self.0.kill_at.store(self.0.calls.load(Ordering::SeqCst) + n, Ordering::SeqCst);
        tokio::select! {
            biased;
            () = self.0.kill.notified() => {}
            _ = work => {}
        }
        self.0.kill_at.store(0, Ordering::SeqCst);
    }
}

/// A cloud, and the walkthrough before and after its settings change: other instances, replaced one by one.
async fn cloud_with_killer() -> (LocalCloud, [Context; 2], Killer) {
    let killer = Killer::default();
    let observer = Some(killer.observer());
    let options = Options { pace: Pace::Instant, bare_account: true, observer, ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let before = Settings { task_count: TaskCount::new(2).unwrap(), ..settings() };
    let after = Settings { instance_type: "t3.large".to_owned(), ..before.clone() };
    let contexts = [context(&cloud, before).await, context(&cloud, after).await];
    (cloud, contexts, killer)
}

/// The number of calls differs a little with how often is waited, so some more are tried.
const MORE: usize = 5;

/// How many cases run at a time: each waits for its own cloud now and then.
const AT_A_TIME: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn up_and_down_killed_at_any_call_complete_when_repeated() {
    let (cloud, [ctx, other], killer) = cloud_with_killer().await;
    let empty = inventory(&ctx.clients).await;
    let calls_of_up = killer.count(async { up(&ctx).await.unwrap() }).await;
    let complete = inventory(&ctx.clients).await;
    let calls_of_mending = killer.count(async { up(&other).await.unwrap() }).await;
    let mended = inventory(&ctx.clients).await;
    let calls_of_down = killer.count(async { down(&other).await.unwrap() }).await;
    assert_eq!(inventory(&ctx.clients).await, empty);
    cloud.shutdown().await;

    let case = async |n: usize| {
        let (cloud, [ctx, other], killer) = cloud_with_killer().await;
        let mends = n <= calls_of_mending + MORE;
        for (ctx, stands) in [Some((&ctx, &complete)), mends.then_some((&other, &mended))].into_iter().flatten() {
            killer.kill_at(n, up(ctx)).await;
            up(ctx).await.unwrap_or_else(|error| panic!("up after a kill at call {n}: {error}"));
            assert_eq!(inventory(&ctx.clients).await, *stands, "up after a kill at call {n}");
        }
        killer.kill_at(n, down(&other)).await;
        let removed = down(&other).await.unwrap_or_else(|error| panic!("down after a kill at call {n}: {error}"));
        assert_eq!(removed.leftovers, [], "down after a kill at call {n}");
        assert_eq!(inventory(&ctx.clients).await, empty, "down after a kill at call {n}");
        cloud.shutdown().await;
    };
    let cases = futures_util::stream::iter(1..=calls_of_up.max(calls_of_mending).max(calls_of_down) + MORE);
    cases.map(case).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    println!("killed at each of {calls_of_up} calls of up, {calls_of_mending} of another up, {calls_of_down} of down");
}

/// What the walkthrough is made of where that is not the article's.
fn others() -> [Settings; 2] {
    let small = Settings { task_count: TaskCount::new(1).unwrap(), ..settings() };
    [
        Settings { launch_type: Some(LaunchType::Fargate), ..small.clone() },
        Settings { network_mode: Some(NetworkMode::Bridge), ..small },
    ]
}

async fn cloud_for(settings: &Settings) -> (LocalCloud, Context, Killer) {
    let killer = Killer::default();
    let observer = Some(killer.observer());
    let options = Options { pace: Pace::Instant, bare_account: true, observer, ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, settings.clone()).await;
    (cloud, ctx, killer)
}

/// What is made there is made by the article's settings, too, so that some of the calls stand for all.
const EVERY: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn up_and_down_on_fargate_and_with_bridge_killed_at_some_calls_complete_when_repeated() {
    for settings in others() {
        killed_at_some_calls(&settings).await;
    }
}

async fn killed_at_some_calls(settings: &Settings) {
    let (cloud, ctx, killer) = cloud_for(settings).await;
    let empty = inventory(&ctx.clients).await;
    let calls_of_up = killer.count(async { up(&ctx).await.unwrap() }).await;
    let complete = inventory(&ctx.clients).await;
    let calls_of_down = killer.count(async { down(&ctx).await.unwrap() }).await;
    assert_eq!(inventory(&ctx.clients).await, empty);
    cloud.shutdown().await;
    for n in (1..=calls_of_up.max(calls_of_down)).step_by(EVERY) {
        let (cloud, ctx, killer) = cloud_for(settings).await;
        killer.kill_at(n, up(&ctx)).await;
        up(&ctx).await.unwrap_or_else(|error| panic!("up after a kill at call {n}: {error}"));
        assert_eq!(inventory(&ctx.clients).await, complete, "up after a kill at call {n}");
        killer.kill_at(n, down(&ctx)).await;
        let removed = down(&ctx).await.unwrap_or_else(|error| panic!("down after a kill at call {n}: {error}"));
        assert_eq!(removed.leftovers, [], "down after a kill at call {n}");
        assert_eq!(inventory(&ctx.clients).await, empty, "down after a kill at call {n}");
        cloud.shutdown().await;
    }
}
