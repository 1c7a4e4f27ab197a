//! Ctrl-C: the first one lets the request under way end, so that the run can be resumed; the second ends at once.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::console::Console;
use super::terminal_echo;

/// A shell's exit code for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled at the first Ctrl-C from now on, or when the process is told to terminate. `first`: what is done
/// before the command ends, if anything is. `second`: what is said if it is not let do that.
pub(super) fn token(console: &Console, first: Option<&'static str>, second: Option<&'static str>) -> CancellationToken {
    let token = CancellationToken::new();
    let (cancelled, console) = (token.clone(), console.clone());
    // Before the task runs for the first time: until then, an interrupt would end the process.
    match Interrupts::listen() {
        Ok(mut interrupts) => {
            if console.has_terminal() {
                terminal_echo::hide_control_characters();
            }
            drop(tokio::spawn(async move {
                interrupts.next().await;
                let first = first.map(|first| format!(": {first}; Ctrl-C again ends at once")).unwrap_or_default();
                console.message(&format!("interrupted{first}"));
                cancelled.cancel();
                interrupts.next().await;
                second.into_iter().for_each(|second| console.message(second));
                terminal_echo::restore();
                std::process::exit(INTERRUPTED);
            }));
        }
        Err(error) => tracing::warn!(%error, "an interrupt will end this at once"),
    }
    token
}

struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
