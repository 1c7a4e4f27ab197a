//! How faults are read from a file (TOML or JSON), or from what a client sends.

use super::catalog::operations;
use super::faults::{FaultKind, Faults, matches};
use super::services;
use crate::plain;

impl Faults {
    /// The error names what is not understood, and where.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        plain::from_toml::<Self>(text)?.checked()
    }

    /// As [`Faults::from_toml`].
    pub fn from_json(text: &[u8]) -> Result<Self, String> {
        plain::from_json::<Self>(&String::from_utf8_lossy(text))?.checked()
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

/// What is wrong with the operations that a fault is for, most likely a slip of the pen: the fault would never strike.
fn check_operation(pattern: &str) -> Result<(), String> {
    if pattern == "*" {
        return Ok(());
    }
    let (service, _) = pattern
        .split_once(':')
        .ok_or_else(|| format!("operation {pattern:?} is not service:Operation, as in \"ecs:CreateService\""))?;
    let known: Vec<_> = services::ALL.iter().map(|service| service.name()).collect();
    if !known.iter().any(|name| matches(service, name)) {
        return Err(format!("operation {pattern:?} is of no service here; there are {}", known.join(", ")));
    }
    let operations: Vec<_> = operations().map(|it| format!("{}:{}", it.service, it.operation)).collect();
    if operations.iter().any(|name| matches(pattern, name)) {
        return Ok(());
    }
    // A pattern is like the beginnings of names that are as long.
    let stem = pattern.trim_end_matches('*');
    let beginnings =
        operations.iter().map(|name| if stem == pattern { name } else { name.get(..stem.len()).unwrap_or(name) });
    let star = if stem == pattern { "" } else { "*" };
    let advice = plain::nearest(stem, beginnings.map(AsRef::as_ref)).map_or_else(
        || "`zonewalk local operations` lists them".to_owned(),
        |near| format!("did you mean {near}{star}?"),
    );
    Err(format!("there is no operation {pattern:?}; {advice}"))
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
            ("kind = \"drop-answer\"\noperation = \"ecs:Craete*\"", "did you mean ecs:Create*?"),
            ("kind = \"drop-answer\"\noperation = \"ecs:CreateServices\"", "did you mean ecs:CreateService?"),
            ("kind = \"drop-answer\"\noperation = \"ecs:*Nothing*\"", "`zonewalk local operations`"),
            ("kind = \"throtle\"", "did you mean throttle?"),
        ] {
            assert!(error(text).contains(named), "{text}: {}", error(text));
        }
        let error = Faults::from_json(br#"{"fault": [{"kind": "throttle", "frist": 2}]}"#).unwrap_err();
        assert_eq!(error, "fault[0]: there is no frist; did you mean first?");
    }
}
