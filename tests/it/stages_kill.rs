//! `up` and `down` killed at every single AWS call in turn: the call is carried out and its answer never read, as when
//! the process dies. Running it again gives what an undisturbed run gives.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use tokio::sync::Notify;
use zonewalk::cloud::{LocalCloud, Observer, Options, Pace};
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use crate::support::{context, inventory, settings};

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

async fn cloud_with_killer() -> (LocalCloud, Context, Killer) {
    let killer = Killer::default();
    let options = Options { pace: Pace::Instant, observer: Some(killer.observer()), ..Options::default() };
    let cloud = LocalCloud::start(options).await.unwrap();
    let ctx = context(&cloud, settings()).await;
    (cloud, ctx, killer)
}

/// How many cases run at a time: each waits for its own cloud now and then.
const AT_A_TIME: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn up_and_down_killed_at_any_call_complete_when_repeated() {
    let (cloud, ctx, killer) = cloud_with_killer().await;
    let empty = inventory(&ctx.clients).await;
    let calls_of_up = killer.count(async { up(&ctx).await.unwrap() }).await;
    let complete = inventory(&ctx.clients).await;
    let calls_of_down = killer.count(async { down(&ctx).await.unwrap() }).await;
    assert_eq!(inventory(&ctx.clients).await, empty);
    cloud.shutdown().await;

    let case = async |n: usize| {
        let (cloud, ctx, killer) = cloud_with_killer().await;
        killer.kill_at(n, up(&ctx)).await;
        up(&ctx).await.unwrap_or_else(|error| panic!("up after a kill at call {n}: {error}"));
        assert_eq!(inventory(&ctx.clients).await, complete, "up after a kill at call {n}");
        killer.kill_at(n, down(&ctx)).await;
        let removed = down(&ctx).await.unwrap_or_else(|error| panic!("down after a kill at call {n}: {error}"));
        assert_eq!(removed.leftovers, [], "down after a kill at call {n}");
        assert_eq!(inventory(&ctx.clients).await, empty, "down after a kill at call {n}");
        cloud.shutdown().await;
    };
    // The number of calls differs a little with how often is waited, so some more are tried.
    let cases = futures_util::stream::iter(1..=calls_of_up.max(calls_of_down) + 5);
    cases.map(case).buffer_unordered(AT_A_TIME).collect::<Vec<()>>().await;
    println!("up killed at each of its {calls_of_up} calls, down at each of its {calls_of_down}");
}
