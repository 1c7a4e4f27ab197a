//! The queries about Service Connect's access logs: what each proxy's stream has to do with which address.

use super::Addend;

/// Of accesses in JSON, HTTP: how many requests, and how many bytes of their bodies, each log stream's proxy sent to which address. What
/// came in is left out: its upstream is the proxy's own application.
const JSON_QUERY: &str = r"filter ispresent(upstream_host) and upstream_host not like /^(127\.|\[::1\])/
| parse upstream_host /^\[?(?<ip>[0-9a-fA-F:.]+?)\]?:(?<port>\d+)$/
| stats count(*) as requests, sum(bytes_sent) as down, sum(bytes_received) as up by @logStream, ip
| limit 10000";

/// The same of accesses in text.
const TEXT_QUERY: &str = r#"parse @message /^\[\S+\] "[^"]*" \d+ (?<bytes_received>\d+) (?<bytes_sent>\d+) \d+ \S+ "[^"]*" "[^"]*" "[^"]*" "[^"]*" "\[?(?<ip>[0-9a-fA-F:.]+?)\]?:(?<port>\d+)"$/
| filter ispresent(ip) and ip not like /^(127\.|::1)/
| stats count(*) as requests, sum(bytes_sent) as down, sum(bytes_received) as up by @logStream, ip
| limit 10000"#;

/// Of connections in JSON: how many came to each log stream's proxy from which address. Of TCP only the called side knows both.
const TCP_QUERY: &str = r"fields downstream_remote_address as ip
| filter ispresent(ip) and ip not like /^(127\.|::1)/
| stats count(*) as requests, sum(bytes_sent) as down, sum(bytes_received) as up by @logStream, ip
| limit 10000";

/// Which accesses, and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accesses {
    Json,
    Text,
    Tcp,
}

impl Accesses {
    const ALL: [Self; 3] = [Self::Json, Self::Text, Self::Tcp];

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Json => JSON_QUERY,
            Self::Text => TEXT_QUERY,
            Self::Tcp => TCP_QUERY,
        }
    }

    /// The query that a text is, its words parted by single spaces.
    pub(super) fn recognize(text: &str) -> Option<Self> {
        let is_it = |query: &Self| query.text().split_whitespace().eq(text.split(' '));
        Self::ALL.into_iter().find(is_it)
    }

    /// The address of the other side; one request, its bytes down and up.
    pub(super) fn of_event(self, message: &str) -> Option<Addend> {
        let (host, up, down) = match self {
            Self::Text => text_fields(message)?,
            Self::Json | Self::Tcp => {
                let fields: serde_json::Value = serde_json::from_str(message).ok()?;
                let host = if self == Self::Json { "upstream_host" } else { "downstream_remote_address" };
                let bytes = |name: &str| fields[name].as_f64().unwrap_or_default();
                (fields[host].as_str()?.to_owned(), bytes("bytes_received"), bytes("bytes_sent"))
            }
        };
        let ip = if self == Self::Tcp { host.as_str() } else { host.rsplit_once(':')?.0 };
        let ip = ip.trim_start_matches('[').trim_end_matches(']');
        (!ip.starts_with("127.") && ip != "::1").then(|| (vec![ip.to_owned()], vec![1.0, down, up]))
    }
}

/// `[start] "GET / HTTP/1.1" 200 0 11 1 1 "-" "agent" "id" "authority" "10.0.0.1:8090"`
fn text_fields(message: &str) -> Option<(String, f64, f64)> {
    let (_, rest) = message.strip_prefix('[')?.split_once("] \"")?;
    let (_, rest) = rest.split_once("\" ")?;
    let mut numbers = rest.split(' ').skip(1);
    let (up, down) = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
    let (_, host) = rest.strip_suffix('"')?.rsplit_once('"')?;
    Some((host.to_owned(), up, down))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other_side(accesses: Accesses, message: &str) -> Option<(String, f64, f64)> {
        let (keys, sums) = accesses.of_event(message)?;
        assert_eq!((keys.len(), sums.len(), sums[0]), (1, 3, 1.0));
        Some((keys[0].clone(), sums[2], sums[1]))
    }

    #[test]
    fn a_query_is_known_however_it_is_wrapped() {
        let known = |text: &str| super::super::Query::recognize(text);
        assert_eq!(known(&JSON_QUERY.replace('\n', "  ")), Some(super::super::Query::Accesses(Accesses::Json)));
        assert_eq!(known(TEXT_QUERY), Some(super::super::Query::Accesses(Accesses::Text)));
        assert_eq!(known("fields @message"), None);
    }

    #[test]
    fn what_goes_to_the_own_application_is_left_out() {
        let json = |host: &str| format!(r#"{{"upstream_host":{host},"bytes_received":3,"bytes_sent":5}}"#);
        let of = other_side;
        assert_eq!(of(Accesses::Json, &json("\"10.0.0.7:8090\"")), Some(("10.0.0.7".to_owned(), 3.0, 5.0)));
        assert_eq!(of(Accesses::Json, &json("\"[fd00::7]:8090\"")).map(|(ip, ..)| ip), Some("fd00::7".to_owned()));
        for none in ["\"127.0.0.1:8090\"", "\"[::1]:8090\"", "null"] {
            assert_eq!(of(Accesses::Json, &json(none)), None);
        }
        let text =
            r#"[2026-07-01T00:00:00.000Z] "GET /a b HTTP/1.1" 200 3 5 1 1 "-" "a (b)" "id" "back:80" "10.0.0.7:8090""#;
        assert_eq!(of(Accesses::Text, text), Some(("10.0.0.7".to_owned(), 3.0, 5.0)));
        assert_eq!(of(Accesses::Text, "[2026-07-01 00:00:00.000][info] starting main dispatch loop"), None);
        let tcp = r#"{"downstream_remote_address":"10.0.0.7","bytes_received":3,"bytes_sent":5}"#;
        assert_eq!(of(Accesses::Tcp, tcp), Some(("10.0.0.7".to_owned(), 3.0, 5.0)));
    }
}
