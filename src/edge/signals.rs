//! Signals: the first one asks for an orderly end, which has a deadline; the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::problem::Exit;

/// Whether somebody asked for the end.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Whether somebody asked.
    pub fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Listens to SIGINT and SIGTERM from now on. `tell` hears of the first, and of an end that is not there after `deadline`:
/// then the process ends as it is. The log is safe at any moment.
pub fn listen(deadline: Duration, tell: fn(&str)) -> std::io::Result<Ending> {
    use tokio::signal::unix::{SignalKind, signal};

    let ending = Ending::default();
    let asked = Arc::clone(&ending.0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            asked.store(true, Ordering::Release);
            tell("finishing: commit, image, close (once more to stop at once)");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = tokio::time::sleep(deadline) => {
                    let ms = deadline.as_millis();
                    tell(&format!(
                        "not finished after engine.shutdown_ms = {ms}: ending at once; nothing is lost, the next start \
                         reads more"
                    ));
                    std::process::exit(Exit::Connect as i32);
                }
            }
            // As a shell reports a process that SIGINT ended.
            std::process::exit(130);
        });
    })?;
    Ok(ending)
}
