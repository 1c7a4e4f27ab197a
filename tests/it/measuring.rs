//! How `verify` measures: once traffic has settled, and by the proxies' counters where it may read them.

use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Options, Pace};
use zonewalk::commands::verify;
use zonewalk::stages::permissions::policy;
use zonewalk::traffic::{Counted, RoutingState, Verdict};
use zonewalk::walkthrough::up;

use crate::support::{context, settings, start_cloud};

/// What ECS says of the tasks and what the proxies know of them are not of the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_waits_until_traffic_follows_the_tasks() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let late = Fault { calls: Some(6), ..Fault::at(FaultKind::Hide, "ecs:UpdateService", 1, 1) };
    cloud.set_faults(Faults { seed: 1, faults: vec![late] });
    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).service(&ctx.names.backend.service);
    request.desired_count(2).send().await.unwrap();

    let result = verify::run(&ctx, verify::Options::default()).await.unwrap();
    assert_eq!(cloud.faults()["fault"][0]["struck"], 1);
    assert!(result.as_predicted, "{:?}", result.reasons);
    let routing = result.zone_aware_routing;
    assert_eq!((result.verdict, routing.state), (Verdict::Fail, RoutingState::OffAsPredicted));
    assert_eq!(routing.counters, Some(Counted::default()), "nothing is routed by zone");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_reads_the_counters_where_it_may_and_says_so_where_it_may_not() {
    let denied = policy(&settings().name).replace("ssm:SendCommand", "ssm:ListCommands");
    for policy in [None, Some(denied)] {
        let is_denied = policy.is_some();
        let cloud = LocalCloud::start(Options { pace: Pace::Instant, policy, ..Options::default() }).await.unwrap();
        let mut settings = settings();
        settings.check_permissions = false;
        let ctx = context(&cloud, settings).await;
        up(&ctx).await.unwrap();
        let result = verify::run(&ctx, verify::Options::default()).await.unwrap();
        assert_eq!(result.verdict, Verdict::Pass, "{:?}", result.reasons);
        let routing = result.zone_aware_routing;
        if is_denied {
            assert_eq!(routing.counters, None);
            assert!(routing.counters_not_read.unwrap().contains("allow the action ssm:SendCommand"));
        } else {
            assert_eq!(routing.counters, Some(Counted { all_directly: 200, ..Counted::default() }));
        }
        cloud.shutdown().await;
    }
}
