//! How things are shown: events as progress while a command works; tables, numbers and colors of what comes of it; and runs that
//! were kept, as a text ([`summary`]), a web page ([`html`]), [`markdown`] and [`junit`].

pub mod dashboard;
pub mod html;
pub mod junit;
pub mod markdown;
pub mod numbers;
pub mod page;
pub mod progress;
pub mod style;
pub mod summary;
pub mod table;
