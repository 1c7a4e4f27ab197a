//! The walkthrough on LocalStack in a container, by the same commands as on moto.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test, in helpers too")]

#[path = "../../tests/it/emulator.rs"]
mod emulator;

use std::net::TcpListener;
use std::path::PathBuf;

use emulator::{User, walk};
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

/// What `tests/run.sh` tells: the program, the AWS CLI, and the image that `localstack/build.sh` has made.
fn told(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run tests/run.sh, which sets it"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker and the LocalStack image: tests/run.sh builds it"]
async fn the_walkthrough_passes_on_localstack() {
    let image = told("ZONEWALK_LOCALSTACK_IMAGE");
    let (name, tag) = image.split_once(':').unwrap();
    // On the host's network it can listen on loopback alone. Free a moment ago, and LocalStack cannot be asked to choose.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _container = GenericImage::new(name, tag)
        .with_wait_for(WaitFor::message_on_stdout("Ready."))
        .with_network("host")
        .with_env_var("GATEWAY_LISTEN", format!("127.0.0.1:{port}"))
        .start()
        .await
        .unwrap();
    let user = User {
        zonewalk: PathBuf::from(told("ZONEWALK_BIN")),
        aws: PathBuf::from(told("ZONEWALK_PEERS")).join("aws/bin/aws"),
        endpoint_url: format!("http://127.0.0.1:{port}"),
        home: tempfile::tempdir().unwrap(),
    };
    walk(&user);
}
