//! Figures as the page shows them. Each says where in the document it is from and what stands there, so that it can be held
//! against the record.

use serde_json::{Value, json};

use crate::report::numbers::{grouped, milliseconds, percent};

/// The figures of a part of the document.
pub(super) struct Figures<'a> {
    at: &'a str,
}

impl<'a> Figures<'a> {
    /// `at`: where the part is, as a JSON pointer.
    pub(super) fn at(at: &'a str) -> Self {
        Self { at }
    }

    fn figure(&self, field: &str, value: Value, text: String) -> Value {
        json!({ "at": format!("{}/{field}", self.at), "value": value.to_string(), "text": text })
    }

    pub(super) fn count(&self, field: &str, value: u64) -> Value {
        self.figure(field, json!(value), grouped(value))
    }

    pub(super) fn share(&self, field: &str, value: Option<f64>) -> Value {
        self.figure(field, json!(value), percent(value))
    }

    /// A change by a share: `24% lower`.
    pub(super) fn change(&self, field: &str, value: Option<f64>) -> Value {
        let text = value.map_or("-".to_owned(), |by| {
            format!("{} {}", percent(Some(by.abs())), if by < 0.0 { "lower" } else { "higher" })
        });
        self.figure(field, json!(value), text)
    }

    /// Below 10 ms to the hundredth: that is what there is between zones.
    pub(super) fn milliseconds(&self, field: &str, value: Option<f64>) -> Value {
        let text = match value {
            Some(ms) if ms < 10.0 => format!("{ms:.2} ms"),
            value => milliseconds(value),
        };
        self.figure(field, json!(value), text)
    }

    pub(super) fn seconds(&self, field: &str, value: Option<f64>) -> Value {
        self.figure(field, json!(value), value.map_or("-".to_owned(), |seconds| format!("{seconds:.1} s")))
    }

    pub(super) fn rate(&self, field: &str, value: Option<f64>) -> Value {
        let text = value.map_or("-".to_owned(), |rate| format!("{}/s", grouped(rate.round() as u64)));
        self.figure(field, json!(value), text)
    }

    /// A number of any size: whole ones whole, others to four digits.
    pub(super) fn number(&self, field: &str, value: Option<f64>) -> Value {
        let text = match value {
            None => "-".to_owned(),
            Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                let sign = if number < 0.0 { "-" } else { "" };
                format!("{sign}{}", grouped(number.abs() as u64))
            }
            Some(number) if number.abs() >= 1e-4 => {
                let digits = 3 - (number.abs().log10().floor() as i32).min(3);
                format!("{number:.*}", digits.unsigned_abs() as usize)
            }
            Some(number) => format!("{number:.1e}"),
        };
        self.figure(field, json!(value), text)
    }
}
