//! Where a text is read.

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
}
