//! How a local cloud was started, and what is asked of one.

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use super::error::Error;
use crate::cloud::Pace;
use crate::live;
use crate::mesh::{Binary, BinaryError, Proxies};
use crate::processes::background::Background;
use crate::processes::record;

/// The record that a running local cloud leaves for the commands that look for it.
pub type Record = record::Record<Started>;

/// How a local cloud was started.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct Started {
    /// Whether a command with `--local` started it, so that one is to stop it.
    pub background: bool,
    /// Whose Service Connect proxies its tasks have: `zonewalk's own`, `Envoy 1.40.0`. Null: a version that did not say.
    pub proxies: Option<String>,
    #[serde(flatten)]
    pub cloud: NewCloud,
}

impl Record {
    /// The address of its live page.
    pub fn live_page(&self) -> String {
        live::url(&self.endpoint_url)
    }
}

pub(super) fn process() -> Background {
    Background { what: "the local cloud", name: "local".to_owned() }
}

/// Whose Service Connect proxies the tasks have: what `--proxy` takes, its help included.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    JsonSchema,
    Serialize,
    Deserialize,
    ValueEnum,
    strum::Display,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[schemars(rename = "ProxyKind")]
pub enum Proxy {
    /// Its own
    #[default]
    Zonewalk,
    /// A real Envoy for each task
    Envoy,
}

impl Proxy {
    /// The proxies for a mesh, if what they need is there.
    pub(super) fn find(self) -> Result<Proxies, BinaryError> {
        match self {
            Self::Zonewalk => Ok(Proxies::Zonewalk),
            Self::Envoy => Binary::find().map(Proxies::Envoy),
        }
    }
}

/// What a local cloud is started with.
#[derive(Clone, Copy, Debug, Default, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct NewCloud {
    /// How fast it is.
    pub pace: Pace,
    /// Whether its account lacks the article's roles.
    pub bare_account: bool,
    /// Whose proxies its tasks have.
    pub proxy: Proxy,
}

/// What a command asks of a local cloud, as far as it does.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub pace: Option<Pace>,
    pub bare_account: bool,
    pub proxy: Option<Proxy>,
}

impl Asked {
    /// What a new cloud is made with for it.
    pub fn new_cloud(self) -> NewCloud {
        let Self { pace, bare_account, proxy } = self;
        NewCloud { pace: pace.unwrap_or_default(), bare_account, proxy: proxy.unwrap_or_default() }
    }

    /// An error if a cloud that runs is another than is asked for.
    pub(super) fn check(self, cloud: NewCloud) -> Result<(), Error> {
        let other = |running, asked| Err(Error::OtherCloud { running, asked });
        match self {
            Self { proxy: Some(asked), .. } if asked != cloud.proxy => {
                let running = match cloud.proxy {
                    Proxy::Zonewalk => "uses zonewalk's own proxies",
                    Proxy::Envoy => "uses real Envoys as proxies",
                };
                other(running, format!("--proxy {asked}"))
            }
            Self { pace: Some(asked), .. } if asked != cloud.pace => {
                let running = match cloud.pace {
                    Pace::Instant => "was started with --pace instant",
                    Pace::Fast => "was started with --pace fast",
                    Pace::Aws => "was started with --pace aws",
                };
                other(running, format!("--pace {asked}"))
            }
            Self { bare_account: true, .. } if !cloud.bare_account => {
                other("has an account with the article's roles", "--bare-account".to_owned())
            }
            _ => Ok(()),
        }
    }
}
