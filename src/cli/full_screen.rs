//! The whole terminal, for `verify --watch`: what was on it comes back, whichever way the command ends.

use std::io::{self, BufWriter, IsTerminal, Stderr};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::alternate_screen;
use super::console::{self, Console};
use crate::commands::Error;
use crate::commands::verify::Asked;
use crate::commands::verify_watch::{self, Stops};
use crate::report::dashboard::{self, Scene};
use crate::stages::Context;
use crate::traffic::Verification;

/// How long a key is waited for until it is looked whether any is wanted.
const PATIENCE: Duration = Duration::from_millis(50);

/// Refuses where there is no terminal to draw on, and to type on.
pub(super) fn check(console: &Console) -> Result<(), Error> {
    let lacks = if console.is_jsonl() {
        "--output jsonl tells the same line by line"
    } else if !io::stderr().is_terminal() {
        "stderr is no terminal"
    } else if !io::stdin().is_terminal() {
        "stdin is no terminal"
    } else if std::env::var_os("TERM").is_none_or(|kind| kind == "dumb") {
        "TERM names no terminal that can be drawn on"
    } else if !console.has_terminal() {
        "--quiet shows nothing meanwhile"
    } else {
        return Ok(());
    };
    Err(Error::Usage(format!(
        "--watch draws on the whole terminal: {lacks}; leave it out, and the verdict is the same"
    )))
}

/// Runs `verify --watch`.
pub(super) async fn watch(ctx: &Context, asked: &Asked, console: &Console) -> Result<Verification, Error> {
    let stops = Stops::of(ctx);
    let screen = FullScreen::enter(console, stops.clone()).map_err(Error::Terminal)?;
    verify_watch::run(ctx, asked, &stops, |scene| screen.draw(scene)).await
}

struct FullScreen<'c> {
    terminal: Mutex<Terminal<CrosstermBackend<BufWriter<Stderr>>>>,
    console: &'c Console,
    keys: Option<JoinHandle<()>>,
}

impl<'c> FullScreen<'c> {
    fn enter(console: &'c Console, stops: Stops) -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(BufWriter::new(io::stderr())))?;
        console.give_screen();
        // From here on it is left in any case.
        let mut screen = Self { terminal: Mutex::new(terminal), console, keys: None };
        alternate_screen::enter()?;
        screen.keys = Some(std::thread::spawn(move || heed_keys(&stops)));
        Ok(screen)
    }

    fn draw(&self, scene: &Scene) {
        let drawn = self.terminal.lock().draw(|frame| dashboard::draw(scene, frame, console::has_colors())).map(drop);
        if let Err(error) = drawn {
            tracing::debug!(%error, "the screen was not drawn");
        }
    }
}

impl Drop for FullScreen<'_> {
    fn drop(&mut self) {
        alternate_screen::leave();
        // It ends by itself now; a key that it read belongs to nobody else.
        if let Some(keys) = self.keys.take() {
            let _ = keys.join();
        }
        self.console.take_screen();
    }
}

/// In raw mode Ctrl-C is a key like others.
fn heed_keys(stops: &Stops) {
    while alternate_screen::is_on() {
        match event::poll(PATIENCE).and_then(|is_there| if is_there { event::read().map(Some) } else { Ok(None) }) {
            Ok(Some(Event::Key(key))) if ends(key) => stops.next(),
            Ok(_) => {}
            // The terminal has gone, and the user with it.
            Err(_) => return stops.next(),
        }
    }
}

fn ends(key: KeyEvent) -> bool {
    let is_ctrl_c = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    key.kind == KeyEventKind::Press && (is_ctrl_c || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use pty_process::blocking;
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::cli::options::Output;

    /// The variable by which this test knows that it runs on a terminal, within itself.
    const WITHIN: &str = "ZONEWALK_TEST_WITHIN";

    #[test]
    fn a_panic_is_told_on_the_screen_as_it_was_before() {
        if std::env::var_os(WITHIN).is_some() {
            let console = Console::with_output(Output::Human, None);
            let stops = Stops { traffic: CancellationToken::new(), counters: CancellationToken::new() };
            let _screen = FullScreen::enter(&console, stops).unwrap();
            panic!("all is lost");
        }
        let (mut pty, pts) = blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let name = "cli::full_screen::tests::a_panic_is_told_on_the_screen_as_it_was_before";
        let test = blocking::Command::new(std::env::current_exe().unwrap());
        let test = test.args(["--exact", name, "--nocapture"]).env(WITHIN, "1").env("TERM", "xterm-256color");
        let mut child = test.spawn(pts).unwrap();
        let mut written = vec![];
        // Its end is an error on Linux.
        let _ = pty.read_to_end(&mut written);
        assert!(!child.wait().unwrap().success());
        let written = String::from_utf8_lossy(&written);
        let at = |what: &str| written.find(what).unwrap_or_else(|| panic!("{what:?} is not in {written:?}"));
        // The alternate screen is entered and left, the cursor shown, and then comes the panic.
        let order = [at("\u{1b}[?1049h"), at("\u{1b}[?1049l"), at("\u{1b}[?25h"), at("all is lost")];
        assert!(order.is_sorted(), "{order:?} in {written:?}");
    }
}
