//! The article as straight code: which stage needs which. `order` goes through the stages, up and down; `up` and
//! `down` are what is made of that.

mod down;
mod order;
mod standing;
mod up;

pub use down::{Down, Leftover, Removed, down};
pub use standing::{Resource, Standing, find_standing};
pub use up::{Examination, Up, examine, up};
