//! `audit` on a cluster as there are many: deployed a service at a time, scaled in at night, with a week of traffic. README shows it.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::commands::audit::{self, Options};
use zonewalk::commands::outcome::Outcome;
use zonewalk::report::page::Page;

use crate::clients;
use crate::machine::Machine;
use crate::peers;
use crate::report::elements;
use crate::support::{REGION, context, settings, start_cloud};

/// What README shows below its command, as a terminal of 100 columns has it.
fn shown() -> String {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```").skip(1).step_by(2);
    let shown = blocks.filter_map(|block| block.strip_prefix("text\n$ zonewalk audit\n")).collect::<Vec<_>>();
    let [shown] = &*shown else { panic!("README shows {} audits", shown.len()) };
    (*shown).to_owned()
}

/// What a command prints, and its exit code.
fn zonewalk(cloud: &LocalCloud, args: &[&str]) -> (String, Option<i32>) {
    let machine = Machine::new();
    let mut zonewalk = machine.command(args);
    let credentials = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, "test"));
    let zonewalk = zonewalk.envs(credentials).env("AWS_ENDPOINT_URL", cloud.endpoint_url()).env("AWS_REGION", REGION);
    let output = zonewalk.output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs boto3: tests/run.sh installs it"]
async fn readme_and_pipelines_show_what_a_shop_pays_for() {
    let cloud = start_cloud(Pace::Instant).await;
    let ctx = context(&cloud, settings()).await;
    let mut python = Command::new(peers::bin("aws").join("python3"));
    clients::run(&cloud, python.arg(clients::script("build_scenes.py")).arg("shop").stdin(Stdio::null())).await;

    let audit = audit::run(&ctx, &Options::default()).await.unwrap();
    let page = Page { width: Some(100), zones: ctx.zones(), ..Page::default() };
    let text = anstream::adapter::strip_str(&audit.text(&page)).to_string();
    let text = text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(shown().trim_end(), text, "README.md shows another audit than this:\n{text}");

    let (markdown, code) = zonewalk(&cloud, &["audit", "--output", "markdown"]);
    assert_eq!(code, Some(0));
    let row = "| shop/web | catalog | catalog was last deployed on 2026-05-02, before zone-aware routing (2026-07-01) | off |";
    assert!(markdown.lines().any(|line| line.starts_with(row)), "{markdown}");
    assert!(
        markdown.contains("- deploy catalog again: `zonewalk redeploy --cluster shop --service catalog`"),
        "{markdown}"
    );

    let (junit, code) = zonewalk(&cloud, &["audit", "--min-same-zone", "80", "--output", "junit"]);
    let count = |name: &str| elements(&junit, name).len();
    assert_eq!((code, count("testcase"), count("failure")), (Some(1), 6, 3), "{junit}");
    cloud.shutdown().await;
}
