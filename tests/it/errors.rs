//! What a command says that cannot work: a sentence of ours with what failed, why and what to type, and nothing of the libraries
//! that found out.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;

use crate::machine::Machine;

/// Words of the SDK's, of Rust's and of parsers' that reach no user.
const NEVER: &[&str] = &[
    "dispatch failure",
    "ServiceError",
    "TokenError",
    "DispatchFailure",
    "os error",
    "provider",
    "invalid digit",
    ", expected ",
    "u32",
    "u64",
    "1..=",
    "WARN",
    "\u{1b}[",
    "Err(",
    "panicked",
    "unhandled",
];

#[track_caller]
fn assert_says(output: &Output, code: i32, says: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    let all = format!("{message}{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(output.status.code(), Some(code), "{all}");
    for words in says {
        assert!(all.contains(words), "nothing of {words:?}: {all}");
    }
    for words in NEVER {
        assert!(!all.contains(words), "{words:?}: {all}");
    }
}

/// A machine whose instance metadata are asked for where nothing listens, so that none are found, wherever the test runs.
fn run(machine: &Machine, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = machine.command(args);
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("http://{}", closed_port()));
    command.envs(variables.iter().copied());
    command.output().unwrap()
}

fn closed_port() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn write_config(machine: &Machine, text: &str) {
    std::fs::create_dir_all(machine.path().join(".aws")).unwrap();
    std::fs::write(machine.path().join(".aws/config"), text).unwrap();
}

const KEYS: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

#[test]
fn without_credentials_there_is_one_sentence_and_a_row_of_doctors() {
    let machine = Machine::new();
    let says = ["no AWS credentials found", "aws configure sso", "--profile", "--local to rehearse without AWS"];
    for metadata in ["true", "false"] {
        let variables = [("AWS_EC2_METADATA_DISABLED", metadata)];
        let doctor = run(&machine, &["doctor", "--region", "us-east-1"], &variables);
        assert_says(&doctor, 1, &says);
        assert!(String::from_utf8_lossy(&doctor.stdout).contains("credentials"), "it is a row of the table");
        assert_says(&run(&machine, &["verify", "--region", "us-east-1"], &variables), 3, &says);
    }
    let no_region = run(&machine, &["doctor"], &[]);
    assert_says(&no_region, 2, &["no AWS region is set", "--region us-east-1", "--local"]);
}

#[test]
fn a_profile_that_does_not_exist_is_told_with_those_that_do() {
    let machine = Machine::new();
    let asks = ["doctor", "--region", "us-east-1", "--profile", "nosuch"];
    assert_says(
        &run(&machine, &asks, &KEYS),
        2,
        &["there is no profile nosuch in ", ".aws/config", "aws configure sso"],
    );
    write_config(&machine, "[default]\n[profile dev]\n");
    assert_says(&run(&machine, &asks, &KEYS), 2, &["there is no profile nosuch", "--profile: default, dev"]);
    let of_environment = run(&machine, &asks[..3], &[("AWS_PROFILE", "nosuch")]);
    assert_says(&of_environment, 2, &["there is no profile nosuch", "default, dev"]);
    assert_says(&run(&machine, &["up", "--region", "us-east-1", "--profile", "dev"], &KEYS), 2, &["with profile dev"]);
}

#[test]
fn what_a_profile_lacks_is_told() {
    let machine = Machine::new();
    let sso = "[sso-session corp]\nsso_start_url = https://example.test/start\nsso_region = us-east-1\n[profile sso]\n\
               sso_session = corp\nsso_account_id = 111122223333\nsso_role_name = dev\n";
    let others = "[profile chain]\nrole_arn = arn:aws:iam::111122223333:role/x\nsource_profile = missing\n[profile process]\n\
                  credential_process = false\n";
    write_config(&machine, &format!("{sso}{others}"));
    for (profile, says) in [
        ("sso", ["SSO session has expired, or has not begun", "aws sso login"]),
        ("chain", ["profile missing was not defined", "~/.aws/config"]),
        ("process", ["credential_process failed", "by hand"]),
    ] {
        let variables = [("AWS_EC2_METADATA_DISABLED", "true"), ("PATH", "/usr/bin:/bin")];
        let output = run(&machine, &["doctor", "--region", "us-east-1", "--profile", profile], &variables);
        assert_says(&output, 1, &says);
    }
}

/// Answers every request with the same text, whatever it is, until the test ends.
fn serve(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            // One that closes at once has been answered, too.
            let _ = connection.read(&mut [0; 8192]);
            let _ = connection.write_all(answer.as_bytes());
        }
    });
    address.to_string()
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/xml\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn a_connection_that_fails_is_told_with_what_to_check() {
    let machine = Machine::new();
    let closed = format!("http://{}", closed_port());
    let page = serve(http("404 Not Found", "<html>nothing here</html>"));
    let plain = format!("http://{page}");
    let encrypted = format!("https://{page}");
    for (url, code, says) in [
        (&closed, 3, ["no local cloud is running at", "zonewalk local serve"]),
        (&encrypted, 3, ["does not speak TLS", &plain]),
        (&plain, 1, ["the answer is not AWS's", &plain]),
    ] {
        assert_says(&run(&machine, &["doctor", "--region", "us-east-1", "--endpoint-url", url], &KEYS), code, &says);
    }
    let proxy = format!("http://{}", closed_port());
    let variables = [KEYS[0], KEYS[1], ("HTTPS_PROXY", proxy.as_str())];
    let output = run(&machine, &["doctor", "--region", "us-east-1"], &variables);
    assert_says(&output, 3, &["the proxy", "HTTPS_PROXY"]);
}

#[test]
fn known_refusals_are_told_in_our_words_and_then_in_awss() {
    let machine = Machine::new();
    for (code, says) in [
        ("AccessDenied", ["sts:GetCallerIdentity is not allowed", "allow the action sts:GetCallerIdentity"]),
        ("ExpiredToken", ["the session has expired", "aws sso login"]),
        ("OptInRequired", ["has not enabled the region", "--region"]),
        ("UnrecognizedClientException", ["AWS does not know the access key", "aws account list-regions"]),
        ("SignatureDoesNotMatch", ["does not accept the request's signature", "clock"]),
    ] {
        let body = format!(
            "<ErrorResponse><Error><Code>{code}</Code><Message>In AWS's words.</Message></Error></ErrorResponse>"
        );
        let url = format!("http://{}", serve(http("403 Forbidden", &body)));
        let output = run(&machine, &["doctor", "--region", "us-east-1", "--endpoint-url", &url], &KEYS);
        assert_says(&output, 1, &[&says[..], &["AWS says: In AWS's words", code]].concat());
    }
}

#[test]
fn values_and_files_are_told_in_plain_words() {
    let machine = Machine::new();
    std::fs::write(machine.path().join("bad.toml"), "task_count = 6\n").unwrap();
    std::fs::write(machine.path().join("faults.toml"), "[[fault]]\nkind = 'throttle'\noperation = 'ecs:Craete*'\n")
        .unwrap();
    std::fs::write(machine.path().join("predict.jsonl"), "{\"id\": \"x\", \"topology\": {\"self_zone\": 3}}\n")
        .unwrap();
    for (args, says) in [
        (&["verify", "--local", "--requests", "0"][..], &["--requests", "1 to 1,000,000"][..]),
        (&["verify", "--local", "--concurrency", "many"], &["--concurrency", "1 to 256"]),
        (&["failover", "--local", "--to", "16"], &["--to", "1 to 15"]),
        (&["up", "--local", "--timeout", "0"], &["--timeout", "15m"]),
        (&["up", "--local", "--task-count", "six"], &["--task-count", "1 to 15"]),
        (&["up", "--local", "--name", "zöne"], &["'zöne' for '--name", "lower-case letters"]),
        (&["up", "--local", "--allow-cidr", "10.0.0.1/8"], &["did you mean 10.0.0.0/8?"]),
        (&["local", "serve", "--listen", "nowhere"], &["--listen", "localhost:4566"]),
        (&["predict", "--simulate", "-1"], &["--simulate"]),
        (&["predict", "missing.jsonl"], &["missing.jsonl: no such file or directory"]),
        (&["predict", "predict.jsonl"], &["line 1: topology.self_zone: a text is needed, not 3"]),
        (&["up", "--local", "--config", "missing.toml"], &["settings file missing.toml: no such file or directory"]),
        (
            &["up", "--local", "--config", "bad.toml"],
            &["bad.toml: line 1: there is no task_count; did you mean task-count?"],
        ),
        (&["up", "--local", "--faults", "faults.toml"], &["fault 1 (throttle)", "did you mean ecs:Create*?"]),
        (&["up", "--local", "--faults", "."], &["faults file .: is a directory"]),
        (&["down", "--task-count", "5"], &["`zonewalk up`"]),
        (&["policy", "--timeout", "5"], &["`zonewalk policy` takes no --timeout"]),
    ] {
        assert_says(&machine.zonewalk(args), 2, says);
    }
    let mut unwritable = machine.command(&["up", "--local"]);
    let output = unwritable.env("ZONEWALK_STATE_DIR", "/proc/nope").output().unwrap();
    assert_says(&output, 3, &["/proc/nope", "no such file or directory", "ZONEWALK_STATE_DIR"]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(message.matches("no such file").count(), 1, "it is said once: {message}");
}
