//! The walkthrough on moto.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::emulator::{User, walk};
use crate::peers;

/// A moto server of this test's own.
struct Moto {
    process: Child,
    endpoint_url: String,
}

impl Moto {
    async fn start() -> Self {
        // Free a moment ago, and moto cannot be asked to choose.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new(peers::bin("moto").join("moto_server"))
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { process, endpoint_url: format!("http://127.0.0.1:{port}") };
        // By default a task moves to its next state each time it is looked at, and so stops by being watched.
        let transition = r#"{"model_name": "ecs::task", "transition": {"progression": "manual", "times": 1000000000}}"#;
        let url = format!("{}/moto-api/state-manager/set-transition", moto.endpoint_url);
        let set = || {
            let args = ["--silent", "--fail", "--header", "Content-Type: application/json", "--data", transition, &url];
            Command::new("curl").args(args).stdout(Stdio::null()).status().unwrap().success()
        };
        tokio::time::timeout(Duration::from_secs(60), async {
            while !set() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .expect("moto did not start");
        moto
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[ignore = "needs moto and the AWS CLI: tests/run.sh installs them"]
async fn the_walkthrough_passes_on_moto() {
    let moto = Moto::start().await;
    let user = User {
        zonewalk: env!("CARGO_BIN_EXE_zonewalk").into(),
        aws: peers::bin("aws").join("aws"),
        endpoint_url: moto.endpoint_url.clone(),
        home: tempfile::tempdir().unwrap(),
    };
    walk(&user);
}
