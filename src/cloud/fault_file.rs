//! How faults are read from a file (TOML or JSON), or from what a client sends.

use super::faults::{FaultKind, Faults, matches};
use super::services;

impl Faults {
    /// The error names what is not understood, and where.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let faults: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        faults.checked()
    }

    /// As [`Faults::from_toml`].
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        let faults: Self = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(text))
            .map_err(|error| error.to_string())?;
        faults.checked()
    }

    fn checked(self) -> Result<Self, String> {
        for (n, fault) in self.faults.iter().enumerate() {
            let operation = fault.operation.as_deref().map_or(Ok(()), check_operation);
            fault
                .check()
                .and(operation)
                .map_err(|reason| format!("fault {} ({}): {reason}", n + 1, name_of(fault.kind)))?;
        }
        Ok(self)
    }
}

fn check_operation(pattern: &str) -> Result<(), String> {
    if pattern == "*" {
        return Ok(());
    }
    let (service, _) = pattern
        .split_once(':')
        .ok_or_else(|| format!("operation {pattern:?} is not service:Operation, as in \"ecs:CreateService\""))?;
    let known: Vec<_> = services::ALL.iter().map(|service| service.signing_name).collect();
    if known.iter().any(|name| matches(service, name)) {
        Ok(())
    } else {
        Err(format!("operation {pattern:?} is of no service here; there are {}", known.join(", ")))
    }
}

/// As it is written in files.
fn name_of(kind: FaultKind) -> String {
    serde_json::to_value(kind).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::faults::Fault;

    #[test]
    fn a_file_says_which_calls_meet_what() {
        let text = r#"
            seed = 7
            [[fault]]
            kind = "throttle"
            operation = "ec2:Describe*"
            after = 3
            first = 2
            [[fault]]
            kind = "hide"
            operation = "ecs:CreateService"
            calls = 4
        "#;
        let faults = Faults::from_toml(text).unwrap();
        assert_eq!(faults.faults[0], Fault::at(FaultKind::Throttle, "ec2:Describe*", 4, 2));
        let json = serde_json::to_vec(&faults).unwrap();
        assert_eq!(Faults::from_json(&json).unwrap(), faults);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = |text: &str| Faults::from_toml(&format!("[[fault]]\n{text}")).unwrap_err();
        for (text, named) in [
            ("kind = \"throttle\"\nfrist = 2", "frist"),
            ("kind = \"explode\"", "explode"),
            ("kind = \"throttle\"\nzone = \"us-east-1a\"", "fault 1 (throttle): zone"),
            ("kind = \"hide\"", "calls or milliseconds"),
            ("kind = \"delay\"", "milliseconds"),
            ("kind = \"vcpu-limit\"", "vcpus"),
            ("kind = \"drop-answer\"\nrate = 2.0", "rate"),
            ("kind = \"drop-answer\"\noperation = \"elbv2:*\"", "elasticloadbalancing"),
            ("kind = \"drop-answer\"\noperation = \"CreateService\"", "service:Operation"),
        ] {
            assert!(error(text).contains(named), "{text}: {}", error(text));
        }
        let error = Faults::from_json(br#"{"fault": [{"kind": "throttle", "frist": 2}]}"#).unwrap_err();
        assert!(error.contains("fault[0]") && error.contains("frist"), "{error}");
    }
}
