//! The query about VPC Flow Logs: how many bytes each network interface's stream has between which addresses.

use super::Addend;

/// What a flow log has to record for the query.
const NEEDED: [&str; 3] = ["srcaddr", "dstaddr", "bytes"];

/// The query of a flow log's format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flows {
    /// The fields of a record, in their order: `az-id`.
    fields: Vec<String>,
}

impl Flows {
    /// Of a flow log's `LogFormat`: `${version} ${account-id} …`. An error names the fields that it lacks.
    pub fn of_format(format: &str) -> Result<Self, Vec<&'static str>> {
        let bare = |field: &str| field.trim_start_matches("${").trim_end_matches('}').to_owned();
        let fields: Vec<String> = format.split_whitespace().map(bare).collect();
        let lacking: Vec<_> = NEEDED.into_iter().filter(|needed| !fields.iter().any(|field| field == needed)).collect();
        if lacking.is_empty() { Ok(Self { fields }) } else { Err(lacking) }
    }

    /// Each field of a record has a name of the query's own, since Logs Insights finds the fields of some formats by itself. A record
    /// without data has `-` for bytes.
    pub(super) fn text(&self) -> String {
        let stars = vec!["*"; self.fields.len()].join(" ");
        let names: Vec<String> = self.fields.iter().map(|field| name(field)).collect();
        format!(
            "parse @message \"{stars}\" as {}\n\
             | filter f_bytes > 0\n\
             | fields f_srcaddr as srcaddr, f_dstaddr as dstaddr\n\
             | stats sum(f_bytes) as total by @logStream, srcaddr, dstaddr\n\
             | limit {}",
            names.join(", "),
            super::MOST_ROWS
        )
    }

    /// The format whose query a text is, its words parted by single spaces.
    pub(super) fn recognize(text: &str) -> Option<Self> {
        let (_, rest) = text.strip_prefix("parse @message \"")?.split_once("\" as ")?;
        let (names, _) = rest.split_once(" | ")?;
        let fields: Option<Vec<String>> =
            names.split(", ").map(|name| Some(name.strip_prefix("f_")?.replace('_', "-"))).collect();
        let flows = Self { fields: fields? };
        (flows.text().split_whitespace().collect::<Vec<_>>().join(" ") == text).then_some(flows)
    }

    pub(super) fn of_event(&self, message: &str) -> Option<Addend> {
        let values: Vec<&str> = message.split(' ').collect();
        let of = |field: &str| values.get(self.fields.iter().position(|known| known == field)?).copied();
        let bytes: f64 = of("bytes")?.parse().ok()?;
        let ends = [of("srcaddr")?.to_owned(), of("dstaddr")?.to_owned()];
        (values.len() == self.fields.len() && bytes > 0.0).then(|| (ends.to_vec(), vec![bytes]))
    }
}

fn name(field: &str) -> String {
    format!("f_{}", field.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "${version} ${interface-id} ${srcaddr} ${dstaddr} ${bytes} ${az-id}";

    #[test]
    fn the_query_of_a_format_is_known_again() {
        let flows = Flows::of_format(FORMAT).unwrap();
        let text = flows.text().replace('\n', " ");
        assert!(text.starts_with("parse @message \"* * * * * *\" as f_version, f_interface_id, "), "{text}");
        assert_eq!(Flows::recognize(&text), Some(flows));
        assert_eq!(Flows::recognize(&text.replace("sum(f_bytes)", "avg(f_bytes)")), None);
        assert_eq!(Flows::recognize("fields @message"), None);
        assert_eq!(Flows::of_format("${srcaddr} ${az-id}"), Err(vec!["dstaddr", "bytes"]));
    }

    #[test]
    fn a_record_without_data_adds_nothing() {
        let flows = Flows::of_format(FORMAT).unwrap();
        let ends = || vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()];
        assert_eq!(flows.of_event("11 eni-1 10.0.0.1 10.0.0.2 840 use1-az1"), Some((ends(), vec![840.0])));
        for none in ["11 eni-1 - - - use1-az1", "11 eni-1 10.0.0.1 10.0.0.2 840", ""] {
            assert_eq!(flows.of_event(none), None, "{none}");
        }
    }
}
