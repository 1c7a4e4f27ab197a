//! What a request through the local mesh costs: load balancer, frontend's sidecar and application, sidecar again, backend's
//! sidecar and application. Clients with keep-alive connections send the article's request for a while; told are requests
//! a second, and microseconds of processor time a request, the clients' included.
//! `cargo bench --profile dev --bench mesh` (arguments: connections, seconds; Linux tells the processor time).

#![expect(clippy::print_stdout, reason = "what it measures is what it is for")]

use std::collections::BTreeSet;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::time::Instant;
use zonewalk::mesh::topology::{
    ClientAlias, HealthCheck, LOAD_BALANCERS_PATIENCE, LoadBalancer, PROXYS_PATIENCE, Service, ServiceConnect, Target,
    TargetGroup, Task, Topology, Upstream,
};
use zonewalk::mesh::transport::Transport;
use zonewalk::mesh::{Mesh, Proxies, TargetHealth};

type AnyError = Box<dyn Error + Send + Sync>;

const REGION: &str = "us-east-1";
const ZONES: [&str; 3] = ["use1-az1", "use1-az2", "use1-az4"];
const LOAD_BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/lb/50dc6c495c0c9188";
const TARGET_GROUP: &str = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/tg/73e2d6bc24d8a067";
const TASKS_OF_A_SERVICE: u8 = 6;

/// Before it is measured: connections are opened, and the sidecars' pools filled.
const WARM_UP: Duration = Duration::from_secs(1);

/// The article's services.
#[derive(Clone, Copy)]
enum Part {
    Frontend,
    Backend,
}

impl Part {
    fn task(self, number: u8) -> Task {
        let backend = "sc-test-az-aware-backend".to_owned();
        let (family, subnet, port, discovery_name, upstreams, routes) = match self {
            Self::Frontend => {
                let alias = ClientAlias { dns_name: "sc.test.az.aware.backend".to_owned(), port: 8090 };
                let upstreams = vec![Upstream { discovery_name: backend, alias, transport: Transport::default() }];
                let routes =
                    r#"[{"match":"product","destination":"http://sc.test.az.aware.backend:8090","method":"Egress"}]"#;
                ("fe", 1, 8080, "sc-test-az-aware-fe".to_owned(), upstreams, routes)
            }
            Self::Backend => ("backend", 2, 8090, backend, vec![], "[]"),
        };
        Task {
            arn: format!("arn:aws:ecs:{REGION}:000000000000:task/cluster/{family}{number}"),
            family: family.to_owned(),
            service: Some(format!("{family}-service")),
            region: REGION.to_owned(),
            az_id: ZONES[usize::from(number) % ZONES.len()].to_owned(),
            private_ip: Ipv4Addr::new(172, 31, subnet, number),
            host_ports: None,
            command: ["server", &format!("-port={port}"), "-protocol=http", &format!("-routes={routes}")]
                .map(str::to_owned)
                .to_vec(),
            plain_ports: vec![],
            service_connect: Some(ServiceConnect {
                namespace: "ns".to_owned(),
                services: vec![Service {
                    discovery_name,
                    container_port: port,
                    aliases: vec![],
                    transport: Transport::default(),
                }],
                upstreams,
                patience: PROXYS_PATIENCE,
                logs_accesses: false,
            }),
            draining: false,
            blocked: BTreeSet::new(),
            failing: false,
            zone_aware: true,
        }
    }
}

/// A mesh whose targets are all healthy, and its load balancer's address.
async fn start() -> Result<(Mesh, SocketAddr), AnyError> {
    let mesh = Mesh::new(Handle::current(), Proxies::Zonewalk);
    let address = mesh.open_load_balancer(LOAD_BALANCER)?;
    let of = |part: Part| (0..TASKS_OF_A_SERVICE).map(move |number| part.task(number));
    let target = |task: Task| Target { ip: task.private_ip, port: 8080, in_service: true, blocked: false };
    let targets: Vec<_> = of(Part::Frontend).map(target).collect();
    mesh.apply(&Topology {
        tasks: of(Part::Backend).chain(of(Part::Frontend)).collect(),
        load_balancers: vec![LoadBalancer {
            arn: LOAD_BALANCER.to_owned(),
            target_group: Some(TargetGroup {
                arn: TARGET_GROUP.to_owned(),
                targets: targets.clone(),
                health_check: HealthCheck { path: "/ping".to_owned(), ..HealthCheck::default() },
            }),
            blocked: false,
            patience: LOAD_BALANCERS_PATIENCE,
        }],
    })?;
    let healthy =
        |target: &Target| mesh.target_health(TARGET_GROUP, target.ip, target.port) == Some(TargetHealth::Healthy);
    while !targets.iter().all(healthy) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok((mesh, address))
}

/// Sends one request after the other until `end`; how many were answered.
async fn send(load_balancer: SocketAddr, end: Instant) -> Result<u64, AnyError> {
    let request = format!("GET / HTTP/1.1\r\nhost: {load_balancer}\r\nazawarerouting: true\r\n\r\n");
    let mut connection = TcpStream::connect(load_balancer).await?;
    connection.set_nodelay(true)?;
    let (mut answered, mut read) = (0, Vec::with_capacity(4096));
    while Instant::now() < end {
        connection.write_all(request.as_bytes()).await?;
        read.clear();
        while !is_whole(&read) {
            if connection.read_buf(&mut read).await? == 0 {
                return Err("the load balancer closed the connection".into());
            }
        }
        if !read.starts_with(b"HTTP/1.1 200 ") {
            return Err(String::from_utf8_lossy(&read).into());
        }
        answered += 1;
    }
    Ok(answered)
}

/// Whether an answer is there to its end: the application's is one JSON object.
fn is_whole(answer: &[u8]) -> bool {
    answer.ends_with(b"}") || answer.ends_with(b"\n") && !answer.starts_with(b"HTTP/1.1 200 ")
}

/// The load of so many connections for a while: requests answered.
async fn load(load_balancer: SocketAddr, connections: u32, lasting: Duration) -> Result<u64, AnyError> {
    let end = Instant::now() + lasting;
    let clients: Vec<_> = (0..connections).map(|_| tokio::spawn(send(load_balancer, end))).collect();
    let mut answered = 0;
    for client in clients {
        answered += client.await??;
    }
    Ok(answered)
}

/// The processor time of this process, user's and system's; none where the system does not tell it so.
fn processor_time() -> Option<Duration> {
    /// `USER_HZ`, which Linux has fixed for programs.
    const TICK: Duration = Duration::from_millis(10);
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in brackets; `utime` and `stime` are the 14th and 15th.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * (ticks()? + ticks()?))
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let numbers: Vec<u32> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let connections = numbers.first().copied().unwrap_or(16);
    let lasting = Duration::from_secs(numbers.get(1).copied().unwrap_or(5).into());
    let (mesh, load_balancer) = start().await?;
    load(load_balancer, connections, WARM_UP.min(lasting)).await?;
    let (before, began) = (processor_time(), Instant::now());
    let answered = load(load_balancer, connections, lasting).await?;
    let took = began.elapsed().as_secs_f64();
    print!("{connections} connections: {:.0} requests a second, ", answered as f64 / took);
    match before.zip(processor_time()) {
        Some((before, after)) => {
            let micros = (after - before).as_secs_f64() * 1e6 / answered as f64;
            println!("{micros:.1} µs of processor time a request");
        }
        None => println!("and only Linux tells the processor time as it is read here"),
    }
    mesh.shutdown().await;
    Ok(())
}
