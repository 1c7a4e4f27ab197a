//! Where a command ends and leaves something standing on AWS, it says what that costs. AWS is played by the local cloud, which is
//! reached at a name of AWS's through a proxy: itself.

use std::process::{Child, Output, Stdio};

use serde_json::Value;

use crate::machine::Machine;

pub(crate) struct Aws {
    machine: Machine,
    process: Child,
    url: String,
}

impl Aws {
    pub(crate) fn serve(faults: &str) -> Self {
        let machine = Machine::new();
        std::fs::write(machine.path().join("f.toml"), faults).unwrap();
        let serve = ["local", "serve", "--listen", "127.0.0.1:0", "--faults", "f.toml"];
        let process = machine.command(&serve).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let record = machine.path().join("local.json");
        let url = (0..1_000).find_map(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let record: Value = serde_json::from_slice(&std::fs::read(&record).ok()?).ok()?;
            record["endpoint_url"].as_str().map(str::to_owned)
        });
        Self { machine, process, url: url.expect("it runs") }
    }

    /// Where it is reached at a name of AWS's: through this proxy.
    pub(crate) fn proxy(&self) -> &str {
        &self.url
    }

    pub(crate) fn zonewalk(&self, args: &[&str]) -> Output {
        let mut command = self.machine.command(args);
        command.args(["--endpoint-url", ENDPOINT, "--timeout", "4"]);
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env("AWS_REGION", "us-east-1");
        command.env("HTTP_PROXY", &self.url).stdin(Stdio::null()).output().unwrap()
    }
}

impl Drop for Aws {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) const ENDPOINT: &str = "http://zonewalk.amazonaws.com";

const PRICE: &str =
    "still stands and costs up to about 0.64 USD an hour (12 t3.medium, a load balancer, 15 public addresses)";

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_a_failed_command_leaves_on_aws_is_told_with_its_price() {
    let aws = Aws::serve("[[fault]]\nkind = 'no-capacity'\nzone = 'us-east-1b'\n");
    let refused = aws.zonewalk(&["up", "--yes", "--instance-type", "t3.nano"]);
    assert!(!refused.status.success(), "{}", said(&refused));
    assert!(!said(&refused).contains("USD"), "nothing stands: {}", said(&refused));

    let up = aws.zonewalk(&["up", "--yes"]);
    assert_eq!(up.status.code(), Some(3), "{}", said(&up));
    assert!(said(&up).contains(&format!("what was created {PRICE}: `zonewalk down")), "{}", said(&up));
    let walkthrough = aws.zonewalk(&["walkthrough", "--yes", "--keep"]);
    assert!(said(&walkthrough).contains(&format!("everything that was created {PRICE}")), "{}", said(&walkthrough));
    // There is a load balancer, and no task.
    let failover = aws.zonewalk(&["failover"]);
    assert_eq!(failover.status.code(), Some(3), "{}", said(&failover));
    assert!(said(&failover).contains(&format!("what was created {PRICE}")), "{}", said(&failover));
    let other = aws.zonewalk(&["redeploy", "--cluster", "others", "--service", "others"]);
    assert!(!other.status.success() && !said(&other).contains("USD"), "{}", said(&other));
    // Nothing was asked of the account by the command itself.
    let down = aws.zonewalk(&["down", "--yes"]);
    assert!(down.status.success() && !said(&down).contains("USD"), "{}", said(&down));
}

#[test]
fn what_down_leaves_on_aws_is_told_with_its_price() {
    let aws = Aws::serve("[[fault]]\nkind = 'server-error'\noperation = 'elasticloadbalancing:DeleteLoadBalancer'\n");
    let up = aws.zonewalk(&["up", "--yes", "--task-count", "1"]);
    assert!(up.status.success(), "{}", said(&up));
    let down = aws.zonewalk(&["down", "--yes"]);
    assert_eq!(down.status.code(), Some(1), "{}", said(&down));
    assert!(said(&down).contains(&format!("what `down` has not removed {PRICE}")), "{}", said(&down));
}
