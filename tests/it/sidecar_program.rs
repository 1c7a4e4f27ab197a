//! `local sidecar`: the sidecar as a process beside plain applications, while its file changes under traffic.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::machine::Machine;
use crate::stub_host::{Manner, OK, Stub};

const ALIAS: &str = "backend:8090";

/// A sidecar that runs, with one upstream.
pub(crate) struct Program {
    machine: Machine,
    process: Child,
    outbound: SocketAddr,
    pub(crate) inbound: Vec<SocketAddr>,
    pub(crate) tcp: Vec<SocketAddr>,
    admin: PathBuf,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A configuration with these endpoints of the one upstream: address, zone, health.
fn config(application: SocketAddr, endpoints: &[(SocketAddr, &str, &str)]) -> String {
    let mut text = format!(
        "zone = \"use1-az1\"\nadmin = \"admin.sock\"\noutbound = \"127.0.0.1:0\"\n\
         inbound = [{{ listen = \"127.0.0.1:0\", application = \"{application}\" }}]\n\
         local = {{ use1-az1 = 1, use1-az2 = 1 }}\nruntime = {{ \"upstream.zone_routing.min_cluster_size\" = 1 }}\n\
         [[upstream]]\nname = \"backend.ns\"\naliases = [\"{ALIAS}\"]\n"
    );
    for (address, zone, health) in endpoints {
        text += &format!("[[upstream.endpoint]]\naddress = \"{address}\"\nzone = \"{zone}\"\nhealth = \"{health}\"\n");
    }
    text
}

impl Program {
    pub(crate) fn start(config: &str) -> Self {
        let machine = Machine::new();
        std::fs::write(machine.path().join("sidecar.toml"), config).unwrap();
        let mut command = machine.command(&["local", "sidecar", "sidecar.toml", "--output", "jsonl"]);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let document: Value = serde_json::from_str(&line).unwrap();
        let address = |value: &Value| value.as_str().unwrap().parse().unwrap();
        let result = &document["result"];
        let listeners =
            |kind: &str| result[kind].as_array().unwrap().iter().map(|listener| address(&listener["listen"])).collect();
        assert_eq!((&result["zone"], &result["upstreams"]), (&"use1-az1".into(), &1.into()));
        Self {
            outbound: address(&result["outbound"]),
            inbound: listeners("inbound"),
            tcp: listeners("tcp"),
            admin: machine.path().join(result["admin"].as_str().unwrap()),
            machine,
            process,
        }
    }

    /// Replaces the file, as an editor or a deployment does.
    fn configure(&self, config: &str) {
        let next = self.machine.path().join("next");
        std::fs::write(&next, config).unwrap();
        std::fs::rename(&next, self.machine.path().join("sidecar.toml")).unwrap();
    }

    fn ask(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(&self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn stat(&self, name: &str) -> u64 {
        let stats = self.ask("/stats");
        let value = stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        value.unwrap_or_else(|| panic!("no {name} in {stats}")).parse().unwrap()
    }

    fn until(&self, name: &str, wanted: u64) {
        for _ in 0..2_000 {
            if self.stat(name) == wanted {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{name} never is {wanted}: {}", self.ask("/stats"));
    }
}

/// Asks on one connection until it is told to stop. How many answers came; each was 200.
fn ask_on(stop: &AtomicBool, to: SocketAddr) -> u32 {
    let mut stream = TcpStream::connect(to).unwrap();
    let mut asked = 0;
    while !stop.load(Relaxed) {
        ask(&mut stream);
        asked += 1;
    }
    asked
}

/// One request, answered 200 with `ok`.
fn ask(stream: &mut TcpStream) {
    write!(stream, "GET / HTTP/1.1\r\nhost: {ALIAS}\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut piece = [0; 1024];
        let count = stream.read(&mut piece).unwrap();
        assert!(count > 0, "the connection ends after {:?}", String::from_utf8_lossy(&answer));
        answer.extend(&piece[..count]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

fn stub(runtime: &Runtime, manner: Manner) -> Stub {
    runtime.block_on(Stub::new(manner))
}

#[test]
fn endpoints_come_and_go_under_traffic_without_an_error() {
    let runtime = Runtime::new().unwrap();
    let application = stub(&runtime, Manner::Answers(OK));
    let [near, far, new] = [(); 3].map(|()| stub(&runtime, Manner::Answers(OK)));
    let with = |endpoints: &[(SocketAddr, &str, &str)]| config(application.address, endpoints);
    let (az1, az2, healthy) = ("use1-az1", "use1-az2", "healthy");
    let both = with(&[(near.address, az1, healthy), (far.address, az2, healthy)]);
    let program = Program::start(&both);
    assert!(program.ask("/ready").ends_with("LIVE\n"));
    ask(&mut TcpStream::connect(program.inbound[0]).unwrap());
    assert_eq!(application.requests(), 1);

    let stop = AtomicBool::new(false);
    let asked: u32 = thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| ask_on(&stop, program.outbound))).collect();
        // Requests stay in the zone as long as it can take them.
        while near.requests() < 50 {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(far.requests(), 0);

        program.configure(&with(&[(near.address, az1, "unhealthy"), (far.address, az2, healthy)]));
        program.until("cluster.backend.ns.membership_healthy", 1);
        assert!(program.ask("/clusters").contains(&format!("{}::health_flags::/failed_eds_health\n", near.address)));
        while far.requests() < 50 {
            thread::sleep(Duration::from_millis(5));
        }

        program.configure(&with(&[(new.address, az1, healthy)]));
        program.until("cluster.backend.ns.membership_total", 1);
        program.until("config.update_success", 3);
        while new.requests() < 50 {
            thread::sleep(Duration::from_millis(5));
        }
        // Those in flight when it went have been answered; none comes after them.
        let before = (near.requests(), far.requests());
        let count = new.requests() + 50;
        while new.requests() < count {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!((near.requests(), far.requests()), before);

        // What cannot be taken changes nothing.
        for (number, wrong) in ["nonsense", "zone = \"use1-az2\"\noutbound = \"127.0.0.1:0\""].into_iter().enumerate() {
            program.configure(wrong);
            program.until("config.update_rejected", number as u64 + 1);
        }
        assert_eq!(program.stat("cluster.backend.ns.membership_total"), 1);
        program.configure(&both);
        program.until("cluster.backend.ns.membership_total", 2);
        stop.store(true, Relaxed);
        clients.into_iter().map(|client| client.join().expect("no request has failed")).sum()
    });
    assert!(asked > 200);
    let served = near.requests() + far.requests() + new.requests();
    assert_eq!(served, asked as usize);
    assert_eq!(program.stat("cluster.backend.ns.upstream_rq_retry"), 0);
}

#[test]
fn a_request_in_flight_is_finished_before_it_ends() {
    let runtime = Runtime::new().unwrap();
    // It answers when it is asked a second time.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let slow = listener.local_addr().unwrap();
    let (came, comes) = std::sync::mpsc::channel();
    let (go, goes) = std::sync::mpsc::channel::<()>();
    let host = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = [0; 1024];
        let read = stream.read(&mut head).unwrap();
        came.send(read).unwrap();
        goes.recv().unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let application = stub(&runtime, Manner::Answers(OK));
    let mut program = Program::start(&config(application.address, &[(slow, "use1-az1", "healthy")]));
    let mut stream = TcpStream::connect(program.outbound).unwrap();
    let client = thread::spawn(move || ask(&mut stream));
    comes.recv().unwrap();
    let process = rustix::process::Pid::from_child(&program.process);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    while !program.ask("/ready").ends_with("DRAINING\n") {
        thread::sleep(Duration::from_millis(5));
    }
    // It takes nothing new.
    while TcpStream::connect(program.outbound).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
    go.send(()).unwrap();
    client.join().unwrap();
    host.join().unwrap();
    assert!(program.process.wait().unwrap().success());
    assert!(!program.admin.exists());
}

/// The application's own calls still go out while what it was asked is in flight.
#[test]
fn an_application_that_is_still_asked_reaches_its_upstreams() {
    let runtime = Runtime::new().unwrap();
    let backend = stub(&runtime, Manner::Answers(OK));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let application = listener.local_addr().unwrap();
    let (came, comes) = std::sync::mpsc::channel();
    let (go, goes) = std::sync::mpsc::channel::<SocketAddr>();
    let host = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut head = [0; 1024];
        came.send(stream.read(&mut head).unwrap()).unwrap();
        ask(&mut TcpStream::connect(goes.recv().unwrap()).unwrap());
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let mut program = Program::start(&config(application, &[(backend.address, "use1-az1", "healthy")]));
    let mut stream = TcpStream::connect(program.inbound[0]).unwrap();
    let client = thread::spawn(move || ask(&mut stream));
    comes.recv().unwrap();
    let process = rustix::process::Pid::from_child(&program.process);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    while TcpStream::connect(program.inbound[0]).is_ok() {
        thread::sleep(Duration::from_millis(5));
    }
    go.send(program.outbound).unwrap();
    client.join().unwrap();
    host.join().unwrap();
    assert!(program.process.wait().unwrap().success());
}

#[test]
fn what_it_cannot_begin_with_is_refused() {
    let machine = Machine::new();
    let refused = |text: &str| {
        std::fs::write(machine.path().join("s.toml"), text).unwrap();
        let output = machine.zonewalk(&["local", "sidecar", "s.toml"]);
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("zone = \"a\"").contains("nothing to listen at"));
    assert!(refused("zone = \"a\"\noutbnd = 1").contains("did you mean outbound?"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = refused(&format!("zone = \"a\"\noutbound = \"{address}\""));
    assert!(said.contains(&address.to_string()) && said.contains("in use"), "{said}");
    assert_eq!(machine.zonewalk(&["local", "sidecar", "none.toml"]).status.code(), Some(2));
}
