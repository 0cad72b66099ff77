//! Writes the snapshot file from time to time, and once more at the end.

use std::{path::PathBuf, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};
use tower_portkey::limit::LocalCounters;

use super::file;

/// A task that writes the file. Without [`finish`](Keeper::finish) what was counted since the last time is lost, which is
/// at most what one interval brought.
#[derive(Debug)]
pub(crate) struct Keeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Keeper {
    /// Begins. Counters whose window is over go each time, too.
    pub(crate) fn start(path: PathBuf, interval: Duration, counters: LocalCounters) -> Self {
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                let last = tokio::select! {
                    () = tokio::time::sleep(interval) => false,
                    _ = &mut stopped => true,
                };
                counters.sweep();
                let (path, counters) = (path.clone(), counters.clone());
                // Files are waited for on a thread of their own.
                match tokio::task::spawn_blocking(move || file::save(&path, &counters)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(%error, "counters not saved"),
                    Err(error) => tracing::error!(%error, "counters not saved"),
                }
                if last {
                    return;
                }
            }
        });
        Self { stop, task }
    }

    /// Writes once more and ends: after the last request.
    pub(crate) async fn finish(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "counters not saved");
        }
    }
}
