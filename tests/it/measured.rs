//! `audit --measure`: what proxies, access logs and flow logs tell of the same traffic is what was sent, and what was predicted.

use std::time::Duration;

use aws_sdk_ec2::types::FlowLogsResourceType;
use aws_sdk_ecs::types::ServiceConnectAccessLoggingFormat;
use zonewalk::audit::facts::EvidenceSource;
use zonewalk::audit::readers::{Measure, Source};
use zonewalk::audit::verdict::{Code, NoteCode, Pair, State};
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::audit::{self, Audit, Options};
use zonewalk::commands::verify::{self, Traffic};
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

use crate::support::{context, impatient, settings, start_cloud};
use crate::telemetry::log_accesses;

pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

const ALL: [Measure; 3] = [Measure::Proxies, Measure::AccessLogs(HOUR), Measure::FlowLogs(HOUR)];

/// Has the walkthrough's VPC record its flows, in AWS's default format if none is given.
pub(crate) async fn log_flows(ctx: &Context, format: Option<&str>) {
    let vpcs = ctx.clients.ec2.describe_vpcs().send().await.unwrap();
    let vpc = vpcs.vpcs()[0].vpc_id().unwrap();
    let create = ctx.clients.ec2.create_flow_logs().resource_ids(vpc).resource_type(FlowLogsResourceType::Vpc);
    let role = "arn:aws:iam::000000000000:role/flow-logs";
    let create =
        create.log_group_name("flows").deliver_logs_permission_arn(role).set_log_format(format.map(str::to_owned));
    create.max_aggregation_interval(60).send().await.unwrap();
}

/// The walkthrough with access logs and flow logs, and so many backends.
async fn logging(cloud: &LocalCloud, format: ServiceConnectAccessLoggingFormat, backends: i32) -> Context {
    let ctx = context(cloud, settings()).await;
    up(&ctx).await.unwrap();
    log_accesses(&ctx, format).await;
    let request = ctx.clients.ecs.update_service().cluster(&ctx.names.cluster).desired_count(backends);
    request.service(&ctx.names.backend.service).send().await.unwrap();
    context(cloud, impatient()).await
}

/// Sends requests, and gives the share of them that stayed in their zone.
async fn send(ctx: &Context, requests: u64) -> f64 {
    let options = verify::Options { traffic: Traffic::of(requests, 8), ..verify::Options::default() };
    verify::run(ctx, options).await.unwrap().same_zone_share.unwrap()
}

async fn audited(ctx: &Context) -> Audit {
    audit::run(ctx, &Options { measure: ALL.to_vec(), ..Options::default() }).await.unwrap()
}

/// The one pair that talks.
fn talking(audit: &Audit) -> &Pair {
    let talking: Vec<&Pair> = audit.pairs.iter().filter(|pair| !pair.idle).collect();
    let [pair] = &*talking else { panic!("{audit:#?}") };
    pair
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_access_logs_and_flow_logs_tell_what_was_sent() {
    use ServiceConnectAccessLoggingFormat::{Json, Text};
    const WITH_ZONES: &str = "${version} ${bytes} ${az-id} ${srcaddr} ${dstaddr} ${flow-direction} ${next-hop-az-id}";
    for (format, flows, backends, state, predicted) in
        [(Json, None, 6, State::On, 1.0), (Text, Some(WITH_ZONES), 4, State::Off, 1.0 / 3.0)]
    {
        let cloud = start_cloud(Pace::Instant).await;
        let ctx = logging(&cloud, format, backends).await;
        log_flows(&ctx, flows).await;
        let sent = send(&ctx, 2_000).await;
        let audit = audited(&ctx).await;
        let pair = talking(&audit);
        assert_eq!(pair.state, state, "{pair:#?}");
        assert!((pair.same_zone.predicted.unwrap() - predicted).abs() < 0.01, "{pair:#?}");
        let [proxies, access_logs, flow_logs] = &*pair.same_zone.measured else { panic!("{audit:#?}") };
        let sources = [proxies.source, access_logs.source, flow_logs.source];
        assert_eq!(sources, [EvidenceSource::Proxies, EvidenceSource::AccessLogs, EvidenceSource::FlowLogs]);
        assert_eq!(access_logs.count, proxies.count, "a line for each request");
        for measured in &pair.same_zone.measured {
            assert!((measured.share - sent).abs() < 0.02, "{sent} was sent: {measured:?}");
            assert!((measured.share - predicted).abs() < 0.06, "{measured:?}");
        }
        assert_eq!(audit.sources.access_logs, Source::Read);
        assert_eq!(audit.sources.flow_logs, Source::Read);
        let codes: Vec<_> = pair.notes.iter().map(|note| note.code).collect();
        assert!(codes.contains(&NoteCode::Confirmed), "{pair:#?}");
        cloud.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_costs_more_than_it_may_is_not_asked_and_named() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = logging(&cloud, ServiceConnectAccessLoggingFormat::Json, 6).await;
    send(&ctx, 200).await;
    let options = Options { measure: vec![Measure::AccessLogs(HOUR)], max_query_usd: 0.0, ..Options::default() };
    let audit = audit::run(&ctx, &options).await.unwrap();
    assert_eq!(audit.sources.access_logs, Source::NotRead);
    assert!(audit.unknown.iter().any(|gap| gap.contains("--max-query-usd")), "{:?}", audit.unknown);
    assert!(talking(&audit).reasons.iter().all(|reason| reason.code != Code::Measured));

    // Without access logs, and without flow logs, there is nothing to ask.
    let ctx = context(&cloud, settings()).await;
    up(&ctx).await.unwrap();
    let audit = audited(&ctx).await;
    assert!(audit.unknown.iter().any(|gap| gap.starts_with("flow logs: none")), "{:?}", audit.unknown);
    cloud.shutdown().await;
}
