//! `--open`: the page's address goes to the user's browser.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::Machine;

/// A program of this name in the place of a browser, which notes what it is given in a file beside it.
fn browser(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, "#!/bin/sh\nprintf '%s' \"$1\" > \"$0.part\" && /bin/mv \"$0.part\" \"$0.asked\"\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What it was given: it works beside the program that has started it.
fn asked(browser: &Path) -> String {
    let path = browser.with_extension("asked");
    for _ in 0..600 {
        if let Ok(asked) = fs::read_to_string(&path) {
            fs::remove_file(&path).unwrap();
            return asked;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{} was never asked", browser.display());
}

#[test]
fn the_live_page_and_the_report_are_opened_in_the_browser_of_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let browser = browser(directory.path(), "browser");
    let machine = Machine::with("BROWSER", &browser);
    machine.json(&["up", "--local", "--open", "--output", "json"]);
    let live_page = machine.json(&["local", "status", "--output", "json"])["live_page"].as_str().unwrap().to_owned();
    assert_eq!(asked(&browser), live_page);
    machine.json(&["verify", "--local", "--output", "json"]);
    let report = machine.json(&["report", "--open", "--output", "json"]);
    let page = asked(&browser);
    assert_eq!(report["html"], page.as_str());
    assert!(fs::read_to_string(&page).unwrap().contains("Where the tasks ran"), "verify's record has its tasks");
    assert!(Path::new(&page).starts_with(machine.path()), "{page}");
    machine.json(&["down", "--local", "--output", "json"]);
}

#[test]
#[cfg(target_os = "linux")]
fn the_desktops_browser_is_found_on_the_path_or_its_absence_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let browser = browser(directory.path(), "xdg-open");
    let machine = Machine::with("PATH", directory.path());
    machine.json(&["up", "--local", "--open", "--output", "json"]);
    assert!(asked(&browser).ends_with("/_zonewalk/live"));
    fs::remove_file(&browser).unwrap();
    let again = machine.zonewalk(&["up", "--local", "--open"]);
    let said = String::from_utf8_lossy(&again.stderr);
    assert_eq!(again.status.code(), Some(0), "{said}");
    assert!(said.contains("no browser could be opened (xdg-open: ") && said.contains("/_zonewalk/live"), "{said}");
    machine.json(&["down", "--local", "--output", "json"]);
}
