//! The user's browser.

use std::process::Stdio;

use tokio::process::Command;

use super::console::Console;
use crate::plain;

/// What opens a page in the browser that the desktop's user has chosen.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Opens a page, or says why it cannot: the page is there all the same. `BROWSER` names another program than the desktop's.
pub(super) fn open(page: &str, console: &Console) {
    let opener = std::env::var("BROWSER").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| OPENER.to_owned());
    let opened =
        Command::new(&opener).arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = opened {
        console.progress_line(&format!(
            "no browser could be opened ({opener}: {}): the page is at {page}",
            plain::of_io(&error)
        ));
    }
}
