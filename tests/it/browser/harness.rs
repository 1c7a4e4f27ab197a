//! What the browser is to notice, it notices.

use super::{Browser, Theme};

const PAGE: &str = "data:text/html,<title>page</title><meta name=viewport content='width=device-width'><style>@media (prefers-color-scheme: dark) { p { color: red } }</style>\
                    <p>text</p><img src='http://127.0.0.1:1/elsewhere'><script>null.nothing</script>";

#[tokio::test]
#[ignore = "needs Chromium, its driver and axe-core: tests/run.sh installs the last"]
async fn errors_requests_elsewhere_and_barriers_are_noticed() {
    let browser = Browser::start().await;
    browser.appear((390, 844), Theme::Dark).await;
    browser.open(PAGE).await;
    browser.until("document.querySelector('p').textContent === 'text'").await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().any(|complaint| complaint.contains("TypeError")), "{complaints:?}");
    let requested = browser.requested().await;
    assert!(requested.iter().any(|url| url == "http://127.0.0.1:1/elsewhere"), "{requested:?}");
    let barriers = browser.barriers().await;
    assert!(barriers.iter().any(|barrier| barrier.contains("image-alt")), "{barriers:?}");
    for (theme, color) in [(Theme::Dark, "rgb(255, 0, 0)"), (Theme::Light, "rgb(0, 0, 0)")] {
        browser.appear((390, 844), theme).await;
        let seen = browser.run("return [innerWidth, getComputedStyle(document.querySelector('p')).color]").await;
        assert_eq!(seen, serde_json::json!([390, color]));
    }
    assert!(std::fs::metadata(browser.screenshot("harness").await).unwrap().len() > 1_000);
    browser.close().await;
}
