//! A real Envoy hears the same malformed, ambiguous and unusual messages as the sidecar. Where they differ, this says how and why.

use std::collections::BTreeMap;

use zonewalk::mesh::Proxies;
use zonewalk::mesh::endpoints::LocalCluster;

use crate::envoy_answers::{Proxied, zone};
use crate::envoy_sidecars::envoys;
use crate::sidecar_malformed::{Case, cases, outcomes};

/// What Envoy does in other ways, and why the sidecar's is as good.
const DIFFERENT: &[(&str, &str)] = &[
    ("length-and-chunked", BY_CHUNKS),
    ("chunked-and-length", BY_CHUNKS),
    ("smuggled-behind-chunks", BY_CHUNKS),
    ("one-length-twice", "as RFC 9110 allows (section 8.6), only one length is passed on; Envoy refuses it"),
    ("coding-unknown", REFUSED_OTHERWISE),
    ("coding-identity", REFUSED_OTHERWISE),
    ("coding-chunked-first", REFUSED_OTHERWISE),
    ("coding-twice", REFUSED_OTHERWISE),
    ("coding-in-http-10", REFUSED_OTHERWISE),
    ("version-1.2", REFUSED_OTHERWISE),
    ("version-2.0", REFUSED_OTHERWISE),
    ("no-version", REFUSED_OTHERWISE),
    ("two-hosts", REFUSED_OTHERWISE),
    ("host-twice", REFUSED_OTHERWISE),
    ("coding-folded", STRICTER),
    ("chunks-data-lf", STRICTER),
    ("chunks-too-long", STRICTER),
    ("bare-cr-in-a-header", STRICTER),
    ("folded-header", STRICTER),
    ("two-spaces", STRICTER),
    ("a-folded", STRICTER),
    ("a-switching", STRICTER),
    ("connection-names-host", "the host stays, since without it this would be another request; Envoy refuses it"),
    ("method-lower-case", "any token is a method (RFC 9110, section 9.1); Envoy refuses it"),
    ("options-all", "Envoy's route is for paths, and this is none"),
    ("target-with-a-fragment", "the fragment is dropped; Envoy refuses it"),
    ("http-2-preface", "both wait for HTTP/2 then; what is none closes the connection here, and Envoy says nothing"),
    ("a-chunks-broken", "what came before the broken chunk is passed on; Envoy drops it"),
];

const BY_CHUNKS: &str =
    "as RFC 9112 allows (section 6.3), it goes by the chunks, passes no length on, and closes; Envoy refuses it";
const REFUSED_OTHERWISE: &str = "both refuse it, with another status";
const STRICTER: &str = "the sidecar refuses what Envoy repairs";

/// How many clusters an Envoy gets: it watches the endpoints of each with an inotify instance, of which a user has 128.
const CLUSTERS: usize = 30;

/// What comes of each case through a proxy.
async fn hear(proxies: Proxies) -> BTreeMap<&'static str, String> {
    let mut heard = BTreeMap::new();
    for cases in cases().await.chunks(CLUSTERS) {
        let proxied = Proxied::new(&proxies, cases.iter().map(Case::upstream).collect()).await;
        let local: LocalCluster = [(zone(1), vec![[10, 0, 0, 1].into()])].into();
        proxied.proxy.update(&local, &cases.iter().map(|case| case.endpoints(&zone(1))).collect::<Vec<_>>());
        proxied.knows_all().await;
        heard.extend(outcomes(cases, proxied.egress).await);
    }
    heard
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Envoy: tests/run.sh installs it"]
async fn what_is_malformed_fares_as_with_envoy() {
    let (ours, envoys) = tokio::join!(hear(Proxies::Zonewalk), hear(envoys()));
    let mut differences = String::new();
    for (name, ours) in &ours {
        let envoy = &envoys[name];
        let reason = DIFFERENT.iter().find(|(different, _)| different == name).map(|(_, reason)| reason);
        match (ours == envoy, reason) {
            (true, None) => {}
            (true, Some(_)) => differences += &format!("{name}: no longer differs\n"),
            (false, Some(_)) => {}
            (false, None) => differences += &format!("{name}:\n  ours  {ours}\n  Envoy {envoy}\n"),
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
