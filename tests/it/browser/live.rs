//! The live page in a browser: what it shows is what there is, and what is switched in it is seen in it.

use serde_json::Value;
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::{live, walkthrough};

use super::{Browser, Theme};
use crate::envoy_peer;
use crate::machine::Machine;
use crate::support::{context, settings, start_cloud};

/// A cloud with the walkthrough in it, and its page.
pub(crate) async fn stage() -> (LocalCloud, String) {
    let cloud = start_cloud(Pace::Fast).await;
    live::show(&cloud, live::Calls::default());
    walkthrough::up(&context(&cloud, settings()).await).await.unwrap();
    let url = live::url(&cloud.endpoint_url());
    (cloud, url)
}

/// Looks until a figure of the latest frame is so.
async fn until(browser: &Browser, expression: &str) {
    browser.until(&format!("(() => {{ const frame = frames.at(-1); return frame && ({expression}) }})()")).await;
}

/// Presses a button by what it is called aloud.
async fn press(browser: &Browser, label: &str) {
    browser.run(&format!("document.querySelector('button[aria-label=\"{label}\"]').click()")).await;
}

async fn set(browser: &Browser, id: &str, value: &str) {
    let script = format!(
        "const input = document.getElementById('{id}'); input.value = '{value}'; input.dispatchEvent(new Event('change'))"
    );
    browser.run(&script).await;
}

async fn assert_clean(browser: &Browser, url: &str) {
    assert_eq!(browser.complaints().await, [""; 0]);
    let origin = url.split("/_zonewalk").next().unwrap();
    let requested = browser.requested().await;
    let ours = |url: &&String| url.starts_with(&format!("{origin}/_zonewalk/live")) || url.starts_with("data:");
    assert!(requested.len() > 2 && requested.iter().all(|url| ours(&url)), "{requested:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, its driver and axe-core: tests/run.sh installs the last"]
async fn what_is_switched_changes_routing_picture_and_prediction() {
    let (cloud, url) = stage().await;
    let browser = Browser::start().await;
    browser.appear((1280, 900), Theme::Light).await;
    browser.open(&url).await;
    browser.until("document.querySelectorAll('#picture .task').length === 12").await;
    let zones =
        browser.run("return [...document.querySelectorAll('#matrix tbody th')].map(th => th.textContent)").await;
    assert_eq!(zones, serde_json::json!(["use1-az1", "use1-az4", "use1-az6"]));
    let counts = browser.run("return [...document.querySelectorAll('#picture .soft')].map(it => it.textContent)").await;
    let of = |words: &str| counts.as_array().unwrap().iter().filter(|it| *it == words).count();
    assert_eq!((of("2 frontends"), of("2 backends")), (3, 3), "{counts}");

    // Traffic: all of it stays in its zone, as is predicted.
    set(&browser, "rate", "100").await;
    until(&browser, "frame.share === 1 && frame.total > 20").await;
    browser.until("document.getElementById('share').textContent === '100 %predicted 100 %'").await;

    // With a header of one's own, which stays in its field.
    set(&browser, "header", "x-tenant=blue").await;
    until(&browser, "frame.snap.traffic.header === 'x-tenant=blue' && frame.snap.traffic.rate === 100").await;
    until(&browser, "frame.share === 1 && frame.snap.traffic.second.requests > 50").await;

    // A backend less than the threshold. The page asks anew as soon as it has told of a change: the next frame has it, but
    // for one that was asked for before.
    let before = browser.run("return frames.length").await.as_u64().unwrap();
    set(&browser, "threshold", "7").await;
    let is_predicted = "frame => frame.snap.predicted.min_cluster_size === 7";
    browser.until(&format!("frames.some({is_predicted})")).await;
    let first = browser.run(&format!("return frames.findIndex({is_predicted})")).await.as_u64().unwrap();
    assert!((before..=before + 1).contains(&first), "{before} frames were there, and frame {first} shows it");
    browser.until("document.getElementById('reasons').textContent.includes('7')").await;
    until(&browser, "frame.share < 0.7 && frame.share > 0.05").await;
    browser.until("document.querySelectorAll('#matrix .cell.cross').length === 6").await;
    browser.until("document.getElementById('share').textContent.includes('predicted 33.3 %')").await;
    set(&browser, "threshold", "6").await;
    until(&browser, "frame.share === 1").await;

    // A task less, by the API's own function, which is one too few for zones to count; and one more again.
    press(&browser, "One task less of az-aware-backend-service-ec2").await;
    until(&browser, "frame.snap.tasks.filter(task => task.role === 'backend' && task.is_discovered).length === 5")
        .await;
    browser.until("document.getElementById('reasons').textContent.includes('5 healthy backends')").await;
    press(&browser, "One task more of az-aware-backend-service-ec2").await;
    until(&browser, "frame.snap.tasks.filter(task => task.role === 'backend' && task.is_discovered).length === 6")
        .await;

    // A task that is stopped is replaced.
    let stopped = browser.run("return frames.at(-1).snap.tasks.find(task => task.role === 'backend').id").await;
    let id = stopped.as_str().unwrap();
    press(&browser, &format!("Stop task {} of az-aware-backend-service-ec2", &id[..8])).await;
    until(&browser, &format!("!frame.snap.tasks.some(task => task.id === '{id}')")).await;
    until(&browser, "frame.snap.tasks.filter(task => task.is_discovered).length === 12").await;

    // A zone's backends fail: their requests do, until they are ejected and other zones take over.
    press(&browser, "Backends fail in use1-az6").await;
    browser.until("document.querySelectorAll('#picture .task.failing').length === 2").await;
    browser.until("frames.some(frame => frame.errors > 0)").await;
    until(&browser, "frame.snap.proxies.some(proxy => proxy.counters['outlier_detection.ejections_active'] > 0)").await;
    press(&browser, "Backends fail in use1-az6").await;
    until(&browser, "frame.snap.trouble.failing_zones.length === 0").await;

    // A cut zone.
    press(&browser, "Cut off use1-az1").await;
    browser.until("document.querySelectorAll('#picture .zone.cut').length === 1").await;
    until(&browser, "frame.snap.tasks.some(task => task.zone === 'use1-az1' && task.health === 'unhealthy')").await;
    browser.screenshot("live-cut").await;
    press(&browser, "Cut off use1-az1").await;
    until(&browser, "frame.snap.tasks.filter(task => task.health === 'healthy').length === 6").await;

    // Faults are the API's, and the page goes on.
    set(&browser, "faults", "throttled").await;
    until(&browser, "frame.snap.faults.length === 1").await;
    assert!(cloud.faults().to_string().contains("throttle"));
    set(&browser, "faults", "none").await;
    until(&browser, "frame.snap.faults.length === 0").await;

    // The past is looked at, and nothing is changed in it.
    browser
        .run("const when = document.getElementById('when'); when.value = 0; when.dispatchEvent(new Event('input'))")
        .await;
    browser
        .until("document.getElementById('state').textContent === 'history' && document.getElementById('rate').disabled")
        .await;
    browser.run("document.getElementById('live').click()").await;
    browser.until("document.getElementById('state').textContent.startsWith('live')").await;

    set(&browser, "rate", "0").await;
    until(&browser, "frame.snap.traffic.rate === 0").await;
    assert_clean(&browser, &url).await;
    browser.close().await;
    cloud.shutdown().await;
}

/// Traffic for some seconds: first by zone, then not, then with backends that fail in one zone.
pub(crate) async fn show_traffic(browser: &Browser) {
    browser.until("frames.length > 1").await;
    set(browser, "rate", "60").await;
    set(browser, "threshold", "7").await;
    browser.until("frames.filter(frame => frame.total > 10).length >= 4").await;
    set(browser, "threshold", "6").await;
    until(browser, "frame.share === 1").await;
    press(browser, "Backends fail in use1-az6").await;
    browser.until("frames.filter(frame => frame.total > 10).length >= 12").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, its driver and axe-core: tests/run.sh installs the last"]
async fn both_themes_and_a_phone_have_no_barriers() {
    let (cloud, url) = stage().await;
    let browser = Browser::start().await;
    browser.open(&url).await;
    show_traffic(&browser).await;
    for (width, height, theme, name) in [
        (1280, 900, Theme::Light, "live-light"),
        (1280, 900, Theme::Dark, "live-dark"),
        (390, 844, Theme::Light, "live-phone-light"),
        (390, 844, Theme::Dark, "live-phone-dark"),
    ] {
        browser.appear((width, height), theme).await;
        browser
            .until(&format!(
                "innerWidth === {width} && document.getElementById('picture').viewBox.baseVal.width < {width}"
            ))
            .await;
        // Colors pass into each other for a moment, and half way through they are no theme's.
        browser.run("document.getAnimations().forEach(animation => animation.finish && animation.effect.getTiming().iterations !== Infinity && animation.finish())").await;
        browser.screenshot(name).await;
        assert_eq!(browser.barriers().await, [""; 0], "{name}");
        let overflow = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
        assert_eq!(overflow, Value::from(0), "{name}");
    }
    assert_clean(&browser, &url).await;
    browser.close().await;
    cloud.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Chromium, its driver, axe-core and Envoy: tests/run.sh installs the last two"]
async fn real_envoys_are_shown_as_they_route() {
    let machine = Machine::with("ENVOY_BIN", &envoy_peer::binary());
    machine.json(&["up", "--local", "--proxy", "envoy", "--output", "json"]);
    let url = machine.json(&["local", "status", "--output", "json"])["live_page"].as_str().unwrap().to_owned();
    let browser = Browser::start().await;
    browser.appear((1280, 900), Theme::Light).await;
    browser.open(&url).await;
    browser.until("document.getElementById('about').textContent.startsWith('Envoy 1.')").await;
    set(&browser, "rate", "60").await;
    until(&browser, "frame.share === 1 && frame.total > 20").await;
    until(&browser, "frame.snap.proxies.every(proxy => proxy.counters.lb_zone_routing_all_directly > 0)").await;
    // A task less, of which Envoys learn by their endpoints, is one too few for zones to count; and one more again.
    press(&browser, "One task less of az-aware-backend-service-ec2").await;
    until(&browser, "frame.share < 0.7 && frame.snap.predicted.same_zone_share < 0.34").await;
    press(&browser, "One task more of az-aware-backend-service-ec2").await;
    until(&browser, "frame.share === 1 && frame.snap.predicted.same_zone_share === 1").await;
    set(&browser, "rate", "0").await;
    assert_clean(&browser, &url).await;
    browser.close().await;
    machine.json(&["down", "--local", "--output", "json"]);
}
