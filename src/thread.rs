//! Starts threads: always named, always with a stack of known size. Nothing else in chappe starts one.

use std::io;
use std::thread::{Builder, JoinHandle};

use crossbeam_channel::Sender;

use crate::exit::{Exit, Fatal};
use crate::failpoint;

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
    if failpoint::before("thread").is_some() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crossbeam_channel::bounded;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    #[test]
    fn a_thread_has_its_name_here_and_in_the_kernel() {
        let thread = spawn("a-name", || {
            let name = std::thread::current().name().map(str::to_owned);
            let comm = std::fs::read_to_string("/proc/thread-self/comm");
            (name, comm.ok())
        });
        let (name, comm) = thread
            .expect("the host has a thread to give")
            .join()
            .expect("it does not panic");
        assert_eq!(name.as_deref(), Some("a-name"));
        assert_eq!(comm.as_deref(), Some("a-name\n"));
    }

    #[test]
    fn the_panic_of_a_vital_thread_is_told_with_its_name() {
        let (fatal, told) = bounded(1);
        let thread = spawn_vital("poller", fatal, || panic!("a bug"));
        assert!(thread.expect("a thread").join().is_err());
        let expected = Fatal::new(Exit::ThreadDied, "the thread poller has panicked");
        assert_eq!(told.recv_timeout(SOON), Ok(expected));
    }

    #[test]
    fn the_end_of_a_vital_thread_is_no_panic() {
        let (fatal, told) = bounded(1);
        let thread = spawn_vital("poller", fatal, || 5);
        assert_eq!(thread.expect("a thread").join().ok(), Some(5));
        // The sender went with the thread, and had told nothing.
        assert!(told.recv_timeout(SOON).is_err());
        assert!(told.is_empty());
    }

    #[test]
    fn a_second_panic_waits_for_nobody() {
        let (fatal, told) = bounded(1);
        for name in ["one", "two"] {
            let thread = spawn_vital(name, fatal.clone(), || panic!("a bug"));
            assert!(thread.expect("a thread").join().is_err());
        }
        let first = told.recv_timeout(SOON).expect("the first is told");
        assert_eq!(first.message, "the thread one has panicked");
        assert!(told.is_empty());
    }
}
