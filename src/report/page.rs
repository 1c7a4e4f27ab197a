//! Where a text is read.

use textwrap::{Options, WordSplitter};

use crate::aws::ZoneNames;

/// What the place where a text is read asks of it.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The columns of the terminal. None: a pipe or a file, where nothing is wrapped.
    pub width: Option<u16>,
    /// Whether also that is wanted which usually says nothing new.
    pub verbose: bool,
    pub zones: ZoneNames,
}

impl Page {
    /// A zone as it is shown everywhere: `use1-az1 (us-east-1a)`.
    pub fn zone(&self, zone: &str) -> String {
        self.zones.label(zone)
    }

    /// A text that was made where zones have no names but only IDs, as the routing engine's are, with both of each zone.
    pub fn name_zones(&self, text: &str) -> String {
        self.zones.iter().fold(text.to_owned(), |text, (name, id)| {
            let label = format!("{id} ({name})");
            text.replace(&label, id.as_str()).replace(id.as_str(), &label)
        })
    }

    /// A line of text as lines that fit the page, broken at words; all but the first are indented by so many columns. A word
    /// that is wider than the page, such as an ARN, stays whole.
    pub fn wrap(&self, line: &str, indent: usize) -> String {
        let Some(width) = self.width else { return line.to_owned() };
        let indent = " ".repeat(indent);
        let options = Options::new(width.into()).break_words(false).word_splitter(WordSplitter::NoHyphenation);
        textwrap::fill(line, options.subsequent_indent(&indent))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::aws::{AzId, AzName};

    #[test]
    fn every_zone_is_told_by_its_id_and_its_name() {
        let zones = [("us-east-1a", "use1-az1"), ("us-east-1b", "use1-az4")];
        let zones: BTreeMap<_, _> = zones.map(|(name, id)| (AzName::new(name), AzId::new(id))).into_iter().collect();
        let page = Page { zones: ZoneNames::new(&zones), ..Page::default() };
        let named = "use1-az1 (us-east-1a) has none, use1-az4 (us-east-1b) has 3, use1-az6 is not known";
        assert_eq!(page.name_zones("use1-az1 has none, use1-az4 has 3, use1-az6 is not known"), named);
        assert_eq!(page.name_zones(named), named);
        assert_eq!(page.zone("us-east-1b"), page.zone("use1-az4"));
    }

    #[test]
    fn lines_are_broken_at_words_and_nowhere_else() {
        let page = |width| Page { width, ..Page::default() };
        let line = "ok  a subnet in us-east-1b, arn:aws:iam::000000000000:instance-profile/ecsInstanceRole";
        assert_eq!(page(None).wrap(line, 4), line);
        assert_eq!(
            page(Some(24)).wrap(line, 4),
            "ok  a subnet in\n    us-east-1b,\n    arn:aws:iam::000000000000:instance-profile/ecsInstanceRole"
        );
        let colored = format!("{}  as long as the page", crate::report::style::good("ok"));
        assert_eq!(page(Some(23)).wrap(&colored, 4), colored, "colors take no room");
    }
}
