//! The file that is watched. It is looked at again and again, since notices of the kernel's do not reach across file systems,
//! and a file is replaced in many ways: written over, renamed, or reached by a link that leads elsewhere now.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::text_file;

/// How often the file is looked at.
pub(super) const INTERVAL: Duration = Duration::from_millis(250);

/// A file that has changed this lately may change again without its time telling.
const UNSETTLED: Duration = Duration::from_secs(2);

pub(super) struct Watched {
    path: PathBuf,
    /// What told the file's contents from others when it was read, if it had settled.
    read_as: Option<Identity>,
    /// The contents that were last handed out, and those that may only be half written.
    current: String,
    next: Option<String>,
}

#[derive(PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: SystemTime,
}

impl Watched {
    /// The file with its contents.
    pub(super) fn new(path: &Path) -> io::Result<(Self, String)> {
        let current = text_file::read(path)?;
        Ok((Self { path: path.to_owned(), read_as: None, current: current.clone(), next: None }, current))
    }

    /// The new contents, if there are any and they have been the same at two looks: who writes is done then.
    pub(super) fn look(&mut self) -> io::Result<Option<String>> {
        let metadata = std::fs::metadata(&self.path)?;
        let modified = metadata.modified()?;
        let (device, inode, length) = (metadata.dev(), metadata.ino(), metadata.len());
        let identity = Identity { device, inode, length, modified };
        if self.read_as.as_ref() == Some(&identity) {
            return Ok(None);
        }
        let text = text_file::read(&self.path)?;
        let stands_still = self.next.as_ref() == Some(&text) || text == self.current;
        if stands_still && modified.elapsed().is_ok_and(|age| age > UNSETTLED) {
            self.read_as = Some(identity);
        }
        if text == self.current {
            self.next = None;
            return Ok(None);
        }
        if !stands_still {
            self.next = Some(text);
            return Ok(None);
        }
        self.next = None;
        self.current.clone_from(&text);
        Ok(Some(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_when_it_stands_still() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert!(Watched::new(&path).is_err());
        std::fs::write(&path, "one").unwrap();
        let (mut watched, first) = Watched::new(&path).unwrap();
        assert_eq!(first, "one");
        assert_eq!(watched.look().unwrap(), None);
        // Of the same length, and perhaps at the same time.
        std::fs::write(&path, "tw").unwrap();
        assert_eq!(watched.look().unwrap(), None);
        std::fs::write(&path, "two").unwrap();
        assert_eq!(watched.look().unwrap(), None);
        assert_eq!(watched.look().unwrap(), Some("two".to_owned()));
        assert_eq!(watched.look().unwrap(), None);
        let next = directory.path().join("next");
        std::fs::write(&next, "six").unwrap();
        std::fs::rename(&next, &path).unwrap();
        assert_eq!((watched.look().unwrap(), watched.look().unwrap()), (None, Some("six".to_owned())));
        std::fs::remove_file(&path).unwrap();
        assert!(watched.look().is_err());
    }
}
