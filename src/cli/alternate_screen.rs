//! The terminal's other screen, which a program can draw on as a whole: what was there before comes back when it is left, whichever
//! way the program ends.

use std::io;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};

/// Whether it is drawn on. The program's, since a panic or a second interrupt may end it anywhere.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Has it shown, and keys come as they are typed. Whatever comes of it, it is to be left.
pub(super) fn enter() -> io::Result<()> {
    leave_at_panics();
    IS_ON.store(true, Ordering::SeqCst);
    enable_raw_mode()?;
    execute!(io::stderr(), EnterAlternateScreen, Hide)
}

pub(super) fn is_on() -> bool {
    IS_ON.load(Ordering::SeqCst)
}

/// Has the terminal as it was, if it is drawn on.
pub(super) fn leave() {
    if IS_ON.swap(false, Ordering::SeqCst) {
        // A terminal that has gone needs nothing.
        let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Has a panic leave it before the panic is told of, since what is written there goes with it.
fn leave_at_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            leave();
            tell(panic);
        }));
    });
}
