//! Starts threads: always named, always with a stack of known size. Nothing else in chappe starts one.

use std::io;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::Sender;

use crate::exit::{Exit, Fatal};

/// Address space for a thread's stack, in bytes. Only the pages that are used cost memory; a TLS handshake in a debug
/// build is what needs the most.
const STACK: usize = 512 * 1024;

/// Starts a thread. Linux shows the first 15 bytes of its name.
///
/// Fails where the host has no thread left to give.
pub fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new()
        .name(name.into())
        .stack_size(STACK)
        .spawn(work)
}

/// Starts a thread that the daemon cannot do without: when it panics, that is told, and the daemon ends.
pub fn spawn_vital<T: Send + 'static>(
    name: impl Into<String>,
    fatal: Sender<Fatal>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let name = name.into();
    let announce = Announce {
        name: name.clone(),
        fatal,
    };
    spawn(name, move || {
        let _announce = announce;
        work()
    })
}

/// Tells of a panic from `Drop`, which runs whatever happens.
struct Announce {
    name: String,
    fatal: Sender<Fatal>,
}

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.fatal.try_send(Fatal::new(
                Exit::ThreadDied,
                format!("the thread {} has panicked", self.name),
            ));
        }
    }
}
