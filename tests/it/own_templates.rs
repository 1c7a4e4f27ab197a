//! What users put in the place of the built-in templates, and other files that they write.

use std::path::Path;

use aws_sdk_ec2::types::RequestLaunchTemplateData;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use zonewalk::cloud::Pace;
use zonewalk::plan::{Action, Kind};
use zonewalk::settings::Settings;
use zonewalk::walkthrough::{Up, down, up};

use crate::machine::Machine;
use crate::support::{context, settings, start_cloud};

const MARK: &str = "\u{feff}";

fn with(directory: &Path) -> Settings {
    Settings { templates: Some(directory.to_owned()), ..settings() }
}

fn changed(up: &Up) -> Vec<Kind> {
    up.resources.iter().filter(|resource| resource.action == Action::Changed).map(|resource| resource.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_with_a_byte_order_mark_begins_with_its_shell() {
    let directory = tempfile::tempdir().unwrap();
    let script = include_str!("../../templates/user_data.sh").replace('\n', "\r\n");
    std::fs::write(directory.path().join("user_data.sh"), format!("{MARK}{script}")).unwrap();
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, with(directory.path())).await;
    up(&ctx).await.unwrap();
    let versions = ctx.clients.ec2.describe_launch_template_versions().launch_template_name(&ctx.names.launch_template);
    let versions = versions.send().await.unwrap();
    let data = versions.launch_template_versions()[0].launch_template_data().unwrap().user_data().unwrap();
    let text = String::from_utf8(BASE64_STANDARD.decode(data).unwrap()).unwrap();
    assert!(text.starts_with("#!") && !text.contains('\r'), "{text:?}");
    // It is the built-in one.
    let again = up(&context(&cloud, settings()).await).await.unwrap();
    assert_eq!(changed(&again), []);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn user_data_that_ec2_does_not_take_is_refused_before_anything_is_made() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("user_data.sh"), format!("#!/bin/sh\n{}", "#".repeat(16_384))).unwrap();
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, with(directory.path())).await;
    let error = up(&ctx).await.unwrap_err().to_string();
    assert!(error.contains("user_data.sh") && error.contains("16384"), "{error}");
    assert_eq!(down(&ctx).await.unwrap().removed, []);

    let create = async |bytes: usize| {
        let data = RequestLaunchTemplateData::builder().user_data(BASE64_STANDARD.encode("#".repeat(bytes)));
        let request = ctx.clients.ec2.create_launch_template().launch_template_name(format!("of-{bytes}"));
        request.launch_template_data(data.build()).send().await
    };
    create(16_384).await.unwrap();
    let refused = create(16_385).await.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("InvalidUserData.Malformed"));
    cloud.shutdown().await;
}

/// The backend's template with these members in its container, and without those that have defaults.
fn task_definition(members: &str) -> String {
    let text = include_str!("../../templates/task_definition.backend.json");
    let text = text.replace(r#""essential": true,"#, members);
    format!("{MARK}{}", text.replace(r#""protocol": "tcp", "#, ""))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_definition_may_have_whatever_can_be_registered() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("task_definition.backend.json");
    let environment =
        |value: &str| task_definition(&format!(r#""environment": [{{ "name": "A", "value": "{value}" }}],"#));
    std::fs::write(&file, environment("1")).unwrap();
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, with(directory.path())).await;
    up(&ctx).await.unwrap();
    let value = async || {
        let request = ctx.clients.ecs.describe_task_definition().task_definition(&ctx.names.backend.service);
        let definition = request.send().await.unwrap().task_definition.unwrap();
        let container = definition.container_definitions()[0].clone();
        assert_eq!(container.essential(), Some(true));
        container.environment()[0].value().unwrap().to_owned()
    };
    assert_eq!(value().await, "1");
    assert_eq!(changed(&up(&ctx).await.unwrap()), [], "it is as it was");

    std::fs::write(&file, environment("2")).unwrap();
    assert_eq!(changed(&up(&ctx).await.unwrap()), [Kind::TaskDefinition, Kind::Service]);
    assert_eq!(value().await, "2");
    assert_eq!(changed(&up(&ctx).await.unwrap()), []);
    // Back to the built-in one.
    let built_in = context(&cloud, settings()).await;
    assert_eq!(changed(&up(&built_in).await.unwrap()), [Kind::TaskDefinition, Kind::Service]);
    assert_eq!(changed(&up(&built_in).await.unwrap()), []);
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_definition_cannot_have_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let cloud = start_cloud(Pace::Instant).await;
    for (members, named) in [
        (r#""enviroment": [],"#, "no member `enviroment`"),
        // AWS has it; the local cloud has no agent that would do it.
        (r#""healthCheck": { "command": ["CMD", "true"] },"#, "healthCheck"),
    ] {
        std::fs::write(directory.path().join("task_definition.backend.json"), task_definition(members)).unwrap();
        let error = up(&context(&cloud, with(directory.path())).await).await.unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    cloud.shutdown().await;
}

/// PowerShell writes files so (aws/aws-cli#3216, Azure/azure-xplat-cli#1966).
#[test]
fn files_with_a_byte_order_mark_are_read() {
    let machine = Machine::new();
    let write = |name: &str, text: &str| std::fs::write(machine.path().join(name), format!("{MARK}{text}")).unwrap();
    let utf16 = |name: &str, text: &str| {
        let bytes: Vec<u8> = format!("{MARK}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        std::fs::write(machine.path().join(name), bytes).unwrap();
    };
    let topology = r#"{"id": "x", "topology": {"self_zone": "a", "local": {"a": 2}, "upstream": {"a": 3}}}"#;
    write("t.jsonl", topology);
    utf16("t16.jsonl", topology);
    for file in ["t.jsonl", "t16.jsonl"] {
        let predicted = machine.zonewalk(&["predict", file]);
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&predicted.stdout).unwrap()["id"], "x");
    }
    let mut piped = assert_cmd::Command::cargo_bin("zonewalk").unwrap();
    piped.arg("predict").write_stdin(format!("{MARK}{topology}\n")).assert().success();

    write("zonewalk.toml", "name = 'from-file'\n");
    write("f.json", r#"{ "seed": 1, "fault": [{ "kind": "delay", "milliseconds": 1 }] }"#);
    write("f.toml", "[[fault]]\nkind = 'delay'\nmilliseconds = 1\n");
    for faults in ["f.json", "f.toml"] {
        let up = machine.json(&["up", "--local", "--dry-run", "--faults", faults, "--output", "json"]);
        assert!(up["resources"].to_string().contains("from-file-"), "{up}");
    }
    machine.json(&["down", "--local", "--output", "json"]);
}

#[test]
fn a_template_whose_name_is_misspelled_is_refused() {
    let machine = Machine::new();
    for (file, says) in [
        ("task_definition.backnd.json", "did you mean task_definition.backend.json?"),
        ("user-data.sh", "did you mean user_data.sh?"),
        ("notes.txt", "it has none of user_data.sh"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(file), "{}").unwrap();
        let output = machine.zonewalk(&["up", "--local", "--templates", directory.path().to_str().unwrap()]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        assert!(message.contains(says), "{file}: {message}");
    }
    let missing = machine.zonewalk(&["up", "--local", "--templates", "missing"]);
    let message = String::from_utf8_lossy(&missing.stderr);
    assert!(message.contains("templates in missing: no such file or directory"), "{message}");
}
