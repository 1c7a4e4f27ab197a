//! The walkthrough on moto, started with nothing but its port.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::emulator::{User, walk};
use crate::peers;

/// A moto server of this test's own.
struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Moto {
    async fn start() -> Self {
        // Free a moment ago, and moto cannot be asked to choose.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let process = Command::new(peers::bin("moto").join("moto_server"))
            .args(["-p", &address.port().to_string()])
            .env_remove("MOTO_IAM_LOAD_MANAGED_POLICIES")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let moto = Self { process, address };
        tokio::time::timeout(Duration::from_secs(60), async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .expect("moto did not start");
        moto
    }

    fn user(&self, address: SocketAddr) -> User {
        User {
            zonewalk: env!("CARGO_BIN_EXE_zonewalk").into(),
            aws: peers::bin("aws").join("aws"),
            endpoint_url: format!("http://{address}"),
            home: tempfile::tempdir().unwrap(),
        }
    }

    /// The same moto, but for the paths of its own with which it can be told something.
    async fn without_controls(&self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (own, moto) = (listener.local_addr().unwrap(), self.address);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let server = TcpStream::connect(moto).await.unwrap();
                    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
                        (client.into_split(), server.into_split());
                    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
                    let mut buffer = vec![0; 1 << 16];
                    while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                        let text = &mut buffer[..read];
                        if let Some(at) = text.windows(10).position(|bytes| bytes == b"/moto-api/") {
                            text[at + 1..at + 5].copy_from_slice(b"none");
                        }
                        if to_server.write_all(text).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        own
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
async fn the_walkthrough_passes_on_a_plain_moto() {
    let moto = Moto::start().await;
    walk(&moto.user(moto.address));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs moto: tests/run.sh installs it"]
async fn tasks_that_an_emulator_stops_by_itself_are_told_with_what_to_do() {
    let moto = Moto::start().await;
    let user = moto.user(moto.without_controls().await);
    let output = tokio::task::block_in_place(|| user.zonewalk(&["up"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for words in ["though no command stopped them", "configure it to keep tasks RUNNING"] {
        assert!(said.contains(words), "{words}: {said}");
    }
}
