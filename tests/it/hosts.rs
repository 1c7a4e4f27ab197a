//! The hosts themselves, on the local cloud in an emulator's place or on nothing: what they do when they begin and end.

use std::time::Duration;

use zonewalk::aws::{Retries, Target};
use zonewalk::hosts::Hosts;
use zonewalk::hosts::client::Client;

use crate::support::{self, REGION};

/// How long what comes by itself may take; the limit is for hosts that are broken.
const LIMIT: Duration = Duration::from_secs(40);

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_wait_for_what_does_not_come_end_when_they_are_told_to() {
    // Nothing listens there.
    let retries = Retries { attempts: 1, first_pause: Duration::ZERO };
    let nowhere = Target { retries, ..Target::local("http://127.0.0.1:1", REGION) };
    let hosts = Hosts::start(nowhere.connect().await.unwrap(), &support::settings().name).await.unwrap();
    let url = hosts.control_url();
    let asking = tokio::spawn(async move { Client::new(&url).entrance("none").await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::time::timeout(LIMIT, hosts.shutdown()).await.expect("they go on settling");
    assert!(asking.await.unwrap().is_err());
}
