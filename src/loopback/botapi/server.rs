//! Sockets and threads: accepts, reads requests, and writes answers as well or as badly as it was decided.
//!
//! One thread accepts, one serves each connection. What the answer is, and what spoils it, is `answer`'s affair.

use super::answer::{Desk, Outcome};
use super::http::{self, Request, Unreadable};
use super::refusal::Refusal;
use super::state::Shared;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections at once; a further one is closed at once.
pub const CONNECTIONS_MAX: usize = 256;
/// A connection thread needs little: its buffers are on the heap.
const STACK: usize = 256 * 1024;
/// After an accept that failed (too many open files), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long closing waits for its threads; they end at once unless a peer's kernel holds a write.
const CLOSE_WAIT: Duration = Duration::from_secs(10);

/// Listens at `address` until [`close`].
pub fn open(shared: &Arc<Shared>, address: SocketAddr) -> io::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    shared.change().line.open = true;
    let thread_shared = Arc::clone(shared);
    let port = address.port();
    let thread = std::thread::Builder::new()
        .name(format!("api-{port}"))
        .stack_size(STACK)
        .spawn(move || accept(&thread_shared, &listener, port))?;
    Ok((address, thread))
}

/// Refuses new connections, cuts all others and waits for their threads.
pub fn close(shared: &Shared, address: SocketAddr, thread: JoinHandle<()>) {
    shared.change().line.open = false;
    // The accept thread sleeps in the kernel; a visitor wakes it, and it finds the door shut.
    drop(TcpStream::connect(address));
    let _ = thread.join();
    cut(shared);
    let limit = Instant::now() + CLOSE_WAIT;
    let mut state = shared.look();
    while state.line.connections > 0 && Instant::now() < limit {
        state = shared.wait(state, Some(limit));
    }
}

/// Cuts all connections; new ones are welcome.
pub fn cut(shared: &Shared) {
    let mut state = shared.change();
    state.line.epoch += 1;
    for stream in state.line.streams.values() {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener, port: u16) {
    loop {
        let accepted = listener.accept();
        let mut state = shared.change();
        if !state.line.open {
            return;
        }
        let Ok((stream, _)) = accepted else {
            drop(state);
            let until = Instant::now() + ACCEPT_PAUSE;
            drop(shared.wait(shared.look(), Some(until)));
            continue;
        };
        let Ok(watched) = stream.try_clone() else {
            continue;
        };
        if state.line.connections >= CONNECTIONS_MAX {
            continue;
        }
        let id = state.line.next_id;
        state.line.next_id += 1;
        state.line.connections += 1;
        state.line.streams.insert(id, watched);
        let connection = Connection {
            shared: Arc::clone(shared),
            stream,
            id,
            epoch: state.line.epoch,
        };
        drop(state);
        // A thread that cannot be started drops the connection, whose guard puts the books right.
        let name = format!("api-{port}-{}", id % 100_000);
        let _ = std::thread::Builder::new()
            .name(name)
            .stack_size(STACK)
            .spawn(move || connection.serve());
    }
}

/// One connection and its place in the books.
struct Connection {
    shared: Arc<Shared>,
    stream: TcpStream,
    id: u64,
    epoch: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.shared.change();
        state.line.streams.remove(&self.id);
        state.line.connections -= 1;
    }
}

impl Connection {
    fn serve(self) {
        loop {
            let request = match Request::read(&self.stream) {
                Ok(request) => request,
                Err(Unreadable::Closed) => return,
                Err(Unreadable::Refused(status)) => {
                    let reply = Refusal::new(status, refused_reason(status)).reply();
                    if self.send(&reply.bytes(true)).is_ok() {
                        http::drain(&self.stream);
                    }
                    return;
                }
            };
            let desk = Desk {
                shared: &self.shared,
                epoch: self.epoch,
                connection: self.id,
            };
            let outcome = desk.answer(&request);
            if matches!(outcome, Outcome::Reset) || Request::accept(&self.stream).is_err() {
                self.forget_stream();
                return;
            }
            let sent = match outcome {
                Outcome::Whole(reply) => self.send(&reply.bytes(request.close)),
                Outcome::Drip(reply, every) => self.drip(&reply.bytes(request.close), every),
                Outcome::Half(reply) => {
                    let bytes = reply.bytes(request.close);
                    // Always within the body, so that the status is read and the rest is missed.
                    let half = bytes.len() - reply.body.len() / 2 - 1;
                    let _ = self.send(&bytes[..half]);
                    return;
                }
                Outcome::Reset => return,
            };
            if sent.is_err() || request.close {
                return;
            }
        }
    }

    /// The clone in the books keeps the socket open; a reset needs the last handle to go with a byte unread.
    fn forget_stream(&self) {
        self.shared.change().line.streams.remove(&self.id);
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stream = &self.stream;
        stream.write_all(bytes)
    }

    fn drip(&self, bytes: &[u8], every: Duration) -> io::Result<()> {
        for byte in bytes {
            self.send(std::slice::from_ref(byte))?;
            let until = Instant::now() + every;
            let mut state = self.shared.look();
            while Instant::now() < until {
                if state.line.epoch != self.epoch {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                state = self.shared.wait(state, Some(until));
            }
        }
        Ok(())
    }
}

fn refused_reason(status: u16) -> &'static str {
    match status {
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    }
}
