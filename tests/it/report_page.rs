//! The report in a real browser: it loads without a complaint, asks no server for anything, and keeps nobody out. Its pictures are in
//! target/tmp/screenshots.

use zonewalk::commands::explain;
use zonewalk::report::html;
use zonewalk::runs::Run;
use zonewalk::runs::store::open;

use crate::browser::{Browser, Theme};

pub(crate) fn run(name: &str) -> Run {
    let path = format!("{}/tests/data/runs/{name}.json", env!("CARGO_MANIFEST_DIR"));
    Run::of(&open(path.as_ref(), &std::fs::read_to_string(&path).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
#[ignore = "needs Chromium, its driver and axe-core: tests/run.sh installs the last"]
async fn the_report_is_whole_quiet_and_open_to_all() {
    let directory = tempfile::tempdir().unwrap();
    let browser = Browser::start().await;
    for (name, runs) in [("drill", vec![run("failover")]), ("two_runs", vec![run("verify"), run("failover")])] {
        let file = directory.path().join(format!("{name}.html"));
        std::fs::write(&file, html::page(&runs, explain::in_short)).unwrap();
        for (look, size, theme) in [
            ("light", (1280, 900), Theme::Light),
            ("dark", (1280, 900), Theme::Dark),
            ("phone", (390, 844), Theme::Light),
            ("phone_dark", (390, 844), Theme::Dark),
        ] {
            browser.appear(size, theme).await;
            let url = format!("file://{}", file.display());
            browser.requested().await;
            browser.open(&url).await;
            browser.until("document.readyState === 'complete'").await;
            let elsewhere: Vec<String> = browser
                .requested()
                .await
                .into_iter()
                .filter(|asked| *asked != url && !asked.starts_with("data:"))
                .collect();
            assert!(elsewhere.is_empty(), "{name}, {look}: {elsewhere:?}");
            assert_eq!(browser.complaints().await, [""; 0], "{name}, {look}");
            let overflow = browser.run("return document.documentElement.scrollWidth - window.innerWidth").await;
            assert!(overflow.as_i64().is_some_and(|pixels| pixels <= 0), "{name}, {look}: {overflow} pixels too wide");
            assert_eq!(browser.barriers().await, [""; 0], "{name}, {look}");
            browser.screenshot(&format!("report_{name}_{look}")).await;
        }
        // What is folded is reached and opened by keyboard alone, since it is the browser's own.
        assert_eq!(browser.run("return document.querySelectorAll('details > summary').length > 3").await, true);
        let articles = browser.run("return document.querySelectorAll('article').length").await;
        assert_eq!(articles.as_u64(), Some(runs.len() as u64));
    }
    browser.close().await;
}
