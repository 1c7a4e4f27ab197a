//! Completions and manual pages, made of the same definitions as the help.

use std::io;
use std::path::Path;

use clap_complete::Shell;

use super::command_line::shown;
use crate::commands::Error;
use crate::plain;

/// The script that completes commands and options in a shell.
pub(super) fn completions(shell: Shell) -> String {
    let mut script = vec![];
    clap_complete::generate(shell, &mut shown(), "zonewalk", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page of zonewalk itself.
pub(super) fn manual() -> Result<String, Error> {
    let mut page = vec![];
    clap_mangen::Man::new(shown()).render(&mut page).map_err(|error| cannot_write("the manual page", &error))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes a manual page for each command.
pub(super) fn write_manuals(directory: &Path) -> Result<(), Error> {
    let written = std::fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(shown(), directory));
    written.map_err(|error| cannot_write(&directory.display().to_string(), &error))
}

fn cannot_write(what: &str, error: &io::Error) -> Error {
    Error::Usage(format!("{what} cannot be written: {}", plain::of_io(error)))
}
