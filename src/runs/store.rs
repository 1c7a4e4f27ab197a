//! The records on disk: a file for each run in a directory of the user's own, of which the newest are kept.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::document::Document;
use crate::{plain, processes};

/// The version of a record's form. A newer one may have fields that this program does not know.
pub const FORMAT: u32 = 1;

/// How many records are kept: a few megabytes at most.
const KEPT: usize = 200;

/// What stands for the newest run.
pub const LAST: &str = "last";

const EXTENSION: &str = "json";

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Directory(#[from] processes::Error),
    #[error("{} cannot be used: {reason}", .path.display())]
    State { path: PathBuf, reason: String },
    #[error("{} is no record of a run: {reason}", .path.display())]
    Record { path: PathBuf, reason: String },
    #[error(
        "{} was written by a newer version of zonewalk (format {format}; this one knows {FORMAT}) and cannot be read: {reason}",
        .path.display()
    )]
    Newer { path: PathBuf, format: u32, reason: String },
    #[error("no run has been kept yet: `zonewalk verify --local` is one that will be")]
    None,
    #[error("there is no run {id}: `zonewalk runs` lists them")]
    Unknown { id: String },
    #[error("{id} is the beginning of {number} runs, of which the newest is {newest}: give more of it")]
    Ambiguous { id: String, number: usize, newest: String },
}

/// A run, as it is kept: what was asked, and what came of it.
#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
pub struct Record {
    /// The version of the record's form.
    pub format: u32,
    /// The run's ID: when it ended, in UTC, and the command.
    pub id: String,
    /// What was asked: the command's arguments, its options by their names, and the settings that it used.
    pub asked: Map<String, Value>,
    /// The document that the command prints with `--output json`.
    pub document: Value,
}

impl Record {
    /// What the document says.
    pub fn read(&self) -> Result<Document, String> {
        plain::from_json(&self.document.to_string())
    }

    /// What is to be known where the record is of a newer form than this program's.
    pub fn note(&self) -> Option<String> {
        (self.format > FORMAT).then(|| {
            format!(
                "run {} was kept by a newer version of zonewalk (format {}; this one knows {FORMAT}): what it does not know is left \
                 out",
                self.id, self.format
            )
        })
    }
}

/// The directory of the records.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// The user's own.
    pub fn of_user() -> Result<Self, Error> {
        Ok(Self::at(&processes::state_directory()?.join("runs")))
    }

    pub fn at(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn failed(&self, error: &io::Error) -> Error {
        Error::State { path: self.directory.clone(), reason: plain::of_io(error) }
    }

    /// Keeps a run, all of its record or nothing, and gives its ID. The oldest records go.
    pub fn keep(&self, asked: Map<String, Value>, command: &str, document: Value) -> Result<String, Error> {
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory).map_err(|error| self.failed(&error))?;
        let mut record = Record { format: FORMAT, id: format!("{time}-{command}"), asked, document };
        // Several may end within a second.
        for number in 2.. {
            match self.write(&record) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    record.id = format!("{time}-{command}-{number}");
                }
                Err(error) => return Err(self.failed(&error)),
                Ok(()) => break,
            }
        }
        self.prune()?;
        Ok(record.id)
    }

    /// A temporary file can be read by its user alone, and so can what becomes of it.
    fn write(&self, record: &Record) -> io::Result<()> {
        let file = tempfile::NamedTempFile::new_in(&self.directory)?;
        serde_json::to_writer(&file, record)?;
        file.as_file().sync_all()?;
        file.persist_noclobber(self.path(&record.id))?;
        Ok(())
    }

    fn path(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.{EXTENSION}"))
    }

    fn prune(&self) -> Result<(), Error> {
        let ids = self.ids()?;
        for id in &ids[..ids.len().saturating_sub(KEPT)] {
            match fs::remove_file(self.path(id)) {
                // Another command removes the oldest, too.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.failed(&error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// The IDs of all runs, the newest last.
    pub fn ids(&self) -> Result<Vec<String>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(|error| self.failed(&error))?,
        };
        let mut ids = vec![];
        for entry in entries {
            let path = entry.map_err(|error| self.failed(&error))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                ids.extend(path.file_stem().map(|id| id.to_string_lossy().into_owned()));
            }
        }
        ids.sort();
        Ok(ids)
    }

    /// The run of this ID, of which the beginning will do; or the last one.
    pub fn find(&self, id: &str) -> Result<Record, Error> {
        let ids = self.ids()?;
        let Some(newest) = ids.last() else { return Err(Error::None) };
        if id == LAST {
            return self.read(newest);
        }
        if ids.iter().any(|known| known == id) {
            return self.read(id);
        }
        let found: Vec<&String> = ids.iter().filter(|known| known.starts_with(id)).collect();
        match found.as_slice() {
            [] => Err(Error::Unknown { id: id.to_owned() }),
            [one] => self.read(one),
            [.., newest] => Err(Error::Ambiguous { id: id.to_owned(), number: found.len(), newest: (*newest).clone() }),
        }
    }

    /// Reads a record.
    pub fn read(&self, id: &str) -> Result<Record, Error> {
        let path = self.path(id);
        let text = fs::read_to_string(&path)
            .map_err(|error| Error::State { path: path.clone(), reason: plain::of_io(&error) })?;
        open(&path, &text)
    }
}

/// The record that a file's text is.
pub fn open(path: &Path, text: &str) -> Result<Record, Error> {
    /// What every form has.
    #[derive(Deserialize)]
    struct Any {
        format: u32,
    }

    let path = path.to_owned();
    let refused = |path, reason| match plain::from_json::<Any>(text) {
        Ok(Any { format }) if format > FORMAT => Error::Newer { path, format, reason },
        _ => Error::Record { path, reason },
    };
    let record: Record = plain::from_json(text).map_err(|reason| refused(path.clone(), reason))?;
    record.read().map_err(|reason| refused(path, reason))?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;

    #[test]
    fn runs_are_found_by_the_beginning_of_their_id_and_the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::at(&directory.path().join("runs"));
        assert!(matches!(store.find(LAST), Err(Error::None)));
        let ids: Vec<_> =
            (0..3).map(|n| store.keep(Map::new(), "verify", json!({ "command": n.to_string() })).unwrap()).collect();
        assert_eq!(store.ids().unwrap().len(), 3, "each has an ID of its own: {ids:?}");
        assert_eq!(store.find(&ids[1]).unwrap().document["command"], "1");
        let mode = fs::metadata(store.path(&ids[0])).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for the user's eyes alone");
        assert!(matches!(store.find("2"), Err(Error::Ambiguous { number: 3, .. })));
        assert!(matches!(store.find("1999"), Err(Error::Unknown { .. })));
        for day in 0..KEPT {
            fs::copy(store.path(&ids[0]), store.path(&format!("19990101T{day:06}Z-stats"))).unwrap();
        }
        let newest = store.keep(Map::new(), "verify", json!({})).unwrap();
        let left = store.ids().unwrap();
        assert_eq!((left.len(), left.contains(&newest), left.contains(&ids[0])), (KEPT, true, true));
        assert_eq!(store.find("19990101T0001").unwrap_err().to_string().split(' ').next(), Some("19990101T0001"));
        assert!(matches!(store.find("19990101T000003"), Err(Error::Unknown { .. })), "it was among the oldest");
        assert_eq!(store.find("19990101T000004").unwrap().document["command"], "0");
    }

    #[test]
    fn what_is_no_record_is_told_from_what_is_of_a_newer_form() {
        let told = |text: &str| open(Path::new("x.json"), text).unwrap_err();
        assert!(matches!(told("{"), Error::Record { .. }));
        assert!(matches!(told(r#"{"format": 1}"#), Error::Record { .. }));
        assert!(matches!(told(r#"{"format": 9, "runs": []}"#), Error::Newer { format: 9, .. }));
        let newer = r#"{"format": 9, "id": "x", "asked": {}, "document": {"command": "verify", "more": 1}, "more": 2}"#;
        let record = open(Path::new("x.json"), newer).unwrap();
        assert!(record.note().is_some_and(|note| note.contains("format 9")), "{record:?}");
    }
}
