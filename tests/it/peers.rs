//! The programs of others that tests talk to. `tests/run.sh` installs them; a test that needs one is ignored without it.

use std::path::PathBuf;

/// Where `tests/run.sh` puts one peer.
pub(crate) fn directory(peer: &str) -> PathBuf {
    let peers = match std::env::var_os("ZONEWALK_PEERS") {
        Some(directory) => PathBuf::from(directory),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target").join("peers"),
    };
    let directory = peers.join(peer);
    assert!(directory.is_dir(), "{} is missing: run tests/run.sh, which installs the peers", directory.display());
    directory
}

/// The `bin` directory of one peer's Python environment.
pub(crate) fn bin(peer: &str) -> PathBuf {
    directory(peer).join("bin")
}
