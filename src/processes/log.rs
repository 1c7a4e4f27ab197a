//! The log of a process in the background: its output, and a line for each thing that it wants remembered, in a file of bounded
//! size. When that is full, it becomes the older half of the log, in the place of the one before it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

/// How large a half may be: some 40,000 requests.
const LIMIT: u64 = 4 << 20;

/// Where the older half is.
fn older(path: &Path) -> PathBuf {
    path.with_extension("old.log")
}

/// Begins an empty log, for the output of a process.
pub(super) fn begin(path: &Path) -> io::Result<File> {
    File::create(path)?;
    match std::fs::remove_file(older(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // What is appended goes to the end, wherever that is by then.
    File::options().append(true).open(path)
}

/// Appends lines to a log that has begun.
pub(super) struct Writer {
    path: PathBuf,
    file: Mutex<File>,
    limit: u64,
}

impl Writer {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file), limit: LIMIT })
    }

    pub(super) fn write(&self, line: &str) -> io::Result<()> {
        let mut file = self.file.lock();
        if file.metadata()?.len() + line.len() as u64 >= self.limit {
            // Copied, not renamed: the process's own output goes to the same open file.
            std::fs::copy(&self.path, older(&self.path))?;
            file.set_len(0)?;
        }
        // In one piece, since the process's own output comes in between.
        file.write_all(format!("{line}\n").as_bytes())
    }
}

/// Reads a log, and what comes to it later.
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    /// How much of the newer half is read. None: nothing is, of either.
    read: Option<u64>,
}

impl Reader {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is new since the last time. To be called before a new half has grown past what was read of the one before it: at
    /// 4 MiB each, and a look a second, that holds.
    pub fn read(&mut self) -> io::Result<String> {
        let mut bytes = vec![];
        let end = File::open(&self.path)?.metadata()?.len();
        let from = match self.read {
            Some(read) if read <= end => read,
            // What was being read is the older half now.
            read => {
                match File::open(older(&self.path)) {
                    Ok(file) => read_from(file, read.unwrap_or(0), &mut bytes)?,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
                    Err(error) => return Err(error),
                };
                0
            }
        };
        self.read = Some(from + read_from(File::open(&self.path)?, from, &mut bytes)?);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn read_from(mut file: File, from: u64, bytes: &mut Vec<u8>) -> io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    file.read_to_end(bytes).map(|read| read as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_full_loses_its_older_half_and_a_reader_misses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut output = begin(&path).unwrap();
        output.write_all(b"started\n").unwrap();
        let writer = Writer { limit: 100, ..Writer::open(&path).unwrap() };
        let mut reader = Reader::new(path.clone());
        let mut read = reader.read().unwrap();
        for n in 0..100 {
            writer.write(&format!("request {n:03}")).unwrap();
            if n % 2 == 0 {
                read += &reader.read().unwrap();
            }
            output.write_all(b".\n").unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() <= 102);
        }
        read += &reader.read().unwrap();
        let lines: Vec<&str> = read.lines().collect();
        assert_eq!(lines[..4], ["started", "request 000", ".", "request 001"]);
        assert_eq!((lines.len(), lines[lines.len() - 2]), (201, "request 099"));
        // Whoever comes later reads both halves.
        let late = Reader::new(path.clone()).read().unwrap();
        assert!(late.ends_with("request 098\n.\nrequest 099\n.\n") && late.len() > 100, "{late}");
        assert!(!late.contains("request 050"), "{late}");
        // The next process's log has nothing of it.
        begin(&path).unwrap();
        assert_eq!(Reader::new(path).read().unwrap(), "");
    }
}
