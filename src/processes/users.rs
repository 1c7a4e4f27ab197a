//! The commands that use a process. Each holds a lock on one file, so that the last one out is known, and has written there who
//! it is.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::PathBuf;

use rustix::process::{Pid, test_kill_process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A command that uses a process.
#[derive(Clone, Debug, JsonSchema, Serialize, Deserialize)]
pub struct User {
    /// Its process ID.
    pub process: u32,
    /// The command line as it was typed.
    pub command: String,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.command, self.process)
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    User(User),
    /// A command wants the process ended once nobody uses it.
    End,
}

/// What is left when a command has left.
pub(super) enum Rest {
    /// Others use the process.
    Users,
    /// Nobody does. Whether one of those that have left wanted it ended.
    Nobody { end: bool },
}

pub(super) struct Users(pub(super) PathBuf);

impl Users {
    /// Enters this command. It has left when the file is closed, however that comes about.
    pub(super) fn enter(&self) -> io::Result<File> {
        let mut file = File::options().create(true).append(true).open(&self.0)?;
        // At once: nobody looks for other users but in its turn, and this turn is the caller's.
        file.lock_shared()?;
        let words: Vec<String> = std::env::args().skip(1).collect();
        let user = User { process: std::process::id(), command: format!("zonewalk {}", words.join(" ")) };
        write(&mut file, &Line::User(user))?;
        Ok(file)
    }

    /// Leaves. `end`: the last one out is to end the process. For a command whose turn it is.
    pub(super) fn leave(&self, mut entered: File, end: bool) -> io::Result<Rest> {
        if end {
            write(&mut entered, &Line::End)?;
        }
        drop(entered);
        self.look()
    }

    /// Whether anybody is left; if not, the file goes. For a command whose turn it is.
    pub(super) fn look(&self) -> io::Result<Rest> {
        match File::open(&self.0) {
            Ok(file) => match file.try_lock() {
                Ok(()) => {
                    let end = self.lines()?.iter().any(|line| matches!(line, Line::End));
                    std::fs::remove_file(&self.0)?;
                    Ok(Rest::Nobody { end })
                }
                Err(TryLockError::WouldBlock) => Ok(Rest::Users),
                Err(TryLockError::Error(error)) => Err(error),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Rest::Nobody { end: false }),
            Err(error) => Err(error),
        }
    }

    /// Who uses the process.
    pub(super) fn list(&self) -> io::Result<Vec<User>> {
        let lives = |user: &User| {
            i32::try_from(user.process).ok().and_then(Pid::from_raw).is_some_and(|process| {
                // Another user's process may not be signalled, and lives.
                !matches!(test_kill_process(process), Err(rustix::io::Errno::SRCH))
            })
        };
        let users = self.lines()?.into_iter().filter_map(|line| match line {
            Line::User(user) => Some(user),
            Line::End => None,
        });
        // A command that was killed has left its line.
        Ok(users.filter(lives).collect())
    }

    fn lines(&self) -> io::Result<Vec<Line>> {
        match std::fs::read_to_string(&self.0) {
            // A version that wrote something else had no names, and one wish.
            Ok(text) => Ok(text.lines().map(|line| serde_json::from_str(line).unwrap_or(Line::End)).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(vec![]),
            Err(error) => Err(error),
        }
    }
}

fn write(file: &mut File, line: &Line) -> io::Result<()> {
    // In one piece, since others write, too.
    file.write_all((serde_json::to_string(line)? + "\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_killed_is_no_user_any_more_and_the_last_one_out_hears_of_the_wish_to_end() {
        let directory = tempfile::tempdir().unwrap();
        let users = Users(directory.path().join("users"));
        assert!(users.list().unwrap().is_empty());
        let first = users.enter().unwrap();
        let second = users.enter().unwrap();
        let gone = User { process: i32::MAX as u32, command: String::new() };
        write(&mut File::options().append(true).open(&users.0).unwrap(), &Line::User(gone)).unwrap();
        let listed: Vec<u32> = users.list().unwrap().iter().map(|user| user.process).collect();
        assert_eq!(listed, [std::process::id(); 2]);
        assert!(matches!(users.leave(first, true).unwrap(), Rest::Users));
        assert!(matches!(users.leave(second, false).unwrap(), Rest::Nobody { end: true }));
        assert!(matches!(users.look().unwrap(), Rest::Nobody { end: false }) && !users.0.exists());
    }
}
