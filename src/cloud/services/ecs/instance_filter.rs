//! The cluster query language, as far as one comparison goes: `attribute:ecs.availability-zone == us-east-1a`,
//! `ec2InstanceId in ['i-0…', 'i-0…']` (ECS Developer Guide, "Cluster query language"). Lists of instances are filtered by it, and
//! tasks placed.

use super::container_instances::ContainerInstance;
use crate::cloud::error::AwsError;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    subject: Subject,
    is_negated: bool,
    values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Ec2InstanceId,
    Attribute(String),
}

impl Filter {
    pub(super) fn allows(&self, instance: &ContainerInstance) -> bool {
        let actual = match &self.subject {
            Subject::Ec2InstanceId => Some(instance.ec2_instance_id.as_str()),
            Subject::Attribute(name) => instance.attribute(name),
        };
        actual.is_some_and(|actual| self.values.iter().any(|value| value == actual)) != self.is_negated
    }
}

pub(super) fn parse(text: &str) -> Result<Filter, AwsError> {
    parse_comparison(text).ok_or_else(|| {
        AwsError::unsupported(format_args!(
            "the filter {text:?}: one comparison by ==, !=, in or not_in is all it knows"
        ))
    })
}

fn parse_comparison(text: &str) -> Option<Filter> {
    let (subject, operator, values) = ["==", "!=", " in ", " not_in "].into_iter().find_map(|operator| {
        text.split_once(operator).map(|(subject, values)| (subject.trim(), operator.trim(), values))
    })?;
    let subject = match subject.strip_prefix("attribute:") {
        Some(name) => Subject::Attribute(name.to_owned()),
        None if subject == "ec2InstanceId" => Subject::Ec2InstanceId,
        None => return None,
    };
    let values = match operator {
        "in" | "not_in" => values.trim().strip_prefix('[')?.strip_suffix(']')?.split(',').map(unquoted).collect(),
        _ => Some(vec![unquoted(values)?]),
    }?;
    Some(Filter { subject, is_negated: matches!(operator, "!=" | "not_in"), values })
}

/// A word, which may stand in quotation marks; `None` for anything longer, such as a second comparison.
fn unquoted(value: &str) -> Option<String> {
    let value = value.trim();
    let word = ['\'', '"'].into_iter().find_map(|q| value.strip_prefix(q)?.strip_suffix(q)).unwrap_or(value);
    (!word.is_empty() && !word.contains(char::is_whitespace)).then(|| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_comparison_is_understood_and_more_is_refused() {
        let zone = parse("attribute:ecs.availability-zone == us-east-1a").unwrap();
        assert_eq!(zone.subject, Subject::Attribute("ecs.availability-zone".to_owned()));
        assert_eq!(parse("ec2InstanceId in ['i-1', i-2]").unwrap().values, ["i-1", "i-2"]);
        assert!(parse("ec2InstanceId != i-1").unwrap().is_negated);
        let others = parse("attribute:ecs.availability-zone not_in [us-east-1a, us-east-1b]").unwrap();
        assert!(others.is_negated && others.values == ["us-east-1a", "us-east-1b"], "{others:?}");
        assert!(parse("ec2InstanceId == i-1 and attribute:ecs.os-type == linux").is_err());
        assert!(parse("runningTasksCount == 0").is_err());
    }
}
