//! Which status codes pass a health check: a target group's `Matcher`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use hyper::StatusCode;

/// The codes that an Application Load Balancer may be told to take (`Matcher`, Elastic Load Balancing API Reference).
const CODES: RangeInclusive<u16> = 200..=499;

/// A target group's `Matcher.HttpCode`: a code, several, or a range, as `200`, `200,202` and `200-299`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The codes as they were given.
    text: String,
    ranges: Vec<RangeInclusive<u16>>,
}

/// Why a text is no matcher, in AWS's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMatcher {
    #[error("Health check matcher HTTP code cannot be empty")]
    Empty,
    #[error("Health check matcher HTTP code '{0}' is invalid")]
    Malformed(String),
    #[error("Health check matcher HTTP code '{0}' must be within '200-499' inclusive")]
    OutOfRange(u16),
}

impl Matcher {
    /// Whether an answer with this status passes the check.
    pub fn matches(&self, status: StatusCode) -> bool {
        self.ranges.iter().any(|range| range.contains(&status.as_u16()))
    }
}

/// The default of `CreateTargetGroup`.
impl Default for Matcher {
    fn default() -> Self {
        Self { text: "200".to_owned(), ranges: vec![200..=200] }
    }
}

impl FromStr for Matcher {
    type Err = InvalidMatcher;

    fn from_str(text: &str) -> Result<Self, InvalidMatcher> {
        if text.is_empty() {
            return Err(InvalidMatcher::Empty);
        }
        let malformed = || InvalidMatcher::Malformed(text.to_owned());
        let code = |code: &str| {
            let is_number = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
            let code = code.parse().ok().filter(|_| is_number).ok_or_else(malformed)?;
            if CODES.contains(&code) { Ok(code) } else { Err(InvalidMatcher::OutOfRange(code)) }
        };
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = code(first)?..=code(last)?;
            if range.is_empty() { Err(malformed()) } else { Ok(range) }
        };
        let ranges = text.split(',').map(range).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), ranges })
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(matcher: &str) -> Vec<u16> {
        let matcher: Matcher = matcher.parse().unwrap();
        (100..600).filter(|&code| matcher.matches(StatusCode::from_u16(code).unwrap())).collect()
    }

    #[test]
    fn a_code_several_and_a_range_match_what_they_name() {
        assert_eq!(matched("200"), [200]);
        assert_eq!(matched("200,202,404"), [200, 202, 404]);
        assert_eq!(matched("200-299"), (200..=299).collect::<Vec<_>>());
        assert_eq!(matched("200-201,301"), [200, 201, 301]);
        assert_eq!((matched("200"), "200".parse()), (matched(&Matcher::default().to_string()), Ok(Matcher::default())));
    }

    #[test]
    fn what_is_no_matcher_is_refused_in_awss_words() {
        let refused = |text: &str| text.parse::<Matcher>().unwrap_err().to_string();
        assert_eq!(refused(""), "Health check matcher HTTP code cannot be empty");
        for text in ["ok", "200,", "200-", "-200", "200 ,202", "299-200", "+200", "200-201-202", "99999"] {
            assert_eq!(refused(text), format!("Health check matcher HTTP code '{text}' is invalid"));
        }
        for code in ["199", "500", "0"] {
            let expected = format!("Health check matcher HTTP code '{code}' must be within '200-499' inclusive");
            assert_eq!((refused(code), refused(&format!("200,{code}"))), (expected.clone(), expected));
        }
    }
}
