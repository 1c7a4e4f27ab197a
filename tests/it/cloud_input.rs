//! What no SDK sends: whatever comes in is answered with an error of AWS's, and the local cloud goes on.

use std::process::{Command, Stdio};
use std::time::Duration;

use aws_sdk_ec2::types::Filter;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use zonewalk::aws::Clients;
use zonewalk::cloud::{LocalCloud, Pace};

use crate::machine::Machine;
use crate::support;

const KIB: usize = 1 << 10;

/// A request by hand, to a service with a Query protocol or, by `target`, to one with JSON: status and body.
async fn send(cloud: &LocalCloud, service: &str, target: Option<&str>, body: String) -> (u16, String) {
    let credential = format!("AWS4-HMAC-SHA256 Credential=test/20261122/{}/{service}/aws4_request", support::REGION);
    let request = hyper::Request::builder().method("POST").uri(cloud.endpoint_url());
    let request = request.header("authorization", credential).header("x-amz-target", target.unwrap_or_default());
    let mut request = request.body(Full::new(Bytes::from(body))).unwrap();
    if target.is_none() {
        request.headers_mut().remove("x-amz-target");
    }
    let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    let status = answer.status().as_u16();
    (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

async fn stand() -> (LocalCloud, Clients) {
    let cloud = support::start_cloud(Pace::Instant).await;
    let clients = support::clients(&cloud).await;
    (cloud, clients)
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_no_parameter_has_are_refused_in_the_services_protocol() {
    let (cloud, clients) = stand().await;
    let (status, body) =
        send(&cloud, "autoscaling", None, format!("Action=DescribeTags&{}=1", vec!["a"; 5_000].join("."))).await;
    assert_eq!(status, 404, "{body}");
    assert!(body.contains("<Code>MalformedQueryString</Code>") && body.contains("<ErrorResponse"), "{body}");
    for key in ["%C3%A9", ""] {
        let template = "Action=CreateLaunchTemplate&LaunchTemplateName=odd&LaunchTemplateData.MetadataOptions";
        let (_, body) = send(&cloud, "ec2", None, format!("{template}.{key}=1")).await;
        assert!(body.contains("<Errors><Error><Code>MalformedQueryString</Code>"), "{body}");
    }
    assert!(clients.ec2.describe_launch_templates().send().await.unwrap().launch_templates().is_empty());
    cloud.shutdown().await;
}

/// Another version is another API: of 2012-06-01 are the classic load balancers.
#[tokio::test(flavor = "multi_thread")]
async fn another_version_of_an_api_is_refused_by_its_name() {
    let (cloud, _) = stand().await;
    let describe =
        |version: &str| send(&cloud, "elasticloadbalancing", None, format!("Action=DescribeLoadBalancers{version}"));
    assert_eq!(describe("&Version=2015-12-01").await.0, 200);
    let (status, body) = describe("&Version=2012-06-01").await;
    assert!(
        status == 400 && body.contains("elasticloadbalancing:DescribeLoadBalancers of version 2012-06-01"),
        "{body}"
    );
    let (status, body) = describe("").await;
    assert!(status == 400 && body.contains("<Code>InvalidAction</Code>"), "{body}");
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_larger_than_any_that_is_needed_is_refused() {
    let (cloud, clients) = stand().await;
    const FILLER: &str = "&DryRun=false";
    let form = |size: usize| format!("Action=DescribeVpcs&Version=2016-11-15{}", FILLER.repeat(size / FILLER.len()));
    assert_eq!(send(&cloud, "ec2", None, form(1023 * KIB)).await.0, 200);
    let (status, body) = send(&cloud, "ec2", None, form(1024 * KIB)).await;
    assert!(status == 413 && body.contains("<Code>RequestEntityTooLargeException</Code>"), "{status} {body}");
    let target = Some("AmazonEC2ContainerServiceV20141113.ListClusters");
    let (status, body) = send(&cloud, "ecs", target, " ".repeat(1024 * KIB + 1)).await;
    assert!(status == 413 && body.contains(r#""__type":"RequestEntityTooLargeException""#), "{status} {body}");
    let (status, body) = send(&cloud, "ecs", target, format!("{{\"a\": {}", "[".repeat(100_000))).await;
    assert!(status == 400 && body.contains("SerializationException"), "{status} {body}");
    clients.ecs.list_clusters().send().await.unwrap();
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_of_many_wildcards_is_answered_and_one_of_too_many_values_refused() {
    let (cloud, clients) = stand().await;
    let ec2 = &clients.ec2;
    let name = "a".repeat(200);
    ec2.create_security_group().group_name(&name).description("of a test").send().await.unwrap();
    let filtered = async |values: Vec<String>| {
        let filter = Filter::builder().name("group-name").set_values(Some(values)).build();
        ec2.describe_security_groups().filters(filter).send().await
    };
    assert_eq!(filtered(vec!["a*".repeat(100)]).await.unwrap().security_groups().len(), 1);
    assert!(filtered(vec!["a*".repeat(100) + "b"]).await.unwrap().security_groups().is_empty());
    assert!(filtered(vec!["a".repeat(257)]).await.is_err());
    assert!(filtered(vec![name; 201]).await.is_err());
    cloud.shutdown().await;
}

#[test]
fn without_a_file_descriptor_left_it_pauses_and_does_not_spin() {
    let machine = Machine::new();
    let program = machine.command(&["local", "serve", "--listen", "127.0.0.1:0"]);
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 24; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    few.current_dir(machine.path()).env_clear();
    few.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    // Not into a pipe: once that is full, nobody spins.
    let log = machine.path().join("log");
    let mut process = few.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    let record = || std::fs::read(machine.path().join("local.json")).ok();
    let record = (0..1000).find_map(|_| {
        std::thread::sleep(Duration::from_millis(20));
        serde_json::from_slice::<Value>(&record()?).ok()
    });
    let record = record.expect("it runs");
    let address = record["endpoint_url"].as_str().unwrap().trim_start_matches("http://").to_owned();
    let _held: Vec<_> = (0..48).map(|_| std::net::TcpStream::connect(&address).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(500));
    process.kill().unwrap();
    process.wait().unwrap();
    let failures = std::fs::read_to_string(log).unwrap().matches("failed to accept a connection").count();
    // Twenty a second; spinning, it fails ten thousand times.
    assert!((1..1_000).contains(&failures), "{failures} failures");
}
