//! A real browser: Chromium, headless, which its own driver controls by WebDriver.

mod harness;
pub(crate) mod live;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::peers;

/// More looks than any condition takes, with a pause between them.
const LOOKS: u32 = 1_200;
const PAUSE: Duration = Duration::from_millis(50);

/// A browser with one window and a profile of its own.
pub(crate) struct Browser {
    client: Client,
    /// The session's URL at the driver, for what only Chromium's driver has.
    session: String,
    plain: reqwest::Client,
    driver: Child,
    profile: tempfile::TempDir,
}

/// What a user has asked of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    Light,
    Dark,
}

impl Browser {
    pub(crate) async fn start() -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is there (Debian: apt-get install chromium-driver)");
        let said = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = said.filter_map(|line| line.split_once("successfully on port ").map(|(_, port)| port.to_owned()));
        let port = { port }.next().expect("chromedriver says where it listens");
        let driver_url = format!("http://127.0.0.1:{}", port.trim_end_matches('.'));

        let profile = tempfile::tempdir().unwrap();
        let arguments = [
            "--headless=new",
            // Neither the sandbox nor large shared memory is to be had in a container.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--hide-scrollbars",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let capabilities = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.as_object().unwrap().clone())
            .connect(&driver_url)
            .await
            .expect("chromium starts (Debian: apt-get install chromium)");
        let id = client.session_id().await.unwrap().unwrap();
        let plain = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, session: format!("{driver_url}/session/{id}"), plain, driver, profile }
    }

    pub(crate) async fn open(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// What a function with this body returns in the page.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, vec![]).await.unwrap()
    }

    /// Looks until an expression is true in the page.
    pub(crate) async fn until(&self, expression: &str) {
        for _ in 0..LOOKS {
            if self.run(&format!("return Boolean({expression})")).await == true {
                return;
            }
            tokio::time::sleep(PAUSE).await;
        }
        panic!("never true: {expression}; the page reads: {}", self.run("return document.body.innerText").await);
    }

    /// A command of the driver that is Chromium's own.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let sent = self.plain.post(format!("{}/{path}", self.session)).body(body.to_string()).send().await.unwrap();
        let mut answer: Value = serde_json::from_slice(&sent.bytes().await.unwrap()).unwrap();
        assert_eq!(answer["value"]["error"], Value::Null, "{path}: {answer}");
        answer["value"].take()
    }

    async fn devtools(&self, command: &str, params: Value) -> Value {
        self.command("goog/cdp/execute", &json!({ "cmd": command, "params": params })).await
    }

    /// The window has so many CSS pixels, and its user likes this theme.
    pub(crate) async fn appear(&self, (width, height): (u32, u32), theme: Theme) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if theme == Theme::Dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// A picture of the whole page, or of what is in the window, as PNG.
    pub(crate) async fn picture(&self, is_whole: bool) -> Vec<u8> {
        let picture = self.devtools("Page.captureScreenshot", json!({ "captureBeyondViewport": is_whole })).await;
        BASE64_STANDARD.decode(picture["data"].as_str().unwrap()).unwrap()
    }

    /// A picture of the whole page, in target/tmp/screenshots.
    pub(crate) async fn screenshot(&self, name: &str) -> PathBuf {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join(name).with_extension("png");
        std::fs::write(&file, self.picture(true).await).unwrap();
        file
    }

    async fn log(&self, kind: &str) -> Vec<Value> {
        let entries = self.command("se/log", &json!({ "type": kind })).await;
        entries.as_array().unwrap().clone()
    }

    /// What the console has said since it was last asked, but for what is only information.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let entries = self.log("browser").await;
        let complaints = entries.iter().filter(|entry| entry["level"] != "INFO" && entry["level"] != "DEBUG");
        complaints.map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The URLs that pages have requested since this was last asked, but for the browser's own pages.
    pub(crate) async fn requested(&self) -> Vec<String> {
        let entries = self.log("performance").await;
        let messages =
            entries.iter().map(|entry| -> Value { serde_json::from_str(entry["message"].as_str().unwrap()).unwrap() });
        let requests = messages.filter(|message| message["message"]["method"] == "Network.requestWillBeSent");
        let url = |message: Value| message["message"]["params"]["request"]["url"].as_str().unwrap().to_owned();
        requests.map(url).filter(|url| !url.starts_with("chrome://")).collect()
    }

    /// What axe-core finds to be serious or critical, each with where.
    pub(crate) async fn barriers(&self) -> Vec<String> {
        let axe = peers::directory("js").join("node_modules").join("axe-core").join("axe.min.js");
        self.client.execute(&std::fs::read_to_string(axe).unwrap(), vec![]).await.unwrap();
        let script = "const done = arguments[0]; axe.run().then(found => done(found.violations))";
        let found = self.client.execute_async(script, vec![]).await.unwrap();
        let severe = found.as_array().unwrap().iter();
        let severe = severe.filter(|violation| violation["impact"] == "serious" || violation["impact"] == "critical");
        let place = |node: &Value| format!("{}: {}", node["target"], node["failureSummary"].as_str().unwrap());
        let places =
            |violation: &Value| -> Vec<_> { violation["nodes"].as_array().unwrap().iter().map(place).collect() };
        severe.map(|violation| format!("{}: {}", violation["id"], places(violation).join("; "))).collect()
    }

    pub(crate) async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

/// A test that fails midway leaves no browser behind: a driver that is ended does not end its own.
impl Drop for Browser {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.driver.id().to_string()).status();
        let _ = Command::new("pkill").args(["-KILL", "-f"]).arg(self.profile.path()).status();
        let _ = self.driver.wait();
    }
}
