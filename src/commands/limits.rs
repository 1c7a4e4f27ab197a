//! Numbers that options take.

use std::ops::RangeInclusive;

use crate::report::numbers::grouped;

/// Reads a whole number within limits, which the error names.
pub(crate) fn within<T: TryFrom<u64>>(limits: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| limits.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            format!("a whole number from {} to {} is needed", grouped(*limits.start()), grouped(*limits.end()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_beyond_the_limits_are_told_them() {
        assert_eq!(within::<u32>(1..=15)("15"), Ok(15));
        for text in ["0", "16", "-1", "six", ""] {
            assert_eq!(within::<u32>(1..=15)(text).unwrap_err(), "a whole number from 1 to 15 is needed", "{text}");
        }
        let refused = within::<u64>(1..=1_000_000)("0").unwrap_err();
        assert_eq!(refused, "a whole number from 1 to 1,000,000 is needed");
    }
}
