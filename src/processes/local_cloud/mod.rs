//! The local cloud as a process: in the foreground (`local serve`), or in the background for `--local`, where the
//! first command that makes something starts it and the last `down` ends it. A record in a directory of the user's own tells the
//! commands in between where it listens.

mod control;
mod error;
mod in_use;
mod own_paths;
mod serve;
mod started;

pub use self::control::{find, log, refuse_if_used, state_file, stop, unreadable, users};
pub use self::error::Error;
pub(crate) use self::error::gone;
pub use self::in_use::{InUse, Left, Purpose};
pub use self::own_paths::{
    Age, AgedDeployment, Conditions, Standing, age, conditions, faults, read_faults, set_conditions, set_faults,
    walkthroughs,
};
pub use self::serve::{RequestLog, ServeOptions, serve};
pub use self::started::{Asked, NewCloud, Proxy, Record, Started};
