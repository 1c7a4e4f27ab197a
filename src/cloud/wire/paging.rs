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
        let size = params.opt_int(self.limit)?;
        let is_within = |size: i64| usize::try_from(size).is_ok_and(|size| (self.min..=self.max).contains(&size));
        if let Some(refused) = size.filter(|size| !is_within(*size)) {
            return Err(AwsError::invalid_parameter((self.refusal)(self, refused)));
        }
        let items = match answer.get_mut(self.list).map(Value::take) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        let (items, next) = page(items, params.opt_str(self.token), size, self.default)?;
        if let Some(more) = self.more {
            answer[more] = json!(next.is_some());
        }
        answer[self.list] = Value::Array(items);
        if next.is_some() {
            answer[self.next] = json!(next);
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

/// One page of `items`, and the token of the next one: the index where it begins.
pub(crate) fn page<T>(
    items: Vec<T>,
    token: Option<&str>,
    page_size: Option<i64>,
    default_page_size: usize,
) -> Result<(Vec<T>, Option<String>), AwsError> {
    let start: usize = match token {
        Some(token) => token.parse().map_err(|_| AwsError::invalid_parameter("Invalid token."))?,
        None => 0,
    };
    let size = page_size.map_or(default_page_size, |size| usize::try_from(size).unwrap_or(1).max(1));
    let end = start.saturating_add(size);
    let next = (end < items.len()).then(|| end.to_string());
    Ok((items.into_iter().skip(start).take(size).collect(), next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;

    #[test]
    fn pages_follow_each_other_to_the_end() {
        let first = page(vec![1, 2, 3, 4, 5], None, Some(2), 100).unwrap();
        assert_eq!(first, (vec![1, 2], Some("2".to_owned())));
        let last = page(vec![1, 2, 3, 4, 5], Some("4"), Some(2), 100).unwrap();
        assert_eq!(last, (vec![5], None));
        assert_eq!(page(vec![1, 2], None, None, 2).unwrap(), (vec![1, 2], None));
        let beyond = usize::MAX.to_string();
        assert_eq!(page(vec![1, 2], Some(&beyond), Some(i64::MAX), 2).unwrap(), (vec![], None));
    }
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
        for (size, bound) in [(1, "greater than or equal to 2"), (4, "less than or equal to 3"), (-1, "greater")] {
            let error = cut(json!({ "PageSize": size })).unwrap_err();
            assert_eq!(error.code, "InvalidParameterValue");
            assert!(error.message.contains(&format!("Value '{size}' at 'pageSize'")), "{}", error.message);
            assert!(error.message.contains(bound), "{}", error.message);
        }
    }
}
