//! Turns: of the commands that would start or end a process, one at a time finds out whether it runs, and acts on that.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// How long a command waits for its turn: those before it may each start or end a process.
pub(super) const LIMIT: Duration = Duration::from_secs(180);

/// A turn, which ends when it is dropped or its process ends, however it ends: the lock is the operating system's.
pub(super) struct Turn {
    path: PathBuf,
    _locked: File,
}

impl Turn {
    /// Waits for a turn with the lock file at `path`; a wait that is given up leaves nothing.
    pub(super) async fn wait_for(path: PathBuf) -> io::Result<Self> {
        let asked = Instant::now();
        loop {
            let file = File::options().create(true).truncate(false).write(true).open(&path)?;
            match file.try_lock() {
                // Whoever had the turn before has removed the file: if that was this one, its lock keeps nobody away.
                Ok(()) if is_at(&file, &path)? => return Ok(Self { path, _locked: file }),
                Ok(()) => {}
                Err(TryLockError::WouldBlock) if asked.elapsed() >= LIMIT => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A file that stays is locked by nobody, and does no harm.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether an open file is the one that is found at `path` now.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn turns_come_one_after_the_other_and_leave_no_file() {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let turns = (0..20).map(|_| {
            let path = path.clone();
            tokio::spawn(async move {
                let _turn = Turn::wait_for(path).await.unwrap();
                assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                INSIDE.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for turn in turns.collect::<Vec<_>>() {
            turn.await.unwrap();
        }
        assert!(!path.exists());
    }
}
