//! Ctrl-C: the first one lets the request under way end, so that the run can be resumed; the second ends at once.

use tokio_util::sync::CancellationToken;

use super::console::Console;

/// A shell's exit code for a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// A token that is cancelled at the first Ctrl-C, or when the process is told to terminate.
pub(super) fn token(console: &Console) -> CancellationToken {
    let token = CancellationToken::new();
    let (cancelled, console) = (token.clone(), console.clone());
    tokio::spawn(async move {
        if interrupted().await {
            console.progress_line("interrupted: the request under way is finished first; Ctrl-C again ends at once");
            cancelled.cancel();
            if interrupted().await {
                std::process::exit(INTERRUPTED);
            }
        }
    });
    token
}

#[cfg(unix)]
async fn interrupted() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return tokio::signal::ctrl_c().await.is_ok() };
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.is_ok(),
        received = terminate.recv() => received.is_some(),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
