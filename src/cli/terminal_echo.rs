//! What a terminal does at a Ctrl-C that is typed. By itself it writes `^C` where the cursor is, behind the bars of what is
//! waited for, and moves on to the next line; and it drops what was written and is not on the screen yet (termios(3), NOFLSH).
//! Either way the bars would be cleared from the wrong line on, and one of them would stay.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::alternate_screen;

/// How the terminal was.
static BEFORE: OnceLock<Termios> = OnceLock::new();

/// Has the terminal show nothing of control characters that are typed, and lose nothing of what is written, until [`restore`].
pub(super) fn hide_control_characters() {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return;
    }
    // A terminal that cannot be asked or set shows a stray line at worst.
    let Ok(before) = tcgetattr(&stdin) else { return };
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHOCTL);
    quiet.local_modes.insert(LocalModes::NOFLSH);
    if BEFORE.set(before).is_ok() {
        let _ = tcsetattr(&stdin, OptionalActions::Now, &quiet);
    }
}

/// Has the terminal as it was. To be called before the program ends, however it does.
pub(super) fn restore() {
    alternate_screen::leave();
    if let Some(before) = BEFORE.get() {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
    }
}
