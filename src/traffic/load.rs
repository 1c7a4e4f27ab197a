//! The traffic that is to be sent, and where its answers say which zones they came from.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

use super::observation::Meter;

/// The traffic that is to be sent.
#[derive(Clone, Debug)]
pub struct Load {
    /// The URL that is asked: the load balancer's, `http://host/`.
    pub url: String,
    /// The number of requests; without one, traffic goes on until it is stopped or its time is over.
    pub requests: Option<u64>,
    /// How long requests are started, if not for as long as it takes.
    pub lasting: Option<Duration>,
    /// The number of requests under way at once; more where the rate needs it, since the answers come from far away.
    pub concurrency: u32,
    /// The rate, in requests a second. Each starts at its time, whatever became of the ones before. Without a rate each
    /// follows the answer to the one before.
    pub per_second: Option<u32>,
    /// The headers of each request.
    pub headers: Vec<Header>,
    /// The fields of an answer that name its zones.
    pub zone_fields: ZoneFields,
    /// Whether the URL is that of an application of the user's own, which no `up` mends.
    pub is_own: bool,
    /// Where each request is noted as it ends, for who looks on.
    pub meter: Option<Meter>,
}

impl Default for Load {
    /// The article's request: its header makes the frontend call the backend.
    fn default() -> Self {
        let header = Header(HeaderName::from_static("azawarerouting"), HeaderValue::from_static("true"));
        Self {
            url: String::new(),
            requests: None,
            lasting: None,
            concurrency: 1,
            per_second: None,
            headers: vec![header],
            zone_fields: ZoneFields::default(),
            is_own: false,
            meter: None,
        }
    }
}

impl Load {
    /// How many requests there will be at most. None: that is not known before.
    pub(super) fn total(&self) -> Option<u64> {
        let in_time = self.lasting.zip(self.per_second).map(|(lasting, rate)| {
            let nanos = lasting.as_nanos() * u128::from(rate);
            u64::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u64::MAX)
        });
        [self.requests, in_time].into_iter().flatten().min()
    }
}

/// A header of a request: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header(pub HeaderName, pub HeaderValue);

impl FromStr for Header {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (name, value) = text.split_once('=')?;
            Some(Self(name.trim().parse().ok()?, value.trim().parse().ok()?))
        };
        parse().ok_or_else(|| "a header's name and value are needed, such as x-tenant=blue".to_owned())
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.0, String::from_utf8_lossy(self.1.as_bytes()))
    }
}

/// The fields of an answer, a JSON object, that name the zones of the frontend and of the backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneFields {
    pub(super) frontend: Field,
    pub(super) backend: Field,
}

/// A field's name, or a JSON pointer (RFC 6901) to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) pointer: String,
}

impl Field {
    fn new(name: &str) -> Self {
        let is_pointer = name.starts_with('/');
        let pointer =
            if is_pointer { name.to_owned() } else { format!("/{}", name.replace('~', "~0").replace('/', "~1")) };
        Self { name: name.to_owned(), pointer }
    }
}

impl Default for ZoneFields {
    /// The article's application's.
    fn default() -> Self {
        Self { frontend: Field::new("availabilityZoneId"), backend: Field::new("upstreamAvailabilityZoneId") }
    }
}

impl FromStr for ZoneFields {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split_once(',').map(|(frontend, backend)| (frontend.trim(), backend.trim()));
        match names.filter(|(frontend, backend)| !frontend.is_empty() && !backend.is_empty()) {
            Some((frontend, backend)) => Ok(Self { frontend: Field::new(frontend), backend: Field::new(backend) }),
            None => {
                Err("two names of fields or JSON pointers are needed, such as zone,upstreamZone or /here/az,/there/az"
                    .to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_and_a_time_come_to_a_number() {
        let load = |requests, lasting: Option<u64>, per_second| {
            let lasting = lasting.map(Duration::from_millis);
            Load { requests, lasting, per_second, ..Load::default() }.total()
        };
        assert_eq!(load(None, None, Some(10)), None);
        assert_eq!(load(None, Some(1_500), None), None);
        assert_eq!(load(Some(40), Some(1_500), None), Some(40));
        assert_eq!(load(None, Some(1_550), Some(10)), Some(16));
        assert_eq!(load(Some(12), Some(1_500), Some(10)), Some(12));
    }

    #[test]
    fn fields_are_names_or_pointers() {
        let fields: ZoneFields = "zone, /up/az".parse().unwrap();
        assert_eq!((fields.frontend.pointer.as_str(), fields.backend.pointer.as_str()), ("/zone", "/up/az"));
        for text in ["", "zone", "zone,", ",zone"] {
            assert!(text.parse::<ZoneFields>().unwrap_err().contains("/here/az"), "{text}");
        }
        let header: Header = "X-Tenant = blue=1".parse().unwrap();
        assert_eq!((header.0.as_str(), header.1.to_str().unwrap()), ("x-tenant", "blue=1"));
        assert_eq!(header.to_string(), "x-tenant=blue=1");
        assert!("tenant".parse::<Header>().is_err() && "a b=c".parse::<Header>().is_err());
    }
}
