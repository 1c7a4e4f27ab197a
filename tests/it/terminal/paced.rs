//! What is shown of waits as long as AWS's: on a clock that stands still, and that the test moves on.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use indicatif::{MultiProgress, ProgressDrawTarget, TermLike};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use zonewalk::cloud::Pace;
use zonewalk::report::progress::{Progress, View, wrapped};
use zonewalk::settings::Settings;
use zonewalk::stages::Context;
use zonewalk::walkthrough;

use super::{parser, redacted, rows};
use crate::support::{clients, settings, start_cloud};

const COLUMNS: u16 = 80;

/// A terminal that bars are drawn on and lines are written to.
#[derive(Clone)]
struct Paper(Arc<Mutex<vt100::Parser>>);

impl Paper {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(parser(40, COLUMNS))))
    }

    fn write(&self, text: &str) -> io::Result<()> {
        self.0.lock().process(text.as_bytes());
        Ok(())
    }

    /// What is on it, with any frame of a spinner as one.
    fn text(&self) -> String {
        let rows: Vec<String> = rows(self.0.lock().screen_mut()).into_iter().map(|(row, _)| row).collect();
        let still = |c| if ('\u{2801}'..='\u{28ff}').contains(&c) { '⠿' } else { c };
        rows.join("\n").trim_end().chars().map(still).collect()
    }
}

impl fmt::Debug for Paper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Paper")
    }
}

impl TermLike for Paper {
    fn width(&self) -> u16 {
        COLUMNS
    }

    fn height(&self) -> u16 {
        40
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write(&format!("\x1b[{n}A")) }
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write(&format!("\x1b[{n}B")) }
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write(&format!("\x1b[{n}C")) }
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write(&format!("\x1b[{n}D")) }
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write(&format!("{text}\r\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs on one thread and a clock that stands still until `Clock::advance`.
fn run<F: Future>(test: impl FnOnce(Clock) -> F) -> F::Output {
    let parked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&parked);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .on_thread_park(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .unwrap();
    runtime.block_on(test(Clock(parked)))
}

/// Counts how often the one thread had nothing to do.
struct Clock(Arc<AtomicUsize>);

impl Clock {
    /// Lets all happen that does not wait for the clock. While a blocking task runs, tokio leaves the clock alone.
    async fn settle(&self) {
        let mut calm = 0;
        for _ in 0..10_000 {
            let before = self.0.load(Ordering::Relaxed);
            tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await.unwrap();
            // It waited for that task alone, whose end may wake it twice.
            let is_calm = (1..=2).contains(&(self.0.load(Ordering::Relaxed) - before));
            calm = if is_calm { calm + 1 } else { 0 };
            if calm == 5 {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    async fn advance(&self, time: Duration) {
        tokio::time::advance(time).await;
        self.settle().await;
    }
}

/// More than an `up` takes at AWS's pace.
const LONGEST: u64 = 15 * 60;

/// Runs `up` at AWS's pace, second by second, and has a look at each.
async fn up(clock: &Clock, progress: &Arc<Progress>, mut look: impl FnMut(u64)) {
    let cloud = start_cloud(Pace::Aws).await;
    let settings = Settings { timeout: Duration::from_secs(900), ..settings() };
    let ctx = Context::new(clients(&cloud).await, settings, progress.events(), CancellationToken::new());
    progress.set_aws_pace();
    progress.begin("up");
    let up = tokio::task::LocalSet::new();
    let up = up.run_until(async {
        let up = tokio::task::spawn_local(async move { walkthrough::up(&ctx).await });
        clock.settle().await;
        for second in 0..LONGEST {
            look(second);
            if up.is_finished() {
                break;
            }
            clock.advance(Duration::from_secs(1)).await;
        }
        up.await.unwrap()
    });
    up.await.unwrap();
    progress.end();
    cloud.shutdown().await;
}

/// A text without the seconds that things took, and without what is only told since a second passed in the middle of them:
/// how far a run comes in a second of this clock is up to the machine. What is told again and again is there once.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| word.ends_with('s') && word.chars().all(|c| c.is_ascii_digit() || ".ms".contains(c));
    let is_stamp = |word: &str| word.len() == 8 && word.chars().all(|c| c.is_ascii_digit() || c == ':');
    let without = |word| if is_time(word) || is_stamp(word) { "…" } else { word };
    let mut lines: Vec<String> = vec![];
    for line in text.lines().filter(|line| !line.contains("  waiting for ")) {
        let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).map(without).collect();
        let mut line = words.join(" ");
        if line.contains('✓') || line.starts_with("created") {
            line = line.trim_end_matches(" …").to_owned();
        }
        if line != "…" && !(line.contains("still") && lines.contains(&line)) {
            lines.push(line);
        }
    }
    redacted(&lines.join("\n"))
}

#[test]
fn a_terminal_shows_what_is_waited_for_and_how_far_all_is() {
    let paper = Paper::new();
    let shown = run(async |clock| {
        let bars = MultiProgress::with_draw_target(ProgressDrawTarget::term_like(Box::new(paper.clone())));
        let view = View::Terminal { bars: bars.clone(), width: Box::new(|| COLUMNS) };
        let lines = paper.clone();
        let print_line = move |line: &str| {
            bars.suspend(|| wrapped(line, COLUMNS).lines().for_each(|line| lines.write_line(line).unwrap()));
        };
        let progress = Arc::new(Progress::new(view, false, print_line));
        let mut shown = vec![];
        up(&clock, &progress, |second| {
            if [10, 65, 145].contains(&second) {
                shown.push(format!("── {second} s\n{}", paper.text()));
            }
        })
        .await;
        shown
    });
    insta::assert_snapshot!("up_at_aws_pace", timeless(&shown.join("\n\n")));
    let end = paper.text();
    assert!(!end.contains('⠿'), "{end}");
    insta::assert_snapshot!("up_at_aws_pace_in_the_end", timeless(&end));
}

#[test]
fn a_log_is_never_silent_for_long_and_dates_each_line() {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&log);
    run(async |clock| {
        let print_line = move |line: &str| {
            let line = String::from_utf8(anstream::adapter::strip_bytes(line.as_bytes()).into_vec()).unwrap();
            lines.lock().push(line);
        };
        let progress = Arc::new(Progress::new(View::Log { now: SystemTime::UNIX_EPOCH }, false, print_line));
        up(&clock, &progress, |_| ()).await;
    });
    let log = std::mem::take(&mut *log.lock());
    let seconds = |line: &str| {
        let parts: Vec<u64> = line[..8].split(':').map(|part| part.parse().unwrap()).collect();
        parts[0] * 3600 + parts[1] * 60 + parts[2]
    };
    let stamps: Vec<u64> = std::iter::once(0).chain(log.iter().map(|line| seconds(line))).collect();
    let silences: Vec<_> = stamps.windows(2).filter(|pair| pair[1] - pair[0] > 15).collect();
    assert!(silences.is_empty(), "{silences:?} in\n{}", log.join("\n"));
    assert!(stamps.last().unwrap() > &150, "it took no time: {log:#?}");
    let log = timeless(&log.join("\n"));
    // What is done side by side has no order.
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort();
    insta::assert_snapshot!("log_of_up_at_aws_pace", lines.join("\n"));
}
