//! Who may ask for what: whoever reaches loopback under one of its own names may look, and the page itself may change things.
//! Pages of other sites, which the same browser shows, may do neither.

use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;

use crate::http::is_loopback;

/// The header with the page's token. A page of another site could not send it unasked, even if it knew the token.
const TOKEN: HeaderName = HeaderName::from_static("x-zonewalk-token");

pub(super) struct Guard {
    token: String,
}

impl Guard {
    pub(super) fn new() -> Self {
        Self { token: random() }
    }

    /// What the page is given, and is to send with each change.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// Refuses what is sent to another name than loopback's, as a browser does for a page whose name leads here.
    pub(super) fn admits(&self, head: &Parts) -> Result<(), &'static str> {
        match header(head, &HOST) {
            Some(host) if is_loopback(host) => Ok(()),
            _ => Err("this page is at 127.0.0.1, [::1] or localhost only"),
        }
    }

    /// Refuses what does not come from the page itself.
    pub(super) fn lets_change(&self, head: &Parts) -> Result<(), &'static str> {
        let origin = header(head, &ORIGIN).and_then(|origin| origin.strip_prefix("http://"));
        if origin.is_none() || origin != header(head, &HOST) {
            return Err("the Origin is not the page's own");
        }
        if header(head, &TOKEN) != Some(&self.token) {
            return Err("the token is not the page's: load the page again");
        }
        Ok(())
    }
}

fn header<'h>(head: &'h Parts, name: &HeaderName) -> Option<&'h str> {
    head.headers.get(name)?.to_str().ok()
}

/// 128 random bits, which nobody guesses.
pub(super) fn random() -> String {
    format!("{:032x}", rand::random::<u128>())
}
