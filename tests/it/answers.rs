//! Every answer of the local cloud that the walkthrough causes, against botocore's models of the services.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use zonewalk::cloud::{Exchange, LocalCloud, Options, Pace};
use zonewalk::commands::{self, failover, verify};

use crate::peers;
use crate::support;

/// A CBOR answer as the JSON it stands for.
fn as_json(value: ciborium::Value) -> Value {
    match value {
        ciborium::Value::Text(text) => json!(text),
        ciborium::Value::Bool(b) => json!(b),
        ciborium::Value::Integer(n) => json!(i64::try_from(n).unwrap()),
        ciborium::Value::Float(n) => json!(n),
        ciborium::Value::Tag(_, inner) => as_json(*inner),
        ciborium::Value::Array(items) => items.into_iter().map(as_json).collect(),
        ciborium::Value::Map(members) => {
            Value::Object(members.into_iter().map(|(k, v)| (k.into_text().unwrap(), as_json(v))).collect())
        }
        other => panic!("no answer has {other:?}"),
    }
}

fn line(exchange: &Exchange) -> String {
    let (protocol, body) = match exchange.content_type {
        "application/cbor" => ("json", as_json(ciborium::from_reader(exchange.body.as_slice()).unwrap()).to_string()),
        other => {
            (if other.contains("xml") { "xml" } else { "json" }, String::from_utf8(exchange.body.clone()).unwrap())
        }
    };
    json!({
        "service": exchange.service, "operation": exchange.operation, "status": exchange.status,
        "protocol": protocol, "body": body,
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn boto3_reads_every_answer_with_no_unknown_or_missing_member() {
    let seen: Arc<Mutex<Vec<Exchange>>> = Arc::default();
    let recorder = Arc::clone(&seen);
    let cloud = LocalCloud::start(Options {
        pace: Pace::Fast,
        observer: Some(Arc::new(move |exchange: &Exchange| recorder.lock().unwrap().push(exchange.clone()))),
        ..Options::default()
    })
    .await
    .unwrap();
    let ctx = support::context(&cloud, support::settings()).await;
    let failover = failover::Options {
        drill: failover::Drill::Scale { to: 2 },
        max_errors: failover::MAX_ERRORS,
        restore: true,
        verify: verify::Options { traffic: verify::Traffic::of(60, 4), ..verify::Options::default() },
    };
    let options = commands::walkthrough::Options { failover, keep: false };
    commands::walkthrough::run(&ctx, options, |_| ()).await.unwrap();
    cloud.shutdown().await;

    let exchanges = std::mem::take(&mut *seen.lock().unwrap());
    let services: BTreeSet<&str> = exchanges.iter().map(|exchange| exchange.service).collect();
    assert!(services.len() >= 7, "only {services:?} were asked");

    check(&exchanges);
}

/// Each must be what botocore's models have.
pub(crate) fn check(exchanges: &[Exchange]) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/check_answers.py");
    let mut python = Command::new(peers::bin("aws").join("python3"))
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    for exchange in exchanges {
        writeln!(input, "{}", line(exchange)).unwrap();
    }
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
