//! `zonewalk local sidecar --config FILE` without the rest: `sidecar FILE`.

use std::path::PathBuf;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use zonewalk::mesh::standalone;

fn main() -> anyhow::Result<()> {
    // As the whole program has it.
    let mut runtime = Builder::new_multi_thread();
    runtime.enable_all().global_queue_interval(3).build()?.block_on(serve())
}

async fn serve() -> anyhow::Result<()> {
    let path: PathBuf = std::env::args_os().nth(1).map(PathBuf::from).ok_or_else(|| anyhow::anyhow!("sidecar FILE"))?;
    let stop = CancellationToken::new();
    let (stopping, mut terminate) = (stop.clone(), signal(SignalKind::terminate())?);
    drop(tokio::spawn(async move {
        terminate.recv().await;
        stopping.cancel();
    }));
    Ok(standalone::serve(&path, |serving| println!("{serving:?}"), |change| println!("{change:?}"), stop).await?)
}
