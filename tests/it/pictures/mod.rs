//! README's pictures, in docs/pictures. Each is made here, and made anew when what it shows has changed: the test fails then, and the
//! new picture is to be looked at and committed. `tests/run.sh pictures` does only this.

mod pages;
mod session;
mod svg;

use std::path::PathBuf;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join("pictures").join(name)
}

/// What a picture showed when it was made, which is kept beside it.
fn shown(name: &str) -> String {
    std::fs::read_to_string(file(name).with_extension("txt")).unwrap_or_default()
}

/// Keeps a picture with what it shows. Gives what is new in it, and what is gone.
fn replace(name: &str, picture: &[u8], shows: &str) -> String {
    let before = shown(name);
    std::fs::write(file(name), picture).unwrap();
    std::fs::write(file(name).with_extension("txt"), shows).unwrap();
    let lacks = |text: &str, line: &str| !text.lines().any(|other| other == line);
    let new = shows.lines().filter(|line| lacks(&before, line)).map(|line| format!("+ {line}"));
    let gone = before.lines().filter(|line| lacks(shows, line)).map(|line| format!("- {line}"));
    format!("{name}:\n{}\n", new.chain(gone).collect::<Vec<_>>().join("\n"))
}

/// Fails if pictures were made anew, since they are to be committed.
#[track_caller]
fn assert_none_new(new: &[String]) {
    assert!(
        new.is_empty(),
        "in docs/pictures these showed something else and have been made anew; look at them and commit them:\n{}",
        new.concat()
    );
}
