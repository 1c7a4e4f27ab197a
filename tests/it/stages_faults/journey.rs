//! One way through the three phases, and what has to stand after each.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use zonewalk::aws::{Clients, Retries, Target};
use zonewalk::cloud::{Fault, FaultKind, Faults, LocalCloud, Observer, Options, Pace};
use zonewalk::events::Events;
use zonewalk::settings::{Settings, TaskCount};
use zonewalk::stages::Context;
use zonewalk::walkthrough::{down, up};

use super::cases::{self, Calls, Case};
use super::{neighbours, spoiling};
use crate::inventory::resources;
use crate::support;

/// What stands after each phase.
pub(super) struct Expected([Vec<String>; 3]);

pub(super) struct Journey<'a> {
    pub(super) cases: &'a [Case],
    pub(super) expected: &'a Expected,
    pub(super) worlds: &'a Worlds,
}

pub(super) struct Done {
    /// For each case whether its fault was met.
    pub(super) met: Vec<bool>,
    pub(super) repetitions: usize,
}

/// Each world is in the next one. The SDK keeps one account of retries for all clients of a region in a process, and so
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

/// Where everything has our names.
const FAR_REGION: &str = "ca-central-1";

/// Allows everything. With it the caller is a role, whose permissions are looked at, and not the account's root.
const ADMINISTRATOR: &str =
    r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;

/// An account without the roles that the article takes for granted, with resources beside ours.
pub(super) struct World {
    cloud: LocalCloud,
    pub(super) region: &'static str,
    /// Of our region, and of the one where everything has our names.
    pub(super) near: Clients,
    pub(super) far: Clients,
    /// The machine image of our region.
    pub(super) image: String,
    /// With their IDs: all that stood before us in our region, and all in the other one.
    neighbours: [BTreeSet<String>; 2],
}

/// Those that a journey has left as it found them, for the next one: its neighbours cost as much as a journey.
#[derive(Default)]
pub(super) struct Worlds(Mutex<Vec<World>>);

impl Worlds {
    async fn take(&self) -> World {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match left {
            Some(world) => world,
            None => World::new(None).await,
        }
    }

    fn give_back(&self, world: World) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(world);
    }

    pub(super) async fn end(self) {
        for world in self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            world.cloud.shutdown().await;
        }
    }
}

/// One task a service: less to start, and the calls are the same.
pub(super) fn small(count: u32) -> Settings {
    let task_count = TaskCount::new(count).unwrap();
    Settings { task_count, timeout: Duration::from_secs(40), ..support::settings() }
}

/// What the second phase makes of the first one's.
fn changed() -> Settings {
    Settings {
        allow_cidrs: vec!["10.0.0.0/8".parse().unwrap()],
        image: "another/image:1".to_owned(),
        instance_type: "t3.large".to_owned(),
        ..small(2)
    }
}

pub(super) fn context(clients: &Clients, settings: Settings) -> Context {
    Context::new(clients.clone(), settings, Events::silent(), CancellationToken::new())
}

/// With its ID: another one in its place is another line.
async fn exactly(clients: &Clients) -> BTreeSet<String> {
    resources(clients).await.into_iter().map(|it| format!("{} ({})", it.description, it.id)).collect()
}

fn same<'a>(changed: impl Iterator<Item = &'a String>) -> Result<(), String> {
    let changed: Vec<_> = changed.map(String::as_str).collect();
    if changed.is_empty() { Ok(()) } else { Err(format!("neighbours are not as they were: {}", changed.join("; "))) }
}

impl World {
    async fn new(observer: Option<Observer>) -> Self {
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let region = REGIONS[STARTED.fetch_add(1, Ordering::Relaxed) % REGIONS.len()];
        let policy = Some(ADMINISTRATOR.to_owned());
        let options = Options { pace: Pace::Instant, bare_account: true, policy, observer, ..Options::default() };
        let cloud = LocalCloud::start(options).await.unwrap();
        let retries = Retries { first_pause: Duration::from_millis(1), ..Retries::default() };
        let clients = async |region| {
            let target = Target { retries, ..Target::local(&cloud.endpoint_url(), region) };
            target.connect().await.unwrap()
        };
        let (near, far) = (clients(region).await, clients(FAR_REGION).await);
        let image = near.ssm.get_parameter().name(format!("{}/image_id", Settings::default().ami_parameter));
        let image = image.send().await.unwrap().parameter.unwrap().value.unwrap();
        let mut world = Self { cloud, region, near, far, image, neighbours: Default::default() };
        // An instance that is lost in the first zone is ours.
        let zone = Some(format!("{region}a"));
        let faults = vec![Fault { zone, ..Fault::new(FaultKind::NoCapacity) }];
        world.cloud.set_faults(Faults { seed: 1, faults });
        neighbours::make(&world).await;
        world.cloud.set_faults(Faults::default());
        world.neighbours = [exactly(&world.near).await, exactly(&world.far).await];
        world
    }

    /// What stands in our region, the same in every one; or what of the neighbours there is not as it was.
    async fn look(&self) -> Result<Vec<String>, String> {
        let near = resources(&self.near).await;
        let is = near.iter().map(|it| format!("{} ({})", it.description, it.id)).collect();
        same(self.neighbours[0].difference(&is))?;
        let plain = |line: String| line.replace(self.region, "zone ").replace(&self.image, "the image");
        let mut lines: Vec<_> = near.into_iter().map(|it| plain(it.description)).collect();
        lines.sort();
        Ok(lines)
    }

    /// Whether in the other region all is as it was. Who changes something there does not change it back, so that this is
    /// looked at once.
    async fn look_far(&self) -> Result<(), String> {
        same(self.neighbours[1].symmetric_difference(&exactly(&self.far).await))
    }

    /// A run, as a process of its own would do it: what was before it is history.
    async fn run(&self, phase: usize) -> Result<(), String> {
        let settings = if phase == 0 { small(1) } else { changed() };
        let ctx = context(&self.near, settings);
        match phase {
            0 | 1 => up(&ctx).await.map(drop).map_err(|error| error.to_string()),
            _ => match down(&ctx).await {
                Ok(down) if down.leftovers.is_empty() => Ok(()),
                Ok(down) => Err(format!("{:?}", down.leftovers)),
                Err(error) => Err(error.to_string()),
            },
        }
    }

    /// What happens between two phases: others meddle with what is ours.
    async fn before(&self, phase: usize) {
        match phase {
            1 => spoiling::what_up_mends(self).await,
            2 => spoiling::what_down_finds(self).await,
            _ => {}
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
        let neighbours = world.look().await.unwrap();
        let (mut stands, mut calls) = (vec![], vec![]);
        for phase in 0..3 {
            world.before(phase).await;
            seen.lock().unwrap().clear();
            world.run(phase).await.unwrap();
            calls.push(std::mem::take(&mut *seen.lock().unwrap()));
            stands.push(world.look().await.unwrap());
        }
        world.look_far().await.unwrap();
        assert_eq!(stands[2], neighbours, "down leaves just the neighbours");
        assert_ne!(stands[0], stands[1], "the second phase has something to mend");
        world.cloud.set_faults(Faults { seed: 1, faults: cases::shortages(world.region) });
        seen.lock().unwrap().clear();
        world.run(0).await.unwrap();
        let waiting = std::mem::take(&mut *seen.lock().unwrap());
        world.cloud.shutdown().await;
        (Self(stands.try_into().unwrap()), Calls { phases: calls.try_into().unwrap(), waiting })
    }
}

impl Journey<'_> {
    pub(super) async fn go(&self) -> Result<Done, String> {
        let world = self.worlds.take().await;
        let done = self.phases(&world).await;
        match done {
            Ok(_) => self.worlds.give_back(world),
            Err(_) => world.cloud.shutdown().await,
        }
        done
    }

    async fn phases(&self, world: &World) -> Result<Done, String> {
        let mut done = Done { met: vec![false; self.cases.len()], repetitions: 0 };
        for phase in 0..3 {
            let (numbers, cases): (Vec<usize>, Vec<&Case>) =
                self.cases.iter().enumerate().filter(|(_, case)| case.phase == phase).unzip();
            // Each of those that end a run may end one.
            let allowed = cases.iter().filter(|case| case.ends_a_run()).count();
            let loses = cases.iter().any(|case| case.fault.kind == FaultKind::LoseInstance || case.waiting);
            world.before(phase).await;
            world.cloud.set_faults(Faults { seed: 1, faults: cases::armed(&cases, world.region) });
            let mut repetitions = 0;
            while let Err(reason) = world.run(phase).await {
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
                world.run(phase).await.map_err(|reason| format!("repeated phase {phase} ends with {reason}"))?;
            }
            let stands = world.look().await.map_err(|reason| format!("after phase {phase} {reason}"))?;
            let (mut expected, mut stands) = (self.expected.0[phase].clone(), stands);
            if self.cases.iter().any(Case::moves_instances) {
                // So few instances are even enough elsewhere.
                [&mut expected, &mut stands].into_iter().flatten().for_each(forget_zone);
            }
            let differs = difference(&expected, &stands);
            if !differs.is_empty() {
                return Err(format!("phase {phase} leaves {differs}"));
            }
        }
        world.look_far().await?;
        Ok(done)
    }
}

fn forget_zone(line: &mut String) {
    if line.starts_with("instance ") {
        line.truncate(line.rfind(" in ").unwrap_or(line.len()));
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
