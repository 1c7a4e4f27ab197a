//! What `.ci/release` makes for those who do not build, used as they use it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::machine::Machine;
use crate::peers;

const VERSION: &str = concat!("zonewalk ", env!("CARGO_PKG_VERSION"), "\n");

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The one package whose name ends so, of those that `tests/run.sh` has made.
fn package(ending: &str) -> PathBuf {
    let directory = std::env::var_os("ZONEWALK_PACKAGES").expect("tests/run.sh packages makes them, and says where");
    succeed(Command::new("sha256sum").args(["--check", "--strict", "SHA256SUMS"]).current_dir(&directory));
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
#[ignore = "needs the wheel: tests/run.sh makes it"]
fn the_wheel_gives_the_command_to_a_bare_environment() {
    let (wheel, tools, home) = (package(".whl"), peers::bin("release"), tempfile::tempdir().unwrap());
    let environment = home.path().join("environment");
    succeed(Command::new(tools.join("python3")).args(["-m", "venv", "--without-pip"]).arg(&environment));
    let mut pip = Command::new(tools.join("pip"));
    pip.arg("--python").arg(environment.join("bin/python3")).args(["install", "--no-index"]).arg(&wheel);
    succeed(pip.env_clear().env("HOME", home.path()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1"));
    let licence = |file: &String| file.ends_with(".dist-info/licenses/LICENSE");
    assert!(files(&environment).iter().any(licence), "{:?}", files(&environment));

    let machine = Machine::of(&environment.join("bin/zonewalk"));
    assert_eq!(String::from_utf8(machine.zonewalk(&["--version"]).stdout).unwrap(), VERSION);
    let walkthrough = machine.json(&["walkthrough", "--local", "--output", "json"]);
    assert_eq!(walkthrough["verify"]["verdict"], "pass", "{walkthrough}");
    assert_eq!(walkthrough["failover"]["restored"], true, "{walkthrough}");
    assert_eq!(walkthrough["down"]["leftovers"], serde_json::json!([]), "{walkthrough}");

    // Without an environment of the user's own.
    let mut uvx = Command::new(tools.join("uvx"));
    uvx.args(["--offline", "--no-config", "--python"]).arg(tools.join("python3")).arg("--from").arg(&wheel);
    uvx.args(["zonewalk", "--version"]).env_clear().env("HOME", home.path());
    assert_eq!(String::from_utf8(succeed(&mut uvx).stdout).unwrap(), VERSION);
}

/// The files below a directory.
fn files(directory: &Path) -> Vec<String> {
    let found = succeed(Command::new("find").args([".", "-type", "f", "-printf", "%P\n"]).current_dir(directory));
    let mut files: Vec<_> = String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
#[ignore = "needs the archive: tests/run.sh makes it"]
fn the_archive_has_the_program_with_completions_and_manual_pages() {
    let directory = tempfile::tempdir().unwrap();
    let unpacked = directory.path();
    let mut tar = Command::new("tar");
    let archive = package(".tar.gz");
    succeed(tar.args(["--extract", "--strip-components=1", "--file"]).arg(archive).arg("--directory").arg(unpacked));

    let machine = Machine::of(&unpacked.join("zonewalk"));
    assert_eq!(String::from_utf8(machine.zonewalk(&["--version"]).stdout).unwrap(), VERSION);
    assert!(machine.zonewalk(&["man", "--dir", "man1"]).status.success());
    let pages = files(&machine.path().join("man1"));
    assert!(pages.contains(&"zonewalk-local-serve.1".to_owned()), "{pages:?}");
    assert_eq!(files(&unpacked.join("man/man1")), pages);
    let others = files(unpacked).into_iter().filter(|file| !file.starts_with("man/"));
    let expected = [
        "LICENSE",
        "README.md",
        "completions/_zonewalk",
        "completions/zonewalk",
        "completions/zonewalk.fish",
        "completions/zonewalk.ps1",
        "docs/install.md",
        "zonewalk",
    ];
    assert_eq!(others.collect::<Vec<_>>(), expected);

    let mut bash = Command::new("bash");
    bash.args(["-euc", "source completions/zonewalk; complete -p zonewalk"]).current_dir(unpacked);
    assert!(String::from_utf8(succeed(&mut bash).stdout).unwrap().contains("_zonewalk"));
}

#[test]
#[ignore = "needs what cargo build makes: tests/run.sh runs it"]
fn cargo_installs_it() {
    let root = tempfile::tempdir().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["install", "--debug", "--locked", "--offline", "--path", ".", "--root"]).arg(root.path());
    // Cargo tells them a test, and compiles C anew where they are others.
    let is_cargos = |name: &str| ["CARGO_MANIFEST_", "CARGO_PKG_"].iter().any(|own| name.starts_with(own));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(is_cargos)) {
        cargo.env_remove(name);
    }
    let said = String::from_utf8(succeed(cargo.current_dir(env!("CARGO_MANIFEST_DIR"))).stderr).unwrap();
    assert!(said.contains("Finished") && !said.contains("Compiling"), "something is compiled once more: {said}");
    let machine = Machine::of(&root.path().join("bin/zonewalk"));
    assert_eq!(String::from_utf8(machine.zonewalk(&["--version"]).stdout).unwrap(), VERSION);
}
