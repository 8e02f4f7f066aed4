//! What the threads of the server share: one state behind one lock, and one bell that rings when it has changed.
//!
//! Held polls, hung calls, dripping answers and tests all wait for that bell. The lock is never held over a read or
//! a write of a socket.

use super::fault::Faults;
use super::updates::Updates;
use super::view::Log;
use super::world::World;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Everything the threads share.
pub struct State {
    pub token: String,
    pub line: Line,
    pub world: World,
    pub updates: Updates,
    pub polls: Polls,
    pub log: Log,
    pub faults: Faults,
}

/// The connections.
#[derive(Default)]
pub struct Line {
    /// False: the listener is gone or going.
    pub open: bool,
    /// Goes up when all connections are cut; a thread of an older one ends.
    pub epoch: u64,
    /// Threads that serve a connection.
    pub connections: usize,
    pub streams: BTreeMap<u64, TcpStream>,
    pub next_id: u64,
    /// The calls that hang, by their number, each with its connection.
    pub hanging: BTreeMap<u64, u64>,
}

impl Line {
    /// Whether a call hangs and whoever made it still waits for the answer.
    pub fn is_waited_for(&self, call: u64) -> bool {
        let connection = self.hanging.get(&call);
        connection
            .and_then(|id| self.streams.get(id))
            .is_some_and(is_open)
    }
}

/// Whether neither side has ended a connection. A look at its bytes would not tell: a part of a request that is not answered
/// yet is left unread. So the kernel is asked, whose word for it is 01 (`enum tcp_state` in `include/net/tcp_states.h`).
fn is_open(stream: &TcpStream) -> bool {
    let (Ok(own), Ok(peer)) = (stream.local_addr(), stream.peer_addr()) else {
        return false;
    };
    let port = |address: Option<&str>| {
        let (_, port) = address?.split_once(':')?;
        u16::from_str_radix(port, 16).ok()
    };
    let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    table.lines().any(|line| {
        let mut words = line.split_ascii_whitespace().skip(1);
        port(words.next()) == Some(own.port())
            && port(words.next()) == Some(peer.port())
            && words.next() == Some("01")
    })
}

/// The long polls.
#[derive(Default)]
pub struct Polls {
    /// The held poll is the one with this number; an older one has been ended by it.
    pub last: u64,
    pub held: usize,
    /// Polls up to this number were ended by a webhook, not by another poll.
    pub ended_by_webhook: u64,
    pub next_conflict: Option<Instant>,
}

impl Polls {
    /// Ends the held poll on behalf of setWebhook.
    pub fn end_by_webhook(&mut self) {
        self.ended_by_webhook = self.last;
        self.last += 1;
    }
}

/// [`State`] with its lock and its bell.
pub struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A locked state; the bell rings when it is let go.
pub struct Change<'a> {
    state: MutexGuard<'a, State>,
    changed: &'a Condvar,
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.changed.notify_all();
    }
}

impl std::ops::Deref for Change<'_> {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl std::ops::DerefMut for Change<'_> {
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

impl Shared {
    pub fn new(token: &str, first_update: i64) -> Shared {
        let bot_id = token
            .split(':')
            .next()
            .and_then(|id| id.parse().ok())
            .unwrap_or(0);
        let state = State {
            token: token.to_string(),
            line: Line::default(),
            world: World::new(bot_id),
            updates: Updates::new(first_update),
            polls: Polls::default(),
            log: Log::default(),
            faults: Faults::default(),
        };
        Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// Looks without changing. A panic in a test's closure must not take the server with it.
    pub fn look(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn change(&self) -> Change<'_> {
        Change {
            state: self.look(),
            changed: &self.changed,
        }
    }

    /// Waits until something has changed or the time has come; none is for ever.
    pub fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match until {
            None => self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout(state, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}
