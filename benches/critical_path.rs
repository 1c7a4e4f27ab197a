//! How long `up` takes on a cloud that answers 100 ms late, against the longest chain of its stages: what waits for
//! nothing that it need not wait for takes no longer than that. Fails if `up` takes more than 1.3 times as long.
//! `cargo bench --profile dev --bench critical_path`

#![expect(clippy::print_stdout, reason = "what it measures is what it is for")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zonewalk::aws::Target;
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Options, Pace};
use zonewalk::events::{Event, Events};
use zonewalk::plan::{Kind, Step};
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::walkthrough::up;

const LATENCY_MS: u64 = 100;

/// What `up` may take, in critical paths: the difference is what runs beside on the same processor.
const MOST: f64 = 1.3;

/// What a run was seen to do.
#[derive(Default)]
struct Seen {
    /// Kind and ID or name, and how long it took.
    stages: Vec<(Kind, String, Duration)>,
    first_stage: Option<Instant>,
    group_made: Option<Instant>,
    instances_joined: Option<Instant>,
}

impl Seen {
    fn note(&mut self, event: Event) {
        match event {
            Event::StageStarted { .. } => {
                self.first_stage.get_or_insert_with(Instant::now);
            }
            Event::StageDone { kind, id, elapsed, .. } => {
                if kind == Kind::AutoScalingGroup {
                    self.group_made = Some(Instant::now());
                }
                self.stages.push((kind, id, elapsed));
            }
            // The last thing that is found of this step: the instances, in the cluster.
            Event::Found { step: Step::Instances, .. } if self.group_made.is_some() => {
                self.instances_joined = Some(Instant::now());
            }
            _ => {}
        }
    }

    /// The longest of a kind: they go on at the same time.
    fn longest(&self, kind: Kind) -> Duration {
        self.of(kind).max().unwrap_or_default()
    }

    fn of(&self, wanted: Kind) -> impl Iterator<Item = Duration> {
        self.stages.iter().filter(move |(kind, ..)| *kind == wanted).map(|(.., elapsed)| *elapsed)
    }

    fn service(&self, part: &str) -> Duration {
        let mut services = self.stages.iter().filter(|(kind, id, _)| *kind == Kind::Service && id.contains(part));
        services.next().map(|(.., elapsed)| *elapsed).unwrap_or_default()
    }

    /// As `walkthrough::up` has it: what needs what.
    fn critical_path(&self, began: Instant) -> Duration {
        let examination = self.first_stage.map_or(Duration::ZERO, |first| first - began);
        let groups = self.longest(Kind::SecurityGroup) + self.longest(Kind::SecurityGroupRule);
        let joining = self.instances_joined.zip(self.group_made).map_or(Duration::ZERO, |(joined, made)| joined - made);
        let chain = [Kind::Namespace, Kind::Cluster, Kind::LaunchTemplate, Kind::AutoScalingGroup];
        let instances = chain.map(|kind| self.longest(kind)).iter().sum::<Duration>() + joining;
        let tasks = self.longest(Kind::LogGroup) + self.longest(Kind::TaskDefinition);
        let backend = instances.max(tasks) + self.service("backend");
        let entrance =
            self.longest(Kind::LoadBalancer).max(self.longest(Kind::TargetGroup)) + self.longest(Kind::Listener);
        examination + groups + backend.max(entrance) + self.service("-fe-")
    }
}

/// How many times its critical path `up` takes.
async fn measure(pace: Pace) -> f64 {
    let late = Fault { milliseconds: Some(LATENCY_MS), ..Fault::new(FaultKind::Delay) };
    let faults = Faults { faults: vec![late], ..Faults::default() };
    let cloud = LocalCloud::start(Options { pace, faults, ..Options::default() }).await.expect("a free port");
    let clients = Target::local(&cloud.endpoint_url(), "us-east-1").connect().await.expect("an endpoint and a region");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let noting = Arc::clone(&seen);
    let events = Events::new(move |event| noting.lock().expect("no event panics").note(event));
    let ctx = Context::new(clients, Settings::default(), events, CancellationToken::new());
    let began = Instant::now();
    up(&ctx).await.expect("a local cloud that is only late");
    let took = began.elapsed();
    cloud.shutdown().await;
    let seen = seen.lock().expect("no event panics");
    let path = seen.critical_path(began);
    let all: Duration = seen.stages.iter().map(|(.., elapsed)| *elapsed).sum();
    let ratio = took.as_secs_f64() / path.as_secs_f64();
    println!(
        "{pace:?}: up {:.2} s, critical path of its stages {:.2} s, ratio {ratio:.2}; all stages one after the other {:.2} s",
        took.as_secs_f64(),
        path.as_secs_f64(),
        all.as_secs_f64()
    );
    ratio
}

#[tokio::main]
async fn main() -> ExitCode {
    println!("each answer {LATENCY_MS} ms late");
    let ratios = [measure(Pace::Instant).await, measure(Pace::Fast).await];
    if ratios.iter().any(|ratio| *ratio > MOST) {
        println!("up takes more than {MOST} times its critical path");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
