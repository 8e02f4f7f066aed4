//! Starts threads: always named, always with a stack of known size. Nothing else in chappe starts one.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Address space for a thread's stack, in bytes. Only the pages that are used cost memory; a TLS handshake in a debug
/// build is what needs the most.
const STACK: usize = 512 * 1024;

/// Starts a thread. The name is cut to the 15 bytes that Linux shows.
///
/// Fails where the host has no thread left to give.
pub fn spawn<T: Send + 'static>(
    name: impl Into<String>,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let mut name = name.into();
    name.truncate(name.floor_char_boundary(15));
    Builder::new().name(name).stack_size(STACK).spawn(work)
}
