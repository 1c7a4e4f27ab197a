//! The directory of the files by which processes are found again.

use std::path::PathBuf;

use etcetera::HomeDirError;
use etcetera::base_strategy::{BaseStrategy, Xdg};

use super::error::{Error, STATE_DIR_VARIABLE};

/// What the program has below a directory that it shares with others.
const PROGRAM: &str = "zonewalk";

/// The directory: by default the user's own for what is to outlive a restart and is no cache, which may be cleared.
pub fn directory() -> Result<PathBuf, Error> {
    choose(named(), Xdg::new())
}

/// Where a version before this one had its files, if the directory is not named.
pub(super) fn of_older_versions() -> Vec<PathBuf> {
    match (named(), Xdg::new()) {
        (None, Ok(xdg)) => {
            xdg.runtime_dir().into_iter().chain([xdg.cache_dir()]).map(|base| base.join(PROGRAM)).collect()
        }
        _ => vec![],
    }
}

fn named() -> Option<PathBuf> {
    std::env::var_os(STATE_DIR_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn choose(named: Option<PathBuf>, xdg: Result<Xdg, HomeDirError>) -> Result<PathBuf, Error> {
    let of_user = || xdg.ok().and_then(|xdg| xdg.state_dir()).map(|base| base.join(PROGRAM)).ok_or(Error::NoStateDir);
    named.map_or_else(of_user, Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_the_one_that_is_named_or_else_the_users_own() {
        let named = || Some(PathBuf::from("/named"));
        assert_eq!(choose(named(), Err(HomeDirError)).unwrap(), PathBuf::from("/named"));
        assert_eq!(choose(named(), Xdg::new()).unwrap(), PathBuf::from("/named"));
        let own = choose(None, Xdg::new()).unwrap();
        assert!(own.is_absolute() && own.ends_with(PROGRAM), "{}", own.display());
        let none = choose(None, Err(HomeDirError)).unwrap_err().to_string();
        assert!(none.starts_with("HOME is not set: set it, or ZONEWALK_STATE_DIR,"), "{none}");
    }
}
