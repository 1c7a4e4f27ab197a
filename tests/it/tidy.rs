//! The invariants of ARCHITECTURE.md, kept.

use std::fs;
use std::path::{Path, PathBuf};

/// Every source file below `src/<part>`, with its text.
fn sources(part: &str) -> Vec<(PathBuf, String)> {
    fn walk(path: &Path, found: &mut Vec<(PathBuf, String)>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                walk(&entry.unwrap().path(), found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push((path.to_owned(), fs::read_to_string(path).unwrap()));
        }
    }
    let mut found = vec![];
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(part), &mut found);
    assert!(!found.is_empty(), "src/{part} is gone");
    found
}

/// The code of a file: no comments, and nothing of its unit tests.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn assert_never_names(part: &str, forbidden: &[&str], except: &[&str]) {
    for (path, text) in sources(part) {
        if except.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        let code = code(&text);
        for word in forbidden {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

#[test]
fn routing_is_pure() {
    assert_never_names("routing", &["tokio", "aws_", "hyper", "std::time", "std::net", "rand::rng(", "crate::"], &[]);
    for (path, text) in sources("routing") {
        for line in code(&text).lines().filter(|line| line.starts_with("use ")) {
            let allowed = ["use std::", "use rand::", "use serde::", "use super::", "use self::"];
            assert!(allowed.iter().any(|start| line.starts_with(start)), "{}: {line}", path.display());
        }
    }
}

#[test]
fn stages_and_commands_know_no_local_cloud() {
    for part in ["stages", "commands"] {
        assert_never_names(part, &["crate::cloud", "crate::mesh", "crate::local_traffic"], &[]);
    }
    assert_never_names("stages", &["crate::processes", "crate::commands", "crate::report"], &[]);
}

#[test]
fn the_local_parts_know_no_stages() {
    for part in ["cloud", "local_traffic", "mesh"] {
        assert_never_names(part, &["crate::stages", "crate::commands", "crate::walkthrough"], &[]);
    }
}

#[test]
fn only_the_command_line_prints() {
    for part in [
        "aws",
        "cloud",
        "commands",
        "envoy",
        "http",
        "local_traffic",
        "mesh",
        "processes",
        "report",
        "routing",
        "stages",
        "traffic",
    ] {
        assert_never_names(part, &["println!", "eprintln!", "print!(", "std::io::stdout", "anstream"], &[]);
    }
}

#[test]
fn only_aws_builds_clients() {
    for part in [
        "cli",
        "cloud",
        "commands",
        "envoy",
        "http",
        "local_traffic",
        "mesh",
        "processes",
        "report",
        "routing",
        "stages",
        "traffic",
    ] {
        assert_never_names(part, &["::Client::new(", "aws_config", "SdkConfig"], &[]);
    }
}

#[test]
fn the_sidecar_depends_on_routing_and_http_alone() {
    for (path, text) in sources("mesh/sidecar") {
        for line in code(&text).lines().filter(|line| line.contains("crate::")) {
            let allowed = ["crate::routing", "crate::http", "crate::mesh"].iter().any(|part| line.contains(part));
            assert!(allowed, "{}: {line}", path.display());
        }
    }
}
