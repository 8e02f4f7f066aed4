//! Sockets and threads: accepts, reads a request, has it answered, and spoils the answer where a fault says so.
//!
//! One thread accepts, one serves each connection; they share [`State`] behind one lock and wait on one condition
//! variable: held polls, hung calls, dripping answers and tests alike. The lock is never held over a read or write.
//!
//! A held poll does not notice that its client is gone; neither does the real server. Its answer is lost and the
//! updates stay, for nothing confirmed them.

use super::fault::{Faults, Trouble};
use super::http::{self, Reply, Request, Unreadable};
use super::methods;
use super::params::Params;
use super::refusal::Refusal;
use super::updates::Updates;
use super::view::Log;
use super::world::World;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Connections at once; a further one is closed at once.
pub const CONNECTIONS_MAX: usize = 256;
/// A connection thread needs little: its buffers are on the heap.
const STACK: usize = 256 * 1024;
/// After an accept that failed (too many open files), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long closing waits for its threads; they end at once unless a peer's kernel holds a write.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// A second conflict within this time is answered only after it.
const CONFLICT_PAUSE: Duration = Duration::from_secs(3);

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
    open: bool,
    /// Goes up when all connections are cut; a thread of an older one ends.
    epoch: u64,
    /// Threads that serve a connection.
    pub connections: usize,
    streams: BTreeMap<u64, TcpStream>,
    next_id: u64,
}

/// The long polls.
#[derive(Default)]
pub struct Polls {
    /// The held poll is the one with this number; an older one has been ended by it.
    last: u64,
    pub held: usize,
    /// Polls up to this number were ended by a webhook, not by another poll.
    ended_by_webhook: u64,
    next_conflict: Option<Instant>,
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

/// Unix seconds.
pub fn unix_now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs() as i64
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

/// How an answer leaves.
enum Outcome {
    Whole(Reply),
    /// Half of it, then the end.
    Half(Reply),
    Drip(Reply, Duration),
    /// No answer, a reset.
    Reset,
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
            let outcome = self.answer(&request);
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

    fn answer(&self, request: &Request) -> Outcome {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let mut state = self.shared.change();
        let route = route(path, &state.token);
        let (method, params) = match &route {
            Route::Download(path) => ("download", Ok(Params::download(path))),
            Route::Method(method) | Route::Refused(_, method) => {
                (*method, Params::of(request, query))
            }
        };
        let shown = params.as_ref().map_or_else(|_| json!(null), Params::shown);
        let seq = state.log.open(method, shown);
        let trouble = params
            .as_ref()
            .ok()
            .and_then(|params| state.faults.take(method, params.number("chat_id")));
        let cleared = state.faults.cleared;
        drop(state);

        if let Some(reply) = trouble.as_ref().and_then(instead) {
            return self.finish(seq, Outcome::Whole(reply));
        }
        match trouble {
            Some(Trouble::ResetBefore) => return Outcome::Reset,
            Some(Trouble::Hang) => return self.hang(cleared),
            _ => {}
        }
        let reply = match (&route, &params) {
            (Route::Refused(refusal, _), _) | (_, Err(refusal)) => refusal.reply(),
            (Route::Download(path), _) => self.download(path),
            (Route::Method(method), Ok(params)) if method.eq_ignore_ascii_case("getUpdates") => {
                match self.poll(params) {
                    Some(Ok(updates)) => success(&updates),
                    Some(Err(refusal)) => refusal.reply(),
                    None => return Outcome::Reset,
                }
            }
            (Route::Method(method), Ok(params)) => match self.call(method, params) {
                Ok(result) => success(&result),
                Err(refusal) => refusal.reply(),
            },
        };
        match trouble {
            Some(Trouble::ResetAfter) => Outcome::Reset,
            Some(Trouble::HangAfter) => self.hang(cleared),
            Some(Trouble::CutBody) => Outcome::Half(reply),
            Some(Trouble::Drip { every }) => self.finish(seq, Outcome::Drip(reply, every)),
            _ => self.finish(seq, Outcome::Whole(reply)),
        }
    }

    /// Writes down how the call was answered.
    fn finish(&self, seq: u64, outcome: Outcome) -> Outcome {
        if let Outcome::Whole(reply) | Outcome::Drip(reply, _) = &outcome {
            let error = match reply.status {
                200 => None,
                _ => serde_json::from_slice::<serde_json::Value>(&reply.body)
                    .ok()
                    .and_then(|body| body["description"].as_str().map(str::to_string)),
            };
            self.shared.change().log.close(seq, reply.status, error);
        }
        outcome
    }

    /// Keeps silent until the faults are cleared or the line is cut.
    fn hang(&self, cleared: u64) -> Outcome {
        let mut state = self.shared.look();
        while state.faults.cleared == cleared && state.line.epoch == self.epoch {
            state = self.shared.wait(state, None);
        }
        Outcome::Reset
    }

    fn call(&self, method: &str, params: &Params) -> Result<String, Refusal> {
        let mut change = self.shared.change();
        let state = &mut *change;
        if let (true, Some(chat)) = (methods::is_counted(method), params.number("chat_id")) {
            state.faults.count(Instant::now(), chat)?;
        }
        let had_webhook = !state.world.webhook.is_empty();
        let result = methods::call(
            &mut state.world,
            &mut state.updates,
            method,
            params,
            unix_now(),
        )?;
        if !had_webhook && !state.world.webhook.is_empty() {
            state.polls.end_by_webhook();
        }
        Ok(result.to_string())
    }

    fn download(&self, path: &str) -> Reply {
        let state = self.shared.look();
        match state.world.files.values().find(|file| file.path == path) {
            Some(file) => Reply {
                status: 200,
                content_type: "application/octet-stream",
                retry_after: None,
                body: file.bytes.clone(),
            },
            None => Refusal::new(404, "Not Found").reply(),
        }
    }

    /// Answers getUpdates, at once or when there is something; none when the line is cut.
    fn poll(&self, params: &Params) -> Option<Result<String, Refusal>> {
        let mut change = self.shared.change();
        if !change.world.webhook.is_empty() {
            let why = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
            return Some(Err(Refusal::new(409, why)));
        }
        match params.json("allowed_updates") {
            Ok(kinds) => change.updates.allow(&kinds.unwrap_or_default()),
            Err(refusal) => return Some(Err(refusal)),
        }
        let number = |name: &str| params.number(name);
        let (offset, limit) = (
            number("offset").unwrap_or(0),
            number("limit").unwrap_or(100),
        );
        let now = Instant::now();
        let ask = change
            .updates
            .ask(now, offset, limit, number("timeout").unwrap_or(0));
        let given = change.updates.take(ask.offset, ask.limit);
        if !given.is_empty() || ask.timeout.is_zero() {
            return Some(Ok(list(&given)));
        }
        change.polls.last += 1;
        change.polls.held += 1;
        let ticket = change.polls.last;
        drop(change);
        let answer = self.hold(ticket, ask.offset, ask.limit, now + ask.timeout);
        self.shared.change().polls.held -= 1;
        answer
    }

    fn hold(
        &self,
        ticket: u64,
        offset: i64,
        limit: usize,
        until: Instant,
    ) -> Option<Result<String, Refusal>> {
        let mut state = self.shared.look();
        loop {
            if state.line.epoch != self.epoch {
                return None;
            }
            if state.polls.last != ticket {
                break;
            }
            let given = state.updates.take(offset, limit);
            if !given.is_empty() || Instant::now() >= until {
                return Some(Ok(list(&given)));
            }
            state = self.shared.wait(state, Some(until));
        }
        let why = match state.polls.ended_by_webhook >= ticket {
            true => "Conflict: terminated by setWebhook request",
            false => {
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
            }
        };
        // The first conflict is told at once, further ones are slowed down.
        let now = Instant::now();
        let told_at = match state.polls.next_conflict.filter(|next| now < *next) {
            Some(_) => now + CONFLICT_PAUSE,
            None => {
                state.polls.next_conflict = Some(now + CONFLICT_PAUSE);
                now
            }
        };
        while Instant::now() < told_at {
            if state.line.epoch != self.epoch {
                return None;
            }
            state = self.shared.wait(state, Some(told_at));
        }
        Some(Err(Refusal::new(409, why)))
    }
}

enum Route<'a> {
    Method(&'a str),
    Download(&'a str),
    /// The method is only for the log.
    Refused(Refusal, &'a str),
}

fn route<'a>(path: &'a str, token: &str) -> Route<'a> {
    let not_found = || Route::Refused(Refusal::new(404, "Not Found"), "");
    let (is_file, rest) = match (path.strip_prefix("/file/bot"), path.strip_prefix("/bot")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return not_found(),
    };
    let Some((given, name)) = rest.split_once('/') else {
        return not_found();
    };
    // Encoded by careful clients.
    let given = given.replace("%3A", ":").replace("%3a", ":");
    let looks_like_token = given
        .split_once(':')
        .is_some_and(|(id, secret)| id.parse::<u64>().is_ok() && !secret.is_empty());
    let name = name.trim_end_matches('/');
    if !looks_like_token || name.is_empty() {
        return not_found();
    }
    if given != token {
        return Route::Refused(Refusal::new(401, "Unauthorized"), name);
    }
    match is_file {
        true => Route::Download(name),
        false => Route::Method(name),
    }
}

/// The answer of faults that keep the call from taking effect.
fn instead(trouble: &Trouble) -> Option<Reply> {
    match trouble {
        Trouble::Answer { code, description, parameters } => {
            let parameters = parameters.clone();
            Some(Refusal { code: *code, description: description.clone(), parameters }.reply())
        }
        Trouble::RetryAfter(seconds) => Some(Refusal::retry_after(*seconds).reply()),
        Trouble::Html(status) => Some(Reply {
            status: *status,
            content_type: "text/html",
            retry_after: None,
            body: format!("<html>\r\n<head><title>{status}</title></head>\r\n<body><h1>{status}</h1></body>\r\n</html>\r\n").into_bytes(),
        }),
        _ => None,
    }
}

fn success(result: &str) -> Reply {
    Reply {
        status: 200,
        content_type: "application/json",
        retry_after: None,
        body: format!("{{\"ok\":true,\"result\":{result}}}").into_bytes(),
    }
}

fn list(updates: &[&str]) -> String {
    format!("[{}]", updates.join(",\n"))
}

fn refused_reason(status: u16) -> &'static str {
    match status {
        405 => "Method Not Allowed",
        413 => "Request Entity Too Large",
        431 => "Request Header Fields Too Large",
        _ => "Bad Request",
    }
}
