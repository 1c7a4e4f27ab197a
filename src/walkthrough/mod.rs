//! The article as straight code: which stage needs which. `run` goes through the stages to do or to foresee them; `up` is what
//! is made of that, `down` the way back.

mod down;
mod run;
mod up;

pub use down::{Down, Leftover, Removed, down};
pub use up::{Examination, Up, examine, up};
