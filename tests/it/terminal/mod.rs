//! The program on a terminal, and what is on its screen in the end, with what has scrolled off it:
//!
//!     let screen = Terminal::new(80).run(&machine, &["up", "--local"]);
//!     screen.assert_tidy();
//!     let screen = Terminal::new(80).typing("requests", CTRL_C).run(&machine, &["verify", "--local"]);

use std::fmt;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use pty_process::Size;
use pty_process::blocking::{self, Pty};
use tokio::time::Instant;

use crate::machine::Machine;

mod commands;
mod paced;
mod sessions;
mod watching;

/// What a terminal sends for Ctrl-C.
pub(crate) const CTRL_C: &str = "\u{3}";

/// More than any command takes here; one that hangs is killed then.
const LONGEST: Duration = Duration::from_secs(180);

/// How long no output comes before it is looked whether the program has ended.
const LULL: Duration = Duration::from_millis(100);

/// More lines than any command writes here.
const SCROLLBACK: usize = 10_000;

/// When something is done.
#[derive(Debug)]
enum Moment {
    /// When the program has written this, after what was done before.
    Written(String),
    /// When this is to be seen on the screen.
    Shown(String),
}

/// What is done.
#[derive(Debug)]
enum Act {
    Type(String),
    /// The window gets so many columns.
    Resize(u16),
    /// The program is told to terminate.
    Terminate,
}

/// A terminal for one command.
pub(crate) struct Terminal {
    columns: u16,
    rows: u16,
    /// What is on it before.
    before: String,
    /// What is done at which moment, in this order.
    acts: Vec<(Moment, Act)>,
    /// Further variables of the program's environment.
    variables: Vec<(&'static str, &'static str)>,
    /// Where stdout goes instead.
    output: Option<File>,
}

impl Terminal {
    pub(crate) fn new(columns: u16) -> Self {
        Self { columns, rows: 40, before: String::new(), acts: vec![], variables: vec![], output: None }
    }

    pub(crate) fn rows(mut self, rows: u16) -> Self {
        self.rows = rows;
        self
    }

    /// Has this on the screen before the program writes anything.
    pub(crate) fn beginning(mut self, text: &str) -> Self {
        text.clone_into(&mut self.before);
        self
    }

    /// Types `keys` when the program has written `text`, however it is colored, after what was typed before.
    pub(crate) fn typing(mut self, text: &str, keys: &str) -> Self {
        self.acts.push((Moment::Written(text.to_owned()), Act::Type(keys.to_owned())));
        self
    }

    /// Types `keys` when `text` is on the screen.
    pub(crate) fn typing_at_sight(mut self, text: &str, keys: &str) -> Self {
        self.acts.push((Moment::Shown(text.to_owned()), Act::Type(keys.to_owned())));
        self
    }

    /// Makes the window as wide as this when `text` is on the screen.
    pub(crate) fn resizing(mut self, text: &str, columns: u16) -> Self {
        self.acts.push((Moment::Shown(text.to_owned()), Act::Resize(columns)));
        self
    }

    /// Tells the program to terminate when `text` is on the screen.
    pub(crate) fn terminating(mut self, text: &str) -> Self {
        self.acts.push((Moment::Shown(text.to_owned()), Act::Terminate));
        self
    }

    pub(crate) fn variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// Sends stdout to a file, as a shell does for `>`.
    pub(crate) fn output(mut self, file: File) -> Self {
        self.output = Some(file);
        self
    }

    /// Runs the program here, in the environment that `Machine::zonewalk` gives it.
    pub(crate) fn run(self, machine: &Machine, args: &[&str]) -> Screen {
        self.run_watched(machine, args, |_| {})
    }

    /// The same; `seen` sees the screen after each change.
    pub(crate) fn run_watched(self, machine: &Machine, args: &[&str], mut seen: impl FnMut(&vt100::Screen)) -> Screen {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(Size::new(self.rows, self.columns)).unwrap();
        let mut command = blocking::Command::from(machine.command(args)).env("TERM", "xterm-256color");
        command = command.envs(self.variables);
        if let Some(file) = self.output {
            command = command.stdout(file);
        }
        let mut child = command.spawn(pts).unwrap();
        let pty = Arc::new(pty);
        let written = read(Arc::clone(&pty));

        let mut parser = parser(self.rows, self.columns);
        parser.process(self.before.as_bytes());
        let (mut columns, mut sights) = (self.columns, vec![]);
        let (mut text, mut acts) = (String::new(), self.acts.into_iter().peekable());
        let deadline = Instant::now() + LONGEST;
        while let Some(bytes) = next(&written, &mut child, deadline) {
            parser.process(&bytes);
            seen(parser.screen());
            text.push_str(&anstream::adapter::strip_str(&String::from_utf8_lossy(&bytes)).to_string());
            let screen = parser.screen().contents();
            let is_due = |moment: &Moment| match moment {
                Moment::Written(what) => text.contains(what),
                Moment::Shown(what) => screen.contains(what),
            };
            if let Some((_, act)) = acts.next_if(|(moment, _)| is_due(moment)) {
                text.clear();
                sights.push(Sight { screen, is_colored: is_colored(parser.screen()) });
                match act {
                    Act::Type(keys) => (&*pty).write_all(keys.as_bytes()).unwrap(),
                    Act::Resize(to) => {
                        columns = to;
                        parser.screen_mut().set_size(size(self.rows), size(to));
                        pty.resize(Size::new(self.rows, to)).unwrap();
                    }
                    Act::Terminate => {
                        std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
                    }
                }
            }
        }
        let code = child.wait().unwrap().code();
        let is_left = !parser.screen().alternate_screen() && !parser.screen().hide_cursor();
        let lines = lines(parser.screen_mut());
        let screen = Screen { columns: columns.into(), lines, code, seen: sights, is_left };
        assert!(acts.peek().is_none(), "{:?} never came:\n{screen}", acts.peek());
        screen
    }
}

/// Whether any character on a screen has a color.
fn is_colored(screen: &vt100::Screen) -> bool {
    let (rows, columns) = screen.size();
    let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
    let mut colors =
        cells.filter_map(|(row, column)| screen.cell(row, column)).map(|cell| (cell.fgcolor(), cell.bgcolor()));
    colors.any(|colors| colors != (vt100::Color::Default, vt100::Color::Default))
}

fn size(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn parser(rows: u16, columns: u16) -> vt100::Parser {
    vt100::Parser::new(size(rows), size(columns), SCROLLBACK)
}

/// Reads what is written to a terminal until nobody has it open any more.
fn read(pty: Arc<Pty>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        // Its end is an error on Linux.
        while let Ok(count @ 1..) = (&*pty).read(&mut buffer)
            && sender.send(buffer[..count].to_vec()).is_ok()
        {}
    });
    receiver
}

/// The next output; none when the program has ended.
fn next(written: &Receiver<Vec<u8>>, child: &mut Child, deadline: Instant) -> Option<Vec<u8>> {
    loop {
        match written.recv_timeout(LULL) {
            Ok(bytes) => return Some(bytes),
            Err(RecvTimeoutError::Disconnected) => return None,
            // A process that it has left behind may have the terminal open.
            // It may have written between the lull and its end.
            Err(RecvTimeoutError::Timeout) if child.try_wait().unwrap().is_some() => {
                return written.recv_timeout(LULL).ok();
            }
            Err(RecvTimeoutError::Timeout) if Instant::now() > deadline => {
                child.kill().unwrap();
                return None;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// The rows on a screen and above it, and whether each goes on in the next one.
fn rows(screen: &mut vt100::Screen) -> Vec<(String, bool)> {
    let (rows, columns) = screen.size();
    let mut text: Vec<(String, bool)> = vec![];
    let mut take = |screen: &vt100::Screen, row: u16| {
        let line = screen.rows(0, columns.get()).nth(row.into()).unwrap_or_default();
        text.push((line, screen.row_wrapped(row)));
    };
    for above in (1..=screen.scrollback_len()).rev() {
        screen.set_scrollback(above);
        take(screen, 0);
    }
    screen.set_scrollback(0);
    (0..rows.get()).for_each(|row| take(screen, row));

    text
}

/// The lines on a screen and above it; those that the terminal had to wrap are one line each.
fn lines(screen: &mut vt100::Screen) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (row, wrapped) in rows(screen) {
        lines.last_mut().unwrap().push_str(&row);
        if !wrapped {
            lines.push(String::new());
        }
    }
    while lines.pop_if(|line| line.trim().is_empty()).is_some() {}
    lines
}

/// What is on a terminal when the command has ended.
pub(crate) struct Screen {
    pub(crate) columns: usize,
    pub(crate) lines: Vec<String>,
    /// The exit code; none if a signal ended the program.
    pub(crate) code: Option<i32>,
    /// What was to be seen when each thing was done.
    pub(crate) seen: Vec<Sight>,
    /// Whether the program has left the alternate screen, and shows the cursor.
    pub(crate) is_left: bool,
}

/// A moment of a screen.
pub(crate) struct Sight {
    pub(crate) screen: String,
    pub(crate) is_colored: bool,
}

impl Screen {
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.lines.iter().any(|line| line.contains(text))
    }

    pub(crate) fn last_line(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// The columns that the widest line takes, or would take if the terminal had not wrapped it.
    pub(crate) fn widest(&self) -> usize {
        self.lines.iter().map(|line| line.trim_end().chars().count()).max().unwrap_or_default()
    }

    /// The lines with a frame of a spinner, which are to be gone in the end.
    pub(crate) fn spinners(&self) -> Vec<&str> {
        let is_frame = |c| ('\u{2801}'..='\u{28ff}').contains(&c);
        self.lines.iter().map(String::as_str).filter(|line| line.contains(is_frame)).collect()
    }

    /// Fails if a spinner is left, or if the terminal had to wrap a line.
    #[track_caller]
    pub(crate) fn assert_tidy(&self) {
        assert_eq!(self.spinners(), [""; 0], "{self}");
        assert!(self.widest() <= self.columns, "{} columns are taken of {}:\n{self}", self.widest(), self.columns);
    }

    /// Fails if the command has not ended like this, too.
    #[track_caller]
    pub(crate) fn assert_tidy_end(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self}");
        self.assert_tidy();
    }
}

impl fmt::Display for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text())
    }
}

/// A text with what differs from run to run taken out: identifiers and addresses; and lines of what was done at once in the
/// order of the alphabet.
fn redacted(text: &str) -> String {
    let mut lines: Vec<String> = text.lines().map(|line| words(line).collect()).collect();
    let is_done = |line: &String| line.contains("✓ ");
    for block in lines.chunk_by_mut(|a, b| is_done(a) && is_done(b)) {
        block.sort();
    }
    lines.join("\n")
}

/// The words of a line and what is between them, in turn.
fn words(line: &str) -> impl Iterator<Item = String> {
    let is_part = |c: char| c.is_alphanumeric() || "-:./".contains(c);
    let words = line.chars().collect::<Vec<_>>();
    let words =
        words.chunk_by(|a, b| is_part(*a) == is_part(*b)).map(|word| word.iter().collect()).map(|word: String| {
            let id = word.split_once('-').filter(|(kind, id)| ["lt", "ns", "sg"].contains(kind) && id.len() >= 12);
            match (id, word.strip_prefix("http://127.0.0.1:")) {
                (Some((kind, _)), _) => format!("{kind}-…"),
                (_, Some(_)) => "http://127.0.0.1:…/".to_owned(),
                _ => word,
            }
        });
    words.collect::<Vec<_>>().into_iter()
}
