//! The live page's own paths, as they are asked for by hand: who may ask for what, and what is answered.

use reqwest::header::{HOST, ORIGIN};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use zonewalk::cloud::{LocalCloud, Pace};
use zonewalk::live;
use zonewalk::walkthrough;

use crate::support::{context, settings, start_cloud};

struct Page {
    cloud: LocalCloud,
    client: Client,
    token: String,
}

impl Page {
    async fn open() -> Self {
        let cloud = start_cloud(Pace::Instant).await;
        live::show(&cloud, live::Calls::default());
        let client = Client::builder().no_proxy().build().unwrap();
        let html = text(client.get(live::url(&cloud.endpoint_url()))).await.1;
        let token = html.split("name=\"zonewalk-token\" content=\"").nth(1).unwrap().split('"').next().unwrap();
        Self { token: token.to_owned(), cloud, client }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", live::url(&self.cloud.endpoint_url()))
    }

    async fn state(&self) -> Value {
        let (status, body) = text(self.client.get(self.url("/state"))).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// A change as the page asks for it.
    fn change(&self, order: &Value) -> RequestBuilder {
        let post = self.client.post(self.url("/do")).body(order.to_string());
        post.header(ORIGIN, self.cloud.endpoint_url()).header("x-zonewalk-token", &self.token)
    }

    /// An order for the walkthrough's cluster.
    async fn order(&self, order: Value) -> (StatusCode, String) {
        let mut whole = self.state().await["place"].clone();
        whole.as_object_mut().unwrap().extend(order.as_object().unwrap().clone());
        text(self.change(&whole)).await
    }
}

async fn text(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_page_itself_may_change_anything() {
    let page = Page::open().await;
    let url = page.cloud.endpoint_url();
    let order = json!({ "region": "us-east-1", "cluster": "c", "do": "faults", "preset": "slow" });
    let post = || page.client.post(page.url("/do")).body(order.to_string());
    for refused in [
        post(),
        post().header("x-zonewalk-token", &page.token),
        post().header(ORIGIN, &url),
        post().header(ORIGIN, &url).header("x-zonewalk-token", "0123456789abcdef0123456789abcdef"),
        post().header(ORIGIN, "http://example.com").header("x-zonewalk-token", &page.token),
        // Another page on this machine.
        post().header(ORIGIN, "http://127.0.0.1:1").header("x-zonewalk-token", &page.token),
        post().header(ORIGIN, "null").header("x-zonewalk-token", &page.token),
        // A name of somebody's that leads to this machine: even looking is refused.
        page.change(&order).header(HOST, "example.com"),
        page.client.get(page.url("")).header(HOST, "rebound.example.com:4566"),
        page.client.get(page.url("/state")).header(HOST, "rebound.example.com:4566"),
    ] {
        let (status, body) = text(refused).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
        assert!(!body.contains(&page.token));
    }
    // Nor may any page ask for what is the commands' own.
    for path in ["shutdown", "faults", "mesh"] {
        let own = page.client.post(format!("{url}/_zonewalk/{path}")).header(ORIGIN, "http://example.com");
        assert_eq!(text(own).await.0, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(page.cloud.faults()["fault"], json!([]));
    // Let in, it is told what is wrong with the order.
    let (status, body) = text(page.change(&order)).await;
    assert_eq!(
        (status, body.contains("there is no cluster c in us-east-1")),
        (StatusCode::BAD_REQUEST, true),
        "{body}"
    );

    let port = url.rsplit(':').next().unwrap();
    let (status, _) = text(page.client.get(page.url("")).header(HOST, format!("localhost:{port}"))).await;
    assert_eq!(status, StatusCode::OK);
    let answer = page.client.get(page.url("")).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for (method, path) in [("GET", "/do"), ("POST", "/state"), ("POST", "")] {
        let method = method.parse().unwrap();
        let (status, _) = text(page.client.request(method, page.url(path))).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    let (status, body) = text(page.client.get(page.url("/else"))).await;
    assert_eq!((status, body.contains("GET health")), (StatusCode::NOT_FOUND, true), "{body}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_tells_what_stands_and_orders_change_it() {
    let page = Page::open().await;
    let empty = page.state().await;
    assert_eq!((&empty["place"], &empty["places"], &empty["predicted"]), (&Value::Null, &json!([]), &Value::Null));
    walkthrough::up(&context(&page.cloud, settings()).await).await.unwrap();

    let state = page.state().await;
    assert_eq!(state["place"], json!({ "region": "us-east-1", "cluster": "az-aware-cluster-ec2" }));
    let zones: Vec<_> = state["zones"].as_array().unwrap().iter().map(|zone| &zone["id"]).collect();
    assert_eq!(zones, ["use1-az1", "use1-az4", "use1-az6"]);
    let roles: Vec<_> = state["services"].as_array().unwrap().iter().map(|it| (&it["role"], &it["running"])).collect();
    assert_eq!(roles, [(&json!("frontend"), &json!(6)), (&json!("backend"), &json!(6))]);
    assert_eq!((state["tasks"].as_array().unwrap().len(), state["proxies"].as_array().unwrap().len()), (12, 6));
    assert_eq!(state["predicted"]["same_zone_share"], 1.0);
    assert_eq!(state["predicted"]["zones"][0]["state"], "locality_direct");
    assert!(state["events"].as_array().unwrap().iter().any(|it| it["text"].as_str().unwrap().contains("steady state")));

    for (order, changed) in [
        (
            json!({ "do": "threshold", "min_cluster_size": 7 }),
            "/conditions/runtime/upstream.zone_routing.min_cluster_size",
        ),
        (json!({ "do": "fail", "zone": "use1-az1", "on": true }), "/trouble/failing_zones/0"),
        (json!({ "do": "cut", "zone": "use1-az4", "on": true }), "/trouble/cut_zones/0"),
        (json!({ "do": "links", "same_zone_ms": 0.5, "cross_zone_ms": 20.0 }), "/conditions/links/cross_zone_ms"),
        (json!({ "do": "faults", "preset": "throttled" }), "/faults/0/kind"),
        (json!({ "do": "traffic", "rate": 5 }), "/traffic/rate"),
        (json!({ "do": "traffic", "rate": 5, "header": "x-tenant=blue" }), "/traffic/header"),
    ] {
        assert_eq!(page.order(order.clone()).await.0, StatusCode::OK, "{order}");
        let expected = ["min_cluster_size", "zone", "header", "rate", "cross_zone_ms"]
            .iter()
            .find_map(|name| order.get(*name))
            .cloned();
        assert_eq!(page.state().await.pointer(changed), Some(&expected.unwrap_or("throttle".into())), "{order}");
    }
    let predicted = &page.state().await["predicted"];
    assert_eq!(
        (&predicted["min_cluster_size"], &predicted["zones"][0]["state"]),
        (&json!(7), &json!("no_locality_routing"))
    );

    // What the API refuses is refused in its words; what it is not about, in the page's.
    for (order, reason) in [
        (json!({ "do": "count", "service": "no-such", "count": 3 }), "ServiceNotFoundException"),
        (json!({ "do": "stop", "task": "no-such" }), "InvalidParameterException"),
        (
            json!({ "do": "fail", "zone": "use1-az2", "on": true }),
            "nothing of az-aware-cluster-ec2 is in zone use1-az2",
        ),
        (json!({ "do": "links", "same_zone_ms": -1, "cross_zone_ms": 1 }), "from 0 to 10000 ms"),
        (json!({ "do": "traffic", "rate": 501 }), "at most 500"),
        (json!({ "do": "traffic", "rate": 5, "header": "blue" }), "a header's name and value are needed"),
        (json!({ "do": "run", "command": "id" }), "run"),
    ] {
        let (status, body) = page.order(order.clone()).await;
        assert_eq!((status, body.contains(reason)), (StatusCode::BAD_REQUEST, true), "{order}: {body}");
    }
    page.cloud.shutdown().await;
}
