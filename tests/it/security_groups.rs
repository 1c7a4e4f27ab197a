//! The local cloud's security groups on a request's way: each rule that is taken away closes the hop that it is for, and each that
//! lets it in opens it again. What the mesh makes of a closed hop is in [`crate::blocked`].

use std::process::Command;
use std::time::Duration;

use aws_sdk_ec2::types::{IpPermission, IpRange, UserIdGroupPair};
use reqwest::StatusCode;
use serde_json::Value;
use zonewalk::aws::{Clients, Target};
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::walkthrough;

use crate::machine::Machine;
use crate::peers;
use crate::support::{REGION, context, settings, start_cloud};

/// More looks than any change takes, with a pause between them.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// How long a caller waits for a connection, where nothing is on the way but this machine.
const SILENCE: Duration = Duration::from_millis(500);

/// The groups of a walkthrough, and how to change their rules.
struct Groups {
    clients: Clients,
    lb: String,
    client: String,
    server: String,
}

#[derive(Clone, Copy, Debug)]
enum Direction {
    In,
    Out,
}

impl Groups {
    async fn of(clients: Clients) -> Self {
        let names = settings().name.resources();
        let id = async |name: &str| {
            let filter = aws_sdk_ec2::types::Filter::builder().name("group-name").values(name).build();
            let groups = clients.ec2.describe_security_groups().filters(filter).send().await.unwrap();
            groups.security_groups()[0].group_id().unwrap().to_owned()
        };
        let lb = id(&names.lb_security_group).await;
        let client = id(&names.client_security_group).await;
        let server = id(&names.server_security_group).await;
        Self { clients, lb, client, server }
    }

    async fn revoke(&self, group: &str, direction: Direction, permission: &IpPermission) {
        let ec2 = &self.clients.ec2;
        let unknown = match direction {
            Direction::In => {
                let revoke = ec2.revoke_security_group_ingress().group_id(group).ip_permissions(permission.clone());
                revoke.send().await.unwrap().unknown_ip_permissions
            }
            Direction::Out => {
                let revoke = ec2.revoke_security_group_egress().group_id(group).ip_permissions(permission.clone());
                revoke.send().await.unwrap().unknown_ip_permissions
            }
        };
        assert_eq!(unknown.unwrap_or_default(), [], "the rule was there");
    }

    async fn authorize(&self, group: &str, direction: Direction, permission: &IpPermission) {
        let ec2 = &self.clients.ec2;
        match direction {
            Direction::In => {
                let authorize = ec2.authorize_security_group_ingress().group_id(group);
                authorize.ip_permissions(permission.clone()).send().await.unwrap();
            }
            Direction::Out => {
                let authorize = ec2.authorize_security_group_egress().group_id(group);
                authorize.ip_permissions(permission.clone()).send().await.unwrap();
            }
        }
    }
}

fn ports(protocol: &str, from: i32, to: i32) -> aws_sdk_ec2::types::builders::IpPermissionBuilder {
    let permission = IpPermission::builder().ip_protocol(protocol);
    if protocol == "-1" { permission } else { permission.from_port(from).to_port(to) }
}

fn of_range(protocol: &str, from: i32, to: i32, cidr: &str) -> IpPermission {
    ports(protocol, from, to).ip_ranges(IpRange::builder().cidr_ip(cidr).build()).build()
}

fn of_group(protocol: &str, from: i32, to: i32, group: &str) -> IpPermission {
    ports(protocol, from, to).user_id_group_pairs(UserIdGroupPair::builder().group_id(group).build()).build()
}

/// What a caller gets: a status, or nothing.
async fn answer(url: &str) -> Option<StatusCode> {
    let client = reqwest::Client::builder().no_proxy().connect_timeout(SILENCE).pool_max_idle_per_host(0);
    let request = client.build().unwrap().get(url).header("azAwareRouting", "true");
    request.send().await.ok().map(|response| response.status())
}

async fn until(url: &str, expected: Option<StatusCode>, what: &str) {
    let mut seen = None;
    for _ in 0..LOOKS {
        seen = answer(url).await;
        if seen == expected {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{what}: {seen:?} and not {expected:?}");
}

const UP: Option<StatusCode> = Some(StatusCode::OK);
/// The load balancer cannot connect to its targets.
const NO_FRONTEND: Option<StatusCode> = Some(StatusCode::GATEWAY_TIMEOUT);
/// The frontends' proxies cannot connect to their upstreams.
const NO_BACKEND: Option<StatusCode> = Some(StatusCode::SERVICE_UNAVAILABLE);

async fn walkthrough() -> (LocalCloud, Groups, String) {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let up = walkthrough::up(&ctx).await.unwrap();
    (cloud, Groups::of(ctx.clients).await, up.alb_url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_hop_needs_a_rule_of_who_opens_it_and_one_of_who_accepts_it() {
    let (cloud, groups, url) = walkthrough().await;
    let Groups { lb, client, server, .. } = &groups;
    let everywhere = of_range("-1", 0, 0, "0.0.0.0/0");
    for (group, direction, rule, without) in [
        (lb, Direction::In, of_range("tcp", 80, 80, "0.0.0.0/0"), None),
        (client, Direction::In, of_group("tcp", 8080, 8080, lb), NO_FRONTEND),
        (server, Direction::In, of_group("tcp", 8090, 8090, client), NO_BACKEND),
        (lb, Direction::Out, everywhere.clone(), NO_FRONTEND),
        (client, Direction::Out, everywhere.clone(), NO_BACKEND),
        // Answers need no rule.
        (server, Direction::Out, everywhere, UP),
    ] {
        let what = format!("{group} {direction:?}");
        until(&url, UP, &what).await;
        groups.revoke(group, direction, &rule).await;
        until(&url, without, &what).await;
        groups.authorize(group, direction, &rule).await;
    }
    until(&url, UP, "all rules are there").await;
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_is_for_its_protocol_its_ports_and_its_peers() {
    let (cloud, groups, url) = walkthrough().await;
    let Groups { lb, client, server, .. } = &groups;
    let own = of_group("tcp", 8080, 8080, lb);
    for (rule, with) in [
        (of_group("tcp", 8000, 8080, lb), UP),
        (of_group("tcp", 8081, 65535, lb), NO_FRONTEND),
        (of_group("udp", 8080, 8080, lb), NO_FRONTEND),
        (of_group("-1", 0, 0, lb), UP),
        (of_group("tcp", 8080, 8080, server), NO_FRONTEND),
        // The default VPC's, and a part of it that has none of its subnets.
        (of_range("tcp", 8080, 8080, "172.31.0.0/16"), UP),
        (of_range("tcp", 8080, 8080, "172.31.255.0/24"), NO_FRONTEND),
        (own, UP),
    ] {
        let described = groups.clients.ec2.describe_security_groups().group_ids(client).send().await.unwrap();
        for old in described.security_groups()[0].ip_permissions() {
            groups.revoke(client, Direction::In, old).await;
        }
        until(&url, NO_FRONTEND, "no rule").await;
        groups.authorize(client, Direction::In, &rule).await;
        if with == UP {
            until(&url, UP, &format!("{rule:?}")).await;
        } else {
            assert_eq!(answer(&url).await, with, "{rule:?}");
        }
    }

    // At which address a caller is seen cannot be known here: any range of IPv4 lets it in, at the listener's port.
    let old = of_range("tcp", 80, 80, "0.0.0.0/0");
    for (rule, with) in [
        (of_range("tcp", 80, 80, "192.0.2.7/32"), UP),
        (of_range("tcp", 443, 443, "192.0.2.7/32"), None),
        (of_group("tcp", 80, 80, client), None),
    ] {
        groups.revoke(lb, Direction::In, &old).await;
        groups.authorize(lb, Direction::In, &rule).await;
        until(&url, with, &format!("{rule:?}")).await;
        groups.revoke(lb, Direction::In, &rule).await;
        groups.authorize(lb, Direction::In, &old).await;
        until(&url, UP, "everyone").await;
    }
    cloud.shutdown().await;
}

/// A walkthrough of the program, whose rules are changed behind its back.
struct Walk {
    machine: Machine,
    endpoint_url: String,
}

impl Walk {
    fn up(machine: Machine, args: &[&str]) -> Self {
        let walk = Self { machine, endpoint_url: String::new() };
        walk.json(&[&["up"], args].concat());
        let record = std::fs::read(walk.machine.path().join("local.json")).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        Self { endpoint_url: record["endpoint_url"].as_str().unwrap().to_owned(), ..walk }
    }

    fn json(&self, args: &[&str]) -> Value {
        self.machine.json(&[args, &["--local", "--output", "json"]].concat())
    }

    /// The exit code, and what is said in all.
    fn says(&self, args: &[&str]) -> (Option<i32>, String) {
        let output = self.machine.zonewalk(&[args, &["--local"]].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap().split_whitespace().collect::<Vec<_>>().join(" "))
    }

    async fn groups(&self) -> Groups {
        Groups::of(Target::local(&self.endpoint_url, REGION).connect().await.unwrap()).await
    }

    /// `verify` until connections that stood before a rule went are closed.
    fn verify_until_it_fails(&self) -> (Option<i32>, String) {
        for _ in 0..20 {
            let (code, said) = self.says(&["verify", "--requests", "20", "--timeout", "1"]);
            if code != Some(0) {
                return (code, said);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        panic!("it goes on passing");
    }

    fn is_told(&self, rule: &str, effect: &str) {
        let drift = &self.json(&["status"])["drift"];
        assert_eq!(drift.as_array().unwrap().len(), 1, "{drift}");
        assert_eq!((&drift[0]["name"], &drift[0]["effect"]), (&rule.into(), &effect.into()), "{drift}");
        let (code, said) = self.says(&["status"]);
        assert!(said.contains(&format!("{rule} until then, {effect}")), "{code:?}: {said}");
    }
}

const LB_TO_CLIENT: (&str, &str) = ("lb → client tcp 8080", "the load balancer cannot reach the frontends");
const CLIENT_TO_SERVER: (&str, &str) = ("client → server tcp 8090", "the frontends cannot reach the backends");

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_missing_is_told_by_verify_and_status_and_fixed_by_up() {
    let walk = Walk::up(Machine::new(), &[]);
    let groups = walk.groups().await;
    groups.revoke(&groups.client, Direction::In, &of_group("tcp", 8080, 8080, &groups.lb)).await;
    let (code, said) = walk.verify_until_it_fails();
    let (rule, effect) = LB_TO_CLIENT;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("504"), "{said}");
    assert!(said.contains(&format!("security group rule {rule} is missing: {effect}")), "{said}");
    assert_eq!(walk.json(&["status"])["healthy_targets"], 0);
    walk.is_told(rule, effect);

    walk.json(&["up"]);
    assert_eq!(walk.json(&["verify", "--requests", "50"])["same_zone_share"], 1.0);
    assert_eq!(walk.json(&["status"])["healthy_targets"], 6);

    groups.revoke(&groups.lb, Direction::In, &of_range("tcp", 80, 80, "0.0.0.0/0")).await;
    let (code, said) = walk.verify_until_it_fails();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not connected within 5 s") && said.contains("its security group lets no one in"), "{said}");
    walk.is_told("0.0.0.0/0 → lb tcp 80", "callers cannot reach the load balancer");
    walk.json(&["up", "--allow-cidr", "192.0.2.7/32"]);
    assert_eq!(walk.json(&["verify", "--requests", "50"])["same_zone_share"], 1.0);

    groups.revoke(&groups.lb, Direction::Out, &of_range("-1", 0, 0, "0.0.0.0/0")).await;
    let (code, said) = walk.verify_until_it_fails();
    assert_eq!(code, Some(1), "{said}");
    let told = format!("security group az-aware-routing-lb-sg outbound rules: none → some: {effect}");
    assert!(said.contains(&told), "{said}");
    walk.json(&["up", "--allow-cidr", "192.0.2.7/32"]);
    assert_eq!(walk.json(&["verify", "--requests", "50"])["same_zone_share"], 1.0);
    walk.json(&["down"]);
}

/// Runs the AWS CLI against the walkthrough's cloud.
fn aws(walk: &Walk, args: &[&str]) {
    let mut command = Command::new(peers::bin("aws").join("aws"));
    command.args(args).env_clear().env("HOME", walk.machine.path()).env("AWS_ENDPOINT_URL", &walk.endpoint_url);
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_DEFAULT_REGION", REGION);
    let output = command.env("AWS_PAGER", "").env("AWS_EC2_METADATA_DISABLED", "true").output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the AWS CLI and Envoy: tests/run.sh installs them"]
async fn the_aws_cli_takes_the_frontends_way_to_the_backends_with_either_proxy() {
    for proxy in ["zonewalk", "envoy"] {
        let machine = Machine::with("ENVOY_BIN", &crate::envoy_peer::binary());
        let walk = Walk::up(machine, &["--proxy", proxy]);
        let Groups { client, server, .. } = walk.groups().await;
        let revoke = ["ec2", "revoke-security-group-ingress", "--protocol", "tcp", "--port", "8090"];
        aws(&walk, &[&revoke[..], &["--group-id", &server, "--source-group", &client]].concat());
        let (code, said) = walk.verify_until_it_fails();
        let (rule, effect) = CLIENT_TO_SERVER;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("503"), "{said}");
        assert!(said.contains(&format!("security group rule {rule} is missing: {effect}")), "{said}");
        // The frontends answer health checks by themselves.
        assert_eq!(walk.json(&["status"])["healthy_targets"], 6);
        walk.is_told(rule, effect);

        // As soon as the rule is there again requests are answered; where they go is another matter, as long as the outlier
        // detectors keep hosts ejected.
        let up = walk.json(&["up"]);
        until(up["url"].as_str().unwrap(), UP, proxy).await;
        walk.json(&["down"]);
    }
}
