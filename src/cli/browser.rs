//! The user's browser.

use std::process::Stdio;

use tokio::process::Command;

use super::console::Console;
use crate::plain;

/// What opens a page in the browser of the user's choice.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens a page, or says why it cannot: the page is there all the same.
pub(super) fn open(url: &str, console: &Console) {
    let opened = Command::new(OPENER).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = opened {
        console.progress_line(&format!(
            "no browser could be opened ({OPENER}: {}): the page is at {url}",
            plain::of_io(&error)
        ));
    }
}
