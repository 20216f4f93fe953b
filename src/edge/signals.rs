//! Signals: the first one asks for an orderly end, the second ends at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody asked for the end.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    /// Whether somebody asked.
    pub fn is_asked_for(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Listens to SIGINT and SIGTERM from now on. `tell` hears of the first.
pub fn listen(tell: fn(&str)) -> std::io::Result<Ending> {
    use tokio::signal::unix::{SignalKind, signal};

    let ending = Ending::default();
    let asked = Arc::clone(&ending.0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if asked.swap(true, Ordering::AcqRel) {
                    // As a shell reports a process that SIGINT ended; the log is safe at any moment.
                    std::process::exit(130);
                }
                tell("finishing: commit, image, close (once more to stop at once)");
            }
        });
    })?;
    Ok(ending)
}
