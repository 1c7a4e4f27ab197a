//! Service Connect's access logs, as its proxies write them (ECS Developer Guide, "Envoy access logs" of Service Connect): a line
//! for what comes in and one for what goes out, among the proxy's own.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::streams;
use crate::cloud::carried::{Exchange, Log, Party};
use crate::cloud::region::Region;
use crate::mesh::journal::Line;

/// Writes what the exchanges' proxies log, when each has ended.
pub(crate) fn write_accesses(region: &mut Region, exchanges: &[Exchange]) {
    for exchange in exchanges {
        let at = ended(exchange);
        if exchange.name.app_protocol.is_some() {
            if let (Some(log), Some(line)) = (&exchange.proxy.log, &exchange.line) {
                streams::write_of_proxy(region, log, at, http(exchange, line, log));
            }
            continue;
        }
        // TCP: each request is taken for a connection of its own. Its other side is known here where it comes from a proxy; of what
        // comes from elsewhere nothing is known, and that is not told.
        let Some(target) = &exchange.target else { continue };
        if let Some(log) = &exchange.proxy.log {
            streams::write_of_proxy(region, log, at, tcp(exchange, "127.0.0.1", log));
        }
        if let Some(log) = target.party.as_deref().and_then(|party: &Party| party.log.as_ref()) {
            streams::write_of_proxy(region, log, at, tcp(exchange, &exchange.proxy.ip.to_string(), log));
        }
    }
}

fn ended(exchange: &Exchange) -> Timestamp {
    exchange.began.checked_add(exchange.took).unwrap_or(exchange.began)
}

fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn http(exchange: &Exchange, line: &Line, log: &Log) -> String {
    let path = if log.with_query { &*line.path } else { line.path.split('?').next().unwrap_or_default() };
    let upstream = match &exchange.target {
        None => Some(format!("127.0.0.1:{}", exchange.own_port)),
        Some(target) => target.party.as_ref().map(|party| format!("{}:{}", party.ip, target.port)),
    };
    let duration = exchange.took.as_millis() as u64;
    let service_time = upstream.as_ref().map(|_| duration);
    let (start, status) = (time(exchange.began), exchange.status);
    let (received, sent) = (exchange.request.body, exchange.response.body);
    let Line { method, protocol, authority, user_agent, request_id, forwarded_for, .. } = line;
    if !log.is_json {
        let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let service_time = service_time.map_or_else(|| "-".to_owned(), |time| time.to_string());
        let texts =
            [forwarded_for, user_agent, request_id, authority, &upstream].map(|text| format!("\"{}\"", said(text)));
        return format!(
            "[{start}] \"{method} {path} {protocol}\" {status} {received} {sent} {duration} {service_time} {}",
            texts.join(" ")
        );
    }
    let mut fields = json!({
        "start_time": start,
        "method": method,
        "path": path,
        "protocol": protocol,
        "response_code": status,
        "bytes_received": received,
        "bytes_sent": sent,
        "duration": duration,
        "upstream_service_time": service_time,
        "forwarded_for": forwarded_for,
        "user_agent": user_agent,
        "request_id": request_id,
        "authority": authority,
        "upstream_host": upstream,
    });
    match exchange.name.app_protocol.as_deref() {
        Some("http2") => fields["stream_id"] = Value::Null,
        Some("grpc") => (fields["stream_id"], fields["grpc_status"]) = (Value::Null, Value::Null),
        _ => {}
    }
    fields.to_string()
}

fn tcp(exchange: &Exchange, from: &str, log: &Log) -> String {
    let fields = [
        ("start_time", json!(time(exchange.began))),
        ("downstream_remote_address", json!(from)),
        ("downstream_remote_port", Value::Null),
        ("bytes_received", json!(exchange.request.whole())),
        ("bytes_sent", json!(exchange.response.whole())),
        ("duration", json!(exchange.took.as_millis() as u64)),
        ("connection_termination_details", Value::Null),
        ("connection_id", Value::Null),
    ];
    if log.is_json {
        let fields: Map<String, Value> = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        return Value::Object(fields).to_string();
    }
    let texts = fields.map(|(_, value)| match value {
        Value::String(text) => text,
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    });
    let [start, rest @ ..] = texts;
    format!("[{start}] {}", rest.join(" "))
}
