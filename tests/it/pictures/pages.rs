//! Pictures of the report and of the live page, in both themes, as Chromium draws them.

use zonewalk::commands::explain;
use zonewalk::report::html;

use crate::browser::{Browser, Theme, live};
use crate::report_page;

const SIZE: (u32, u32) = (1_100, 900);

/// In this form what a picture shows is kept: a page is too long.
fn digest(text: &str) -> String {
    let mut digest = flate2::Crc::new();
    digest.update(text.as_bytes());
    format!("{:08x}\n", digest.sum())
}

#[tokio::test]
#[ignore = "needs Chromium and its driver"]
async fn the_picture_of_the_report_is_of_today() {
    let page = html::page(&[report_page::run("failover")], explain::in_short);
    let shows = digest(&page);
    let mut new = vec![];
    for (name, theme) in [("report-light.png", Theme::Light), ("report-dark.png", Theme::Dark)] {
        if shows != super::shown(name) {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("report.html");
            std::fs::write(&file, &page).unwrap();
            let browser = Browser::start().await;
            browser.appear(SIZE, theme).await;
            browser.open(&format!("file://{}", file.display())).await;
            browser.until("document.readyState === 'complete'").await;
            browser.run("document.querySelector('h3[id^=timeline]').scrollIntoView()").await;
            new.push(super::replace(name, &browser.picture(false).await, &shows));
            browser.close().await;
        }
    }
    super::assert_none_new(&new);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium and its driver"]
async fn the_picture_of_the_live_page_is_of_today() {
    let shows =
        digest(concat!(include_str!("../../../templates/live.html"), include_str!("../../../templates/live.js")));
    let mut new = vec![];
    for (name, theme) in [("live-light.png", Theme::Light), ("live-dark.png", Theme::Dark)] {
        if shows != super::shown(name) {
            let (cloud, url) = live::stage().await;
            let browser = Browser::start().await;
            browser.appear(SIZE, theme).await;
            browser.open(&url).await;
            live::show_traffic(&browser).await;
            let picture = browser.picture(false).await;
            browser.close().await;
            cloud.shutdown().await;
            new.push(super::replace(name, &picture, &shows));
        }
    }
    super::assert_none_new(&new);
}
