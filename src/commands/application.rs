//! An application of one's own in the place of the article's: where it answers, what it is asked, and where its answers name
//! their zones.

use std::str::FromStr;
use std::sync::Arc;

use clap::Args;

use crate::stages::Context;
use crate::traffic::{Header, Load, ZoneFields};

/// What the command line takes of it, its help included.
#[derive(Clone, Debug, Default, Args)]
pub struct Application {
    /// Ask this URL, http://…, instead of the walkthrough's load balancer
    #[arg(long, value_name = "URL", value_parser = plain_http)]
    pub url: Option<String>,
    /// Header of each request; repeatable
    #[arg(long = "header", value_name = "NAME=VALUE")]
    pub headers: Vec<Header>,
    /// Where an answer names its zone IDs: two fields' names, or JSON pointers [default: the article's]
    #[arg(long, value_name = "FRONTEND,BACKEND")]
    pub zone_fields: Option<ZoneFields>,
    /// ECS services behind the URL, for the prediction and the counters; without them there is neither
    #[arg(long, value_name = "FRONTEND,BACKEND", requires = "url")]
    pub services: Option<Services>,
    /// ECS cluster of those services [default: the walkthrough's]
    #[arg(long, value_name = "CLUSTER", requires = "services")]
    pub cluster: Option<String>,
}

/// The names of the service that calls and of the one that is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    frontend: String,
    backend: String,
}

impl FromStr for Services {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split_once(',').map(|(frontend, backend)| (frontend.trim(), backend.trim()));
        let names = names.filter(|(frontend, backend)| !frontend.is_empty() && !backend.is_empty());
        let (frontend, backend) =
            names.ok_or("the names of two services are needed, the one that calls first: web,api".to_owned())?;
        Ok(Self { frontend: frontend.to_owned(), backend: backend.to_owned() })
    }
}

/// Takes URLs that requests can be sent to.
fn plain_http(url: &str) -> Result<String, String> {
    match url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
        Some("http") => Ok(url.to_owned()),
        Some("https") => {
            Err("TLS is not spoken here: name an address that answers without it, such as the load balancer's HTTP \
                              listener, or the local end of a tunnel or proxy that speaks TLS"
                .to_owned())
        }
        _ => Err("a URL is needed that begins with http://".to_owned()),
    }
}

impl Application {
    /// The same load with its headers and its fields.
    pub(super) fn ask(&self, load: Load) -> Load {
        let headers = load.headers.into_iter().chain(self.headers.iter().cloned()).collect();
        let zone_fields = self.zone_fields.clone().unwrap_or(load.zone_fields);
        Load { headers, zone_fields, is_own: self.url.is_some(), ..load }
    }

    /// The context in which its services are looked up. None: they are not known.
    pub(super) fn context(&self, ctx: &Context) -> Option<Context> {
        let Services { frontend, backend } = self.services.clone()?;
        let mut names = ctx.names.as_ref().clone();
        names.cluster = self.cluster.clone().unwrap_or(names.cluster);
        (names.frontend.service, names.backend.service) = (frontend, backend);
        let mut ctx = ctx.clone();
        ctx.names = Arc::new(names);
        Some(ctx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_tls_is_needed() {
        assert_eq!(plain_http("HTTP://shop.internal/"), Ok("HTTP://shop.internal/".to_owned()));
        assert!(plain_http("https://shop.internal/").unwrap_err().contains("TLS is not spoken here"));
        for url in ["shop.internal", "ftp://shop.internal/", ""] {
            assert!(plain_http(url).unwrap_err().contains("http://"), "{url}");
        }
    }

    #[test]
    fn services_are_two_names() {
        assert_eq!("web, api".parse::<Services>().unwrap().backend, "api");
        for text in ["", "web", "web,", ",api"] {
            assert!(text.parse::<Services>().unwrap_err().contains("web,api"), "{text}");
        }
    }
}
