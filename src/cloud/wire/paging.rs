//! Lists that are answered page by page.

use serde_json::{Value, json};

use super::Params;
use crate::cloud::error::AwsError;

/// How an operation answers its list page by page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    /// The parameter that says where a page begins.
    pub(crate) token: &'static str,
    /// The parameter that says how many items a page has at most.
    pub(crate) limit: &'static str,
    /// The answer's list.
    pub(crate) list: &'static str,
    /// The answer's member with the token of the next page.
    pub(crate) next: &'static str,
    /// The answer's member that says whether there is another page.
    pub(crate) more: Option<&'static str>,
    /// How few and how many items a page may be asked to have.
    pub(crate) min: usize,
    pub(crate) max: usize,
    /// How many items a page has if the request does not say.
    pub(crate) default: usize,
    /// The words in which another number of items is refused.
    pub(crate) refusal: fn(Pages, i64) -> String,
}

impl Pages {
    /// The page that the request asks for, of an answer with the whole list.
    pub(crate) fn cut(self, mut answer: Value, params: Params<'_>) -> Result<Value, AwsError> {
        let size = match params.opt_int(self.limit)? {
            Some(asked) => (usize::try_from(asked).ok())
                .filter(|size| (self.min..=self.max).contains(size))
                .ok_or_else(|| AwsError::invalid_parameter((self.refusal)(self, asked)))?,
            None => self.default,
        };
        // A token is the index where the page begins.
        let start: usize = match params.opt_str(self.token) {
            Some(token) => token.parse().map_err(|_| AwsError::invalid_parameter("Invalid token."))?,
            None => 0,
        };
        // A table that misspells its list would answer with an empty one.
        debug_assert!(answer[self.list].is_array(), "the answer has no list {}: {answer}", self.list);
        let items = match answer.get_mut(self.list).map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let end = start.saturating_add(size);
        let has_more = end < items.len();
        answer[self.list] = items.into_iter().skip(start).take(size).collect();
        if let Some(more) = self.more {
            answer[more] = json!(has_more);
        }
        if has_more {
            answer[self.next] = json!(end.to_string());
        }
        Ok(answer)
    }

    /// The words of most services for a number of items that no page may have.
    pub(crate) fn violates_constraint(self, size: i64) -> String {
        let bound = if usize::try_from(size).is_ok_and(|size| size > self.max) {
            format!("less than or equal to {}", self.max)
        } else {
            format!("greater than or equal to {}", self.min)
        };
        let mut limit = self.limit.to_owned();
        limit[..1].make_ascii_lowercase();
        format!(
            "1 validation error detected: Value '{size}' at '{limit}' failed to satisfy constraint: Member must have value {bound}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    #[test]
    fn a_page_has_as_many_items_as_was_asked_for_or_is_refused() {
        let pages = Pages {
            token: "Marker",
            limit: "PageSize",
            list: "Names",
            next: "NextMarker",
            more: Some("IsTruncated"),
            min: 2,
            max: 3,
            default: 3,
            refusal: Pages::violates_constraint,
        };
        let cut = |params: Value| {
            let params: Map<String, Value> = serde_json::from_value(params).unwrap();
            pages.cut(json!({ "Names": ["a", "b", "c", "d"] }), Params::new(&params))
        };
        let first = json!({ "Names": ["a", "b", "c"], "NextMarker": "3", "IsTruncated": true });
        assert_eq!(cut(json!({})).unwrap(), first);
        let last = json!({ "Names": ["c", "d"], "IsTruncated": false });
        assert_eq!(cut(json!({ "PageSize": "2", "Marker": "2" })).unwrap(), last);
        let beyond = json!({ "Names": [], "IsTruncated": false });
        assert_eq!(cut(json!({ "Marker": usize::MAX.to_string() })).unwrap(), beyond);
        for (size, bound) in [(1, "greater than or equal to 2"), (4, "less than or equal to 3"), (-1, "greater")] {
            let error = cut(json!({ "PageSize": size })).unwrap_err();
            assert_eq!(error.code, "InvalidParameterValue");
            assert!(error.message.contains(&format!("Value '{size}' at 'pageSize'")), "{}", error.message);
            assert!(error.message.contains(bound), "{}", error.message);
        }
    }
}
