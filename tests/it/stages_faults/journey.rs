//! One way through the three phases, and what has to stand after each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_ec2::types::{RequestLaunchTemplateData, ResourceType, TagSpecification};
use aws_sdk_ecs::types::ContainerDefinition;
use aws_sdk_elasticloadbalancingv2::types::{ProtocolEnum, TargetTypeEnum};
use tokio_util::sync::CancellationToken;
use zonewalk::aws::{Clients, Retries, Target};
use zonewalk::cloud::{FaultKind, Faults, LocalCloud, Observer, Options, Pace};
use zonewalk::report::events::Events;
use zonewalk::settings::{OWNER_TAG, Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use super::cases::{self, Calls, Case};
use crate::support::{self, inventory};

/// What stands after each phase.
pub(super) struct Expected([Vec<String>; 3]);

pub(super) struct Journey<'a> {
    pub(super) cases: &'a [Case],
    pub(super) expected: &'a Expected,
}

pub(super) struct Done {
    /// For each case whether its fault was met.
    pub(super) met: Vec<bool>,
    pub(super) repetitions: usize,
}

/// Each journey is in the next one. The SDK keeps one account of retries for all clients of a region in a process, and so
/// many journeys at once would overdraw it, which a walkthrough by itself does not.
const REGIONS: [&str; 12] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "sa-east-1",
];

/// A cloud with resources beside ours, and the walkthrough's settings before and after.
struct World {
    cloud: LocalCloud,
    region: &'static str,
    clients: Clients,
    before: Context,
    after: Context,
}

/// One task a service: less to start, and the calls are the same.
fn small(count: u32) -> Settings {
    let task_count = TaskCount::new(count).unwrap();
    Settings { task_count, timeout: Duration::from_secs(40), ..support::settings() }
}

impl World {
    async fn new(observer: Option<Observer>) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let region = REGIONS[STARTED.fetch_add(1, Ordering::Relaxed) % REGIONS.len()];
        let options = Options { pace: Pace::Instant, observer, ..Options::default() };
        let cloud = LocalCloud::start(options).await.unwrap();
        let retries = Retries { first_pause: Duration::from_millis(1), ..Retries::default() };
        let target = Target { retries, ..Target::local(&cloud.endpoint_url(), region) };
        let clients = target.connect().await.unwrap();
        make_neighbours(&clients).await;
        let context = |settings| Context::new(clients.clone(), settings, Events::silent(), CancellationToken::new());
        let changed = Settings {
            allow_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
            image: "another/image:1".to_owned(),
            ..small(2)
        };
        let (before, after) = (context(small(1)), context(changed));
        Self { cloud, region, clients, before, after }
    }

    /// The same in every region.
    async fn inventory(&self) -> Vec<String> {
        inventory(&self.clients).await.iter().map(|line| line.replace(self.region, "zone ")).collect()
    }

    async fn phase(&self, phase: usize) -> Result<(), String> {
        match phase {
            0 => up(&self.before).await.map(drop).map_err(|error| error.to_string()),
            1 => up(&self.after).await.map(drop).map_err(|error| error.to_string()),
            _ => match down(&self.after).await {
                Ok(down) if down.leftovers.is_empty() => Ok(()),
                Ok(down) => Err(format!("{:?}", down.leftovers)),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

impl Expected {
    /// Also the calls that each phase makes.
    pub(super) async fn of_a_clean_journey() -> (Self, Calls) {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let sink = Arc::clone(&seen);
        let observer: Observer = Arc::new(move |exchange| {
            sink.lock().unwrap().push(format!("{}:{}", exchange.service, exchange.operation));
        });
        let world = World::new(Some(observer)).await;
        let neighbours = world.inventory().await;
        let (mut stands, mut calls) = (vec![], vec![]);
        for phase in 0..3 {
            seen.lock().unwrap().clear();
            world.phase(phase).await.unwrap();
            calls.push(std::mem::take(&mut *seen.lock().unwrap()));
            stands.push(world.inventory().await);
        }
        assert_eq!(stands[2], neighbours, "down leaves just the neighbours");
        assert_ne!(stands[0], stands[1], "the second phase has something to mend");
        world.cloud.shutdown().await;
        (Self(stands.try_into().unwrap()), calls.try_into().unwrap())
    }
}

impl Journey<'_> {
    pub(super) async fn go(&self) -> Result<Done, String> {
        let world = World::new(None).await;
        let done = self.phases(&world).await;
        world.cloud.shutdown().await;
        done
    }

    async fn phases(&self, world: &World) -> Result<Done, String> {
        let mut done = Done { met: vec![false; self.cases.len()], repetitions: 0 };
        for phase in 0..3 {
            let (numbers, cases): (Vec<usize>, Vec<&Case>) =
                self.cases.iter().enumerate().filter(|(_, case)| case.phase == phase).unzip();
            // Each of those that end a run may end one.
            let allowed = cases.iter().filter(|case| case.ends_a_run()).count();
            let loses = cases.iter().any(|case| case.fault.kind == FaultKind::LoseInstance);
            world.cloud.set_faults(Faults { seed: 1, faults: cases::armed(&cases, world.region) });
            let mut repetitions = 0;
            while let Err(reason) = world.phase(phase).await {
                repetitions += 1;
                if repetitions > allowed {
                    return Err(format!("phase {phase} ends with {reason}"));
                }
            }
            let report = world.cloud.faults();
            for (n, rule) in numbers.into_iter().zip(report["fault"].as_array().unwrap()) {
                done.met[n] = rule["struck"].as_u64().unwrap() > 0;
            }
            world.cloud.set_faults(Faults::default());
            done.repetitions += repetitions;
            if loses && phase < 2 {
                // Lost after it had been looked at: the repetition waits for its successor.
                world.phase(phase).await.map_err(|reason| format!("repeated phase {phase} ends with {reason}"))?;
            }
            let (mut expected, mut stands) = (self.expected.0[phase].clone(), world.inventory().await);
            if self.cases.iter().any(|case| case.fault.kind == FaultKind::NoCapacity) {
                // So few instances are even enough elsewhere.
                [&mut expected, &mut stands].into_iter().flatten().for_each(forget_zone);
            }
            if stands != expected {
                return Err(format!("phase {phase} leaves {}", difference(&expected, &stands)));
            }
        }
        world.clients.iam.get_role().role_name(ROLE).send().await.map_err(|_| "the neighbour's role is gone")?;
        Ok(done)
    }
}

fn forget_zone(line: &mut String) {
    if line.starts_with("instance ") {
        "an instance".clone_into(line);
    }
}

fn difference(expected: &[String], stands: &[String]) -> String {
    let count = |lines: &[String], line: &String| lines.iter().filter(|other| *other == line).count();
    let mut all: Vec<_> = expected.iter().chain(stands).collect();
    all.sort();
    all.dedup();
    let differs = all.into_iter().filter(|line| count(expected, line) != count(stands, line));
    differs
        .map(|line| format!("{} instead of {}: {line}", count(stands, line), count(expected, line)))
        .collect::<Vec<_>>()
        .join("; ")
}

const ROLE: &str = "ecsInstanceRole-other";
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": []}"#;

/// Resources with names that ours begin, or of another walkthrough.
async fn make_neighbours(clients: &Clients) {
    let Clients { ec2, ecs, elbv2, iam, logs, servicediscovery, .. } = clients;
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id().unwrap().to_owned();
    let names = support::settings().name.resources();
    let other = |name: &str| format!("{name}-o");
    let tag = aws_sdk_ec2::types::Tag::builder().key(OWNER_TAG).value("az-aware-o").build();
    let group = ec2.create_security_group().group_name(other(&names.server_security_group)).description("-");
    let tags = TagSpecification::builder().resource_type(ResourceType::SecurityGroup).tags(tag).build();
    group.vpc_id(&vpc).tag_specifications(tags).send().await.unwrap();
    let data = RequestLaunchTemplateData::builder().instance_type("t3.medium".into()).build();
    let template = ec2.create_launch_template().launch_template_name(other(&names.launch_template));
    template.launch_template_data(data).send().await.unwrap();
    ecs.create_cluster().cluster_name(other(&names.cluster)).send().await.unwrap();
    let container = ContainerDefinition::builder().name("x").image("y").memory(64).build();
    let family = ecs.register_task_definition().family(other(&names.backend.service));
    family.container_definitions(container).send().await.unwrap();
    logs.create_log_group().log_group_name(other(&names.backend.log_group)).send().await.unwrap();
    let target_group = elbv2.create_target_group().name(other(&names.target_group)).vpc_id(&vpc).port(80);
    target_group.protocol(ProtocolEnum::Http).target_type(TargetTypeEnum::Ip).send().await.unwrap();
    servicediscovery.create_http_namespace().name(other(&names.namespace)).send().await.unwrap();
    iam.create_role().role_name(ROLE).assume_role_policy_document(TRUST).send().await.unwrap();
}
