//! A process that is being started, by a command that may give up.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};

/// This program, started with other arguments. It is ended unless it is known to have started, since no command would find it.
pub(super) struct Starting<F: FnMut(u32)> {
    child: Child,
    has_started: bool,
    /// Takes back what the process may have left to be found by, when it is ended.
    forget: F,
}

impl<F: FnMut(u32)> Starting<F> {
    pub(super) fn spawn(args: impl IntoIterator<Item: AsRef<OsStr>>, output: File, forget: F) -> io::Result<Self> {
        let errors = output.try_clone()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(args).stdin(Stdio::null()).stdout(output).stderr(errors);
        // In a process group of its own: Ctrl-C at the command that started it is not meant for it.
        command.process_group(0);
        Ok(Self { child: command.spawn()?, has_started: false, forget })
    }

    /// How it has ended, if it has.
    pub(super) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Commands find this process; if it is the one that was started, it runs on.
    pub(super) fn found_as(mut self, process: u32) {
        self.has_started = process == self.child.id();
    }
}

impl<F: FnMut(u32)> Drop for Starting<F> {
    fn drop(&mut self) {
        if self.has_started {
            return;
        }
        // It cannot be killed only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        (self.forget)(self.child.id());
    }
}
