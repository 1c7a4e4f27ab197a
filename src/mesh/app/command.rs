//! The command line of the article's image, as Go's `flag` package reads it.

use hyper::Uri;
use hyper::http::uri::Authority;
use serde::Deserialize;

/// The command `server -port=8090 -protocol=http -name=product -routes=[…]` (the article's step 6).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) port: u16,
    pub(super) name: String,
    /// Where an `azAwareRouting` request goes: the first route with method `Egress`.
    pub(super) egress: Option<Destination>,
}

/// An http URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) authority: Authority,
    pub(super) path: Uri,
}

#[derive(Deserialize)]
struct Route {
    destination: String,
    method: String,
}

/// Why a command cannot be run: what the container prints before it exits.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::mesh) enum CommandError {
    #[error("unexpected argument {0:?}")]
    Argument(String),
    #[error("flag provided but not defined: -{0}")]
    UnknownFlag(String),
    #[error("flag needs an argument: -{0}")]
    NoValue(String),
    #[error("invalid value {value:?} for flag -{flag}: {reason}")]
    Value { flag: &'static str, value: String, reason: String },
    #[error("flag -port is required")]
    NoPort,
}

impl Command {
    /// Whether a command is meant for the article's application: `server` is what others are called, too, but not with the
    /// article's flag.
    pub(super) fn is_meant(command: &[String]) -> bool {
        let is_port = |argument: &String| {
            let flag = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-'));
            flag.is_some_and(|flag| flag.split('=').next() == Some("port"))
        };
        matches!(command, [program, arguments @ ..] if program == "server" && arguments.iter().any(is_port))
    }

    /// What follows `server`, as the application reads it.
    pub(super) fn parse(arguments: &[String]) -> Result<Self, CommandError> {
        let mut arguments = arguments.iter().skip(1);
        let (mut port, mut name, mut egress) = (None, String::new(), None);
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.strip_prefix("--").or_else(|| argument.strip_prefix('-')) else {
                return Err(CommandError::Argument(argument.clone()));
            };
            let (flag, value) = match flag.split_once('=') {
                Some((flag, value)) => (flag, Some(value)),
                None => (flag, None),
            };
            if !["port", "protocol", "name", "routes"].contains(&flag) {
                return Err(CommandError::UnknownFlag(flag.to_owned()));
            }
            let value = value
                .or_else(|| arguments.next().map(String::as_str))
                .ok_or_else(|| CommandError::NoValue(flag.to_owned()))?;
            match flag {
                "port" => port = Some(parse_port(value)?),
                "name" => value.clone_into(&mut name),
                "routes" => egress = parse_routes(value)?,
                _ => check_protocol(value)?,
            }
        }
        Ok(Self { port: port.ok_or(CommandError::NoPort)?, name, egress })
    }
}

fn parse_port(value: &str) -> Result<u16, CommandError> {
    match value.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(invalid("port", value, "not a port number")),
    }
}

fn check_protocol(value: &str) -> Result<(), CommandError> {
    match value {
        "http" => Ok(()),
        _ => Err(invalid("protocol", value, "only http is served")),
    }
}

fn parse_routes(value: &str) -> Result<Option<Destination>, CommandError> {
    let routes: Vec<Route> = serde_json::from_str(value).map_err(|error| invalid("routes", value, error))?;
    let Some(route) = routes.into_iter().find(|route| route.method == "Egress") else {
        return Ok(None);
    };
    let url: Uri = route.destination.parse().map_err(|error| invalid("routes", &route.destination, error))?;
    match (url.scheme_str(), url.authority(), url.path_and_query()) {
        (Some("http"), Some(authority), Some(path)) => {
            Ok(Some(Destination { authority: authority.clone(), path: path.clone().into() }))
        }
        _ => Err(invalid("routes", &route.destination, "not an http URL")),
    }
}

fn invalid(flag: &'static str, value: &str, reason: impl ToString) -> CommandError {
    CommandError::Value { flag, value: value.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Command, CommandError> {
        Command::parse(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_articles_two_commands_are_understood() {
        let backend = parse(&["server", "-port=8090", "-protocol=http", "-name=product", "-routes=[]"]);
        assert_eq!(backend, Ok(Command { port: 8090, name: "product".to_owned(), egress: None }));
        let routes =
            r#"-routes=[{"match":"product", "destination": "http://sc.test.az.aware.backend:8090","method":"Egress"}]"#;
        let frontend = parse(&["server", "-port=8080", "-protocol=http", "-name=fe", routes]).unwrap();
        let destination = frontend.egress.unwrap();
        assert_eq!((destination.authority.as_str(), destination.path.path()), ("sc.test.az.aware.backend:8090", "/"));
    }

    #[test]
    fn flags_take_their_value_from_the_next_argument_too() {
        let command = parse(&["server", "--port", "8090", "-name", "a=b"]).unwrap();
        assert_eq!((command.port, command.name.as_str()), (8090, "a=b"));
    }

    #[test]
    fn the_articles_application_is_told_by_its_name_and_flag() {
        let is_meant =
            |command: &[&str]| Command::is_meant(&command.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        assert!(is_meant(&["server", "-unknown", "--port", "80"]) && is_meant(&["server", "-port=0"]));
        let others =
            [&[][..], &["nginx", "-g", "daemon off;"], &["server", "/data", "--console-address=:9001"], &["server"]];
        assert!(others.into_iter().all(|command| !is_meant(command)));
    }

    #[test]
    fn an_unusable_command_says_why() {
        let reasons: Vec<String> = [
            &["server", "8090"][..],
            &["server", "-prot=8090"],
            &["server", "-port"],
            &["server", "-port=0"],
            &["server", "-port=8090", "-protocol=grpc"],
            &["server", "-port=8090", "-routes=[{]"],
            &["server", "-port=8090", r#"-routes=[{"destination":"backend","method":"Egress"}]"#],
            &["server", "-name=product"],
        ]
        .into_iter()
        .map(|arguments| parse(arguments).unwrap_err().to_string())
        .collect();
        insta::assert_snapshot!(reasons.join("\n"));
    }
}
