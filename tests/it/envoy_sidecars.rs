//! Real Envoys as the tasks' proxies: the same journey, the same routing, and an end to each of them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_ecs::types::{DesiredStatus, TaskStopCode};
use serde_json::Value;
use zonewalk::aws::{Clients, Target};
use zonewalk::cloud::{LocalCloud, Options, Pace};
use zonewalk::mesh::topology::Task;
use zonewalk::mesh::{Binary, Proxies};
use zonewalk::routing::{CounterSnapshot, Topology, predict};
use zonewalk::settings::Settings;
use zonewalk::walkthrough::up;

use crate::agreement::{Judge, Observation, growth};
use crate::envoy_peer;
use crate::journey::total;
use crate::machine::Machine;
use crate::mesh_stage::{Stage, ZONES, backend, frontend};
use crate::processes::records;
use crate::support::{REGION, context, settings};

/// A machine that has an Envoy.
fn machine() -> Machine {
    Machine::with("ENVOY_BIN", &envoy_peer::binary())
}

/// The same for meshes in this process.
pub(crate) fn envoys() -> Proxies {
    Proxies::Envoy(Binary::at(&envoy_peer::binary()).unwrap())
}

/// No request of theirs would be in the logs, which would then contradict the answers.
#[tokio::test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn access_logs_of_real_envoys_are_refused() {
    let cloud =
        LocalCloud::start(Options { pace: Pace::Instant, proxies: envoys(), ..Options::default() }).await.unwrap();
    let ctx = context(&cloud, Settings { access_logs: Some(true), ..settings() }).await;
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("does not support access logs of real Envoys"), "{error}");
    cloud.shutdown().await;
}

/// What both proxies are to have in common of a whole walkthrough.
#[tokio::test]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn the_same_journey_with_either_proxy() {
    let journeys = ["zonewalk", "envoy"].map(|proxy| {
        let machine = machine();
        let all = machine.json(&["walkthrough", "--local", "--proxy", proxy, "--output", "json"]);
        assert_eq!(processes(&machine), Vec::<String>::new());
        all
    });
    let grown = journeys.each_ref().map(|all| {
        assert_eq!(all["stats"]["proxies"].as_array().unwrap().len(), 6);
        let growth = all["stats"]["totals"]["growth"].as_object().unwrap();
        let grown = growth.iter().filter(|(_, by)| **by != 0);
        grown.map(|(name, by)| (name.clone(), by.as_u64().unwrap())).collect::<BTreeMap<_, _>>()
    });
    assert_eq!(grown[0], BTreeMap::from([("lb_zone_routing_all_directly".to_owned(), 200)]));
    assert_eq!(grown[0], grown[1]);

    for all in &journeys {
        assert_eq!((&all["failover"]["errors"], &all["stats"]["verdict"]), (&Value::from(0), &Value::from("pass")));
        let phases = all["failover"]["phases"].as_array().unwrap();
        let direct = [&all["verify"], &phases[0], &phases[4]];
        for phase in direct {
            assert_eq!((&phase["same_zone_share"], total(&phase["matrix"])), (&Value::from(1.0), 200), "{phase}");
            // The load balancer takes frontends in turn, and each zone has two of six.
            assert!(by_backend(phase).into_values().all(|requests| (66..=68).contains(&requests)), "{phase}");
        }
        // Without zones, each frontend's proxy takes the two backends in turn: six proxies are off by one each at most.
        assert_eq!(phases[2]["as_predicted"], true, "{}", phases[2]);
        let with_backends = by_backend(&phases[2]).into_values().filter(|requests| *requests > 0);
        assert_eq!(with_backends.filter(|requests| (94..=106).contains(requests)).count(), 2, "{}", phases[2]);
    }
}

fn by_backend(phase: &Value) -> BTreeMap<&str, u64> {
    let mut requests = BTreeMap::new();
    for cell in phase["matrix"].as_array().unwrap() {
        *requests.entry(cell["backend"].as_str().unwrap()).or_default() += cell["requests"].as_u64().unwrap();
    }
    requests
}

/// Backends that are not spread as the frontends are, so that a zone's requests must leave it by draw. What is drawn is held
/// against the same prediction for both proxies, with [`Judge`]'s false-alarm rate of less than 1e-6.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn uneven_zones_are_shared_alike_by_either_proxy() {
    const REQUESTS: u32 = 1_500;
    const BACKENDS: [u32; 3] = [1, 3, 4];
    let of_zone = |zone: usize| (0..BACKENDS[zone]).map(move |number| backend(3 * number + zone as u32));
    let tasks = || (0..3).flat_map(of_zone).chain((0..6).map(frontend));
    let by_zone = |tasks: [u32; 3]| ZONES.iter().map(|zone| (*zone).to_owned()).zip(tasks).collect::<BTreeMap<_, _>>();

    let mut judge = Judge::default();
    for (name, proxies) in [("zonewalk", Proxies::Zonewalk), ("envoy", envoys())] {
        let stage = Stage::of(proxies, tasks()).await;
        let before = ZONES.map(|zone| counters(&stage, zone));
        let matrix = stage.matrix(REQUESTS).await;
        for (zone, before) in ZONES.iter().zip(before) {
            let topology = Topology::healthy(zone, &by_zone([2; 3]), &by_zone(BACKENDS));
            let row = matrix.iter().filter(|((from, _), _)| from == zone);
            let zone_requests: BTreeMap<_, _> = row.map(|((_, to), count)| (to.clone(), u64::from(*count))).collect();
            let requests = zone_requests.values().sum();
            let counters = growth(&before, &counters(&stage, zone));
            let seen = Observation { requests, zone_requests, failed: 0, counters };
            judge.same(&format!("{name}, from {zone}: its turn"), u64::from(REQUESTS / 3), requests);
            judge.compare(&format!("{name}, from {zone}"), &topology, &predict(&topology), &seen);
        }
        stage.mesh.shutdown().await;
    }
    judge.verdict();
}

/// Of the frontends' proxies in a zone.
fn counters(stage: &Stage, zone: &str) -> CounterSnapshot {
    let of_zone = |task: &&Task| task.family == "fe" && task.az_id == zone;
    let tasks: Vec<&Task> = stage.topology.tasks.iter().filter(of_zone).collect();
    let sum = |name: &str| tasks.iter().map(|task| stage.counter_of(task, name)).sum::<u64>();
    let sums: serde_json::Map<String, Value> =
        CounterSnapshot::default().iter().map(|(name, _)| (name.to_owned(), sum(name).into())).collect();
    serde_json::from_value(sums.into()).unwrap()
}

/// A process of its own, so that it can be interrupted and killed.
struct Cloud {
    process: Child,
    clients: Clients,
}

impl Cloud {
    async fn serve(machine: &Machine) -> Self {
        let serve = ["local", "serve", "--listen", "127.0.0.1:0", "--proxy", "envoy", "--output", "json"];
        let mut process = machine.command(&serve).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let record = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let url =
            record.filter_map(|line| Some(line.split_once("endpoint_url\": \"")?.1.split('"').next()?.to_owned()));
        let url = url.into_iter().next().expect("it says where it listens");
        Self { process, clients: Target::local(&url, REGION).connect().await.unwrap() }
    }

    fn signal(&self, signal: &str) {
        kill(self.process.id(), signal);
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn kill(process: u32, signal: &str) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

/// What runs for the machine's Envoys, by the directories in the arguments: themselves, and who watches them.
fn processes(machine: &Machine) -> Vec<String> {
    let all = Command::new("ps").args(["-A", "-ww", "-o", "pid=,args="]).output().unwrap();
    let all = String::from_utf8(all.stdout).unwrap();
    let path = machine.path().to_str().unwrap();
    all.lines().filter(|line| line.contains(path) && line.contains("--config-path")).map(str::to_owned).collect()
}

/// Process IDs.
fn envoys_of(machine: &Machine) -> Vec<u32> {
    let processes = processes(machine);
    let envoys = processes.iter().filter(|line| !line.contains("sh -c "));
    envoys.map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect()
}

async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..3_000 {
        if let Some(seen) = look().await {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came to this: {what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn an_envoy_that_dies_takes_its_task_along_and_none_outlives_the_cloud() {
    let machine = machine();
    let mut cloud = Cloud::serve(&machine).await;
    let up = machine.zonewalk(&["up", "--local", "--task-count", "1"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let other = machine.zonewalk(&["up", "--local", "--proxy", "zonewalk"]);
    assert_eq!(other.status.code(), Some(2), "{}", String::from_utf8_lossy(&other.stderr));

    let before = envoys_of(&machine);
    assert_eq!(before.len(), 2);
    kill(before[0], "-KILL");
    let cluster = "az-aware-cluster-ec2";
    let ecs = &cloud.clients.ecs;
    let stopped = eventually("a task has stopped", async || {
        let stopped = ecs.list_tasks().cluster(cluster).desired_status(DesiredStatus::Stopped).send().await.unwrap();
        stopped.task_arns().first().cloned()
    });
    let stopped = ecs.describe_tasks().cluster(cluster).tasks(stopped.await).send().await.unwrap();
    let stopped = &stopped.tasks()[0];
    assert_eq!(stopped.stop_code(), Some(&TaskStopCode::EssentialContainerExited), "{stopped:?}");
    let exited = stopped.containers().iter().find(|container| container.exit_code().is_some()).unwrap();
    assert!(exited.name().unwrap().starts_with("ecs-service-connect-"), "{exited:?}");
    assert!(exited.reason().unwrap().starts_with("Envoy exited: signal: 9"), "{exited:?}");
    eventually("another Envoy for another task", async || {
        let now = envoys_of(&machine);
        (now.len() == 2 && !now.contains(&before[0])).then_some(())
    })
    .await;

    cloud.signal("-INT");
    assert!(cloud.process.wait().unwrap().success());
    assert_eq!(processes(&machine), Vec::<String>::new());
    assert_eq!(records(machine.path()), Vec::<String>::new());

    // Killed, it can stop nothing itself.
    let cloud = Cloud::serve(&machine).await;
    let up = machine.zonewalk(&["up", "--local", "--task-count", "1"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    assert_eq!(envoys_of(&machine).len(), 2);
    cloud.signal("-KILL");
    eventually("no Envoy is left", async || processes(&machine).is_empty().then_some(())).await;
    // It could not take its record away either, which names a process that is gone.
    std::fs::remove_file(machine.path().join("local.json")).unwrap();
}
