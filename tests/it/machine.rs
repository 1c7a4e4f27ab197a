//! The program as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The program in a directory of its own: no settings file, no record of another local cloud, no AWS configuration.
pub(crate) struct Machine {
    directory: tempfile::TempDir,
    program: PathBuf,
    /// A further variable of its environment.
    variable: Option<(&'static str, PathBuf)>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self::of(Path::new(env!("CARGO_BIN_EXE_zonewalk")))
    }

    /// With the program as somebody has installed it.
    pub(crate) fn of(program: &Path) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), program: program.to_owned(), variable: None }
    }

    pub(crate) fn with(variable: &'static str, value: &Path) -> Self {
        let mut machine = Self::new();
        machine.variable = Some((variable, value.to_owned()));
        machine
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn zonewalk(&self, args: &[&str]) -> Output {
        let mut command = assert_cmd::Command::from_std(self.command(args));
        command.timeout(std::time::Duration::from_secs(180)).output().unwrap()
    }

    /// The same, to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.path()).env_clear().envs(self.variable.clone());
        command.env("HOME", self.path()).env("ZONEWALK_STATE_DIR", self.path()).env("TMPDIR", self.path());
        command
    }

    /// The result of a command that succeeds.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let output = self.zonewalk(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        result(&output.stdout)
    }
}

/// The result in the document that a command has printed.
pub(crate) fn result(stdout: &[u8]) -> Value {
    let mut document: Value =
        serde_json::from_slice(stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(stdout)));
    document["result"].take()
}

/// The exit code of `doctor` against a cloud, with further arguments and variables and a settings file.
pub(crate) fn doctor_code(url: &str, args: &[&str], variables: &[(&str, &str)], file: &str) -> i32 {
    let machine = Machine::new();
    std::fs::write(machine.path().join("zonewalk.toml"), file).unwrap();
    let mut command = machine.command(&["doctor", "--region", "us-east-1", "--endpoint-url", url]);
    command.args(args).envs(variables.iter().copied());
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    command.output().unwrap().status.code().unwrap()
}

/// A test that fails midway leaves no server behind.
impl Drop for Machine {
    fn drop(&mut self) {
        let record = std::fs::read(self.path().join("local.json")).ok();
        let record = record.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if let Some(process) = record.and_then(|record| record["process"].as_u64()) {
            let _ = std::process::Command::new("kill").arg(process.to_string()).status();
        }
    }
}
