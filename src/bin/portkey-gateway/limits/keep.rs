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
                let (path, counters) = (path.clone(), counters.clone());
                // A million counters take a while, and so do files: on a thread of their own.
                let kept = tokio::task::spawn_blocking(move || {
                    counters.sweep();
                    file::save(&path, &counters)
                });
                match kept.await {
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
