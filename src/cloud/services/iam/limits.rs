//! What IAM's API Reference says of its parameters' lengths, letters and numbers, checked before any operation.

use crate::cloud::error::AwsError;
use crate::cloud::wire::Params;
use crate::cloud::wire::tags::{Tags, UPPER};

/// Of a resource, and of a request (`tagListType`).
pub(super) const MOST_TAGS: usize = 50;

/// A text parameter's shortest and longest length, its letters, and the pattern that says so to the caller.
struct Text {
    parameter: &'static str,
    least: usize,
    most: usize,
    is_allowed: fn(char) -> bool,
    pattern: &'static str,
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

fn is_visible(c: char) -> bool {
    ('\u{21}'..='\u{7e}').contains(&c)
}

fn is_of_document(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r') || ('\u{20}'..='\u{ff}').contains(&c)
}

fn is_of_description(c: char) -> bool {
    is_of_document(c) && !('\u{7f}'..='\u{a0}').contains(&c)
}

const NAME: Text = Text { parameter: "", least: 1, most: 128, is_allowed: is_of_name, pattern: r"[\w+=,.@-]+" };
const ANY: Text = Text { is_allowed: |_| true, pattern: "", ..NAME };
const DOCUMENT: Text =
    Text { most: 131_072, is_allowed: is_of_document, pattern: r"[\u0009\u000A\u000D\u0020-\u00FF]+", ..NAME };

const TEXTS: &[Text] = &[
    Text { parameter: "RoleName", most: 64, ..NAME },
    Text { parameter: "InstanceProfileName", ..NAME },
    Text { parameter: "PolicyName", ..NAME },
    Text { parameter: "AssumeRolePolicyDocument", ..DOCUMENT },
    Text { parameter: "PolicyDocument", ..DOCUMENT },
    Text {
        parameter: "Description",
        least: 0,
        most: 1_000,
        is_allowed: is_of_description,
        pattern: r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*",
    },
    Text { parameter: "PolicyArn", least: 20, most: 2_048, ..ANY },
    Text { parameter: "PolicySourceArn", least: 20, most: 2_048, ..ANY },
];

/// Paths begin and end with a slash; prefixes of them begin with one.
const PATH: Text = Text {
    parameter: "Path",
    most: 512,
    is_allowed: is_visible,
    pattern: r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)",
    ..NAME
};
const PATH_PREFIX: Text = Text { parameter: "PathPrefix", pattern: r"\u002F[\u0021-\u007F]*", ..PATH };

impl Text {
    fn check(&self, params: Params<'_>) -> Result<(), AwsError> {
        let Some(value) = params.opt_str(self.parameter) else { return Ok(()) };
        let length = value.chars().count();
        let constraint = if length < self.least {
            format!("Member must have length greater than or equal to {}", self.least)
        } else if length > self.most {
            format!("Member must have length less than or equal to {}", self.most)
        } else if !value.chars().all(self.is_allowed) {
            format!("Member must satisfy regular expression pattern: {}", self.pattern)
        } else {
            return Ok(());
        };
        Err(violation(self.parameter, value, &constraint))
    }
}

/// In the words of all services whose model states the constraint.
fn violation(parameter: &str, value: &str, constraint: &str) -> AwsError {
    let mut spelled = parameter.to_owned();
    spelled[..1].make_ascii_lowercase();
    let message = format!(
        "1 validation error detected: Value '{value}' at '{spelled}' failed to satisfy constraint: {constraint}"
    );
    AwsError::new("ValidationError", message)
}

pub(super) fn check(params: Params<'_>) -> Result<(), AwsError> {
    for text in TEXTS.iter().chain([&PATH, &PATH_PREFIX]) {
        text.check(params)?;
    }
    for (text, is_whole) in [(PATH, true), (PATH_PREFIX, false)] {
        let Some(path) = params.opt_str(text.parameter) else { continue };
        if !path.starts_with('/') || is_whole && !path.ends_with('/') {
            let constraint = format!("Member must satisfy regular expression pattern: {}", text.pattern);
            return Err(violation(text.parameter, path, &constraint));
        }
    }
    if let Some(seconds) = params.opt_int("MaxSessionDuration")?.filter(|seconds| !(3_600..=43_200).contains(seconds)) {
        let constraint = if seconds < 3_600 {
            "Member must have value greater than or equal to 3600"
        } else {
            "Member must have value less than or equal to 43200"
        };
        return Err(violation("MaxSessionDuration", &seconds.to_string(), constraint));
    }
    if params.strings("TagKeys").len() > MOST_TAGS {
        return Err(too_many("tagKeys", &params.strings("TagKeys").join(", ")));
    }
    tags(params).map(drop)
}

fn too_many(parameter: &str, value: &str) -> AwsError {
    violation(parameter, &format!("[{value}]"), &format!("Member must have length less than or equal to {MOST_TAGS}"))
}

/// The tags of a request: no more than fifty, each key once, whichever its case ("Rules for tagging in AWS Identity and Access
/// Management and AWS Security Token Service").
pub(super) fn tags(params: Params<'_>) -> Result<Tags, AwsError> {
    let listed = params.objects("Tags");
    if listed.len() > MOST_TAGS {
        let keys: Vec<_> = listed.iter().filter_map(|tag| tag.opt_str("Key")).collect();
        return Err(too_many("tags", &keys.join(", ")));
    }
    let mut keys: Vec<String> = vec![];
    for tag in &listed {
        let (key, value) = (tag.str("Key")?, tag.opt_str("Value").unwrap_or_default());
        for (member, text, most) in [("key", key, 128), ("value", value, 256)] {
            let place = format!("tags.{}.member.{member}", keys.len() + 1);
            if text.chars().count() > most {
                let constraint = format!("Member must have length less than or equal to {most}");
                return Err(violation(&place, text, &constraint));
            }
            if !text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c)) {
                let repeated = if member == "key" { '+' } else { '*' };
                let constraint = format!(
                    r"Member must satisfy regular expression pattern: [\p{{L}}\p{{Z}}\p{{N}}_.:/=+\-@]{repeated}"
                );
                return Err(violation(&place, text, &constraint));
            }
        }
        let folded = key.to_lowercase();
        if keys.contains(&folded) {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(AwsError::new("InvalidInput", message));
        }
        keys.push(folded);
    }
    Tags::from_list(&listed, UPPER)
}
