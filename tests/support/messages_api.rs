//! A stand-in for the Anthropic Messages API on a loopback port, so that the real `claude` CLI can be tested offline.
//!
//! A test starts it, points a CLI at [`MessagesApi::url`] and steers the answers by directives in the prompts
//! (`script.rs` lists them): `[[tool Bash {"command":"ls"}]]`, `[[error 529]]`, `[[hang]]`. A prompt without
//! directives is answered with "echo: <prompt>".
//!
//! | file | its one question |
//! |---|---|
//! | `http.rs` | how does a request arrive, how do bytes leave? |
//! | `conversation.rs` | what does the request say, and what of it did a human type? |
//! | `script.rs` | what do the directives in a text ask for? |
//! | `answer.rs` | what is this request answered with? |
//! | `stream.rs` | how does that answer go over the wire? |
//!
//! It knows nothing of chappe, keeps nothing on disk, and never talks to the real API.
#![allow(
    dead_code,
    reason = "each test binary includes this module and uses its own part of it"
)]

#[path = "messages_api/answer.rs"]
mod answer;
#[path = "messages_api/conversation.rs"]
mod conversation;
#[path = "messages_api/filler.rs"]
mod filler;
#[path = "messages_api/http.rs"]
mod http;
#[path = "messages_api/script.rs"]
mod script;
#[path = "messages_api/stream.rs"]
mod stream;

use std::collections::HashMap;
use std::fmt;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use answer::Attempts;
pub use answer::Kind;
use conversation::Conversation;
pub use conversation::ToolResult;
use http::{Connection, HttpRequest};

/// A running stand-in. Dropping it closes every connection, wakes the requests that hang, and joins its threads.
pub struct MessagesApi {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

/// One request that arrived, and what became of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The path without its query, such as `/v1/messages`.
    pub path: String,
    /// What the request is for.
    pub kind: Kind,
    /// The session id that the CLI puts into `metadata.user_id`, if there is one.
    pub session: Option<String>,
    /// Empty where the request names none.
    pub model: String,
    /// All texts that a human typed, in order; steered ones without their wrapping.
    pub texts: Vec<String>,
    /// The blocks of the system prompt, joined by line breaks.
    pub system: String,
    /// The names of the tools on offer.
    pub tools: Vec<String>,
    /// The newest tool result since the last typed text.
    pub tool_result: Option<ToolResult>,
    /// When it was complete.
    pub at: Instant,
    /// How it ended, if it has.
    pub end: End,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The answer is not complete yet, or never will be (`[[hang]]`).
    Open,
    /// The whole answer was written; an error status is an answer too.
    Answered,
    /// We closed the connection in the middle (`[[cut]]`).
    Cut,
    /// The client hung up before the answer was complete.
    ClientGone,
}

struct Shared {
    state: Mutex<State>,
    /// Notified at each change of `State::requests`.
    changed: Condvar,
    /// Makes the ids of two stand-ins differ: the CLI keeps them in transcripts that outlive one of us.
    id_prefix: String,
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    attempts: Attempts,
    stopping: bool,
    /// A second handle of each open connection, to wake its thread at the end.
    open: HashMap<usize, TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl MessagesApi {
    /// Listens on a free loopback port and serves until dropped.
    pub fn start() -> MessagesApi {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let born = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| age.as_nanos() as u64);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            id_prefix: format!("{born:x}{:x}", address.port()),
        });
        let acceptor = std::thread::Builder::new()
            .name("model-accept".into())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.accept(&listener)
            })
            .expect("a thread can be started");
        MessagesApi {
            shared,
            address,
            acceptor: Some(acceptor),
        }
    }

    /// The value for `ANTHROPIC_BASE_URL`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All requests so far, in the order in which they were complete.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until `find` finds something in the requests, and returns it. `find` runs again after every change and
    /// must not call this stand-in.
    ///
    /// Panics after `limit` with `what` and the requests that were seen.
    pub fn wait<T>(
        &self,
        limit: Duration,
        what: &str,
        mut find: impl FnMut(&[Request]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = find(&state.requests) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seen: Vec<String> = state.requests.iter().map(Request::to_string).collect();
                drop(state);
                panic!(
                    "no {what} within {limit:?}; {} requests:\n{}",
                    seen.len(),
                    seen.join("\n")
                );
            }
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Drop for MessagesApi {
    fn drop(&mut self) {
        {
            let mut state = self.shared.lock();
            state.stopping = true;
            for connection in state.open.values() {
                // It may be closed already; then its thread is on its way out anyway.
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
        // The acceptor blocks in `accept` and looks at `stopping` after each connection: give it one.
        let _ = TcpStream::connect(self.address);
        let acceptor = self.acceptor.take().map(JoinHandle::join);
        let threads = std::mem::take(&mut self.shared.lock().threads);
        let failed = acceptor
            .into_iter()
            .chain(threads.into_iter().map(JoinHandle::join))
            .any(|end| end.is_err());
        // A bug of the stand-in must not pass as a quiet test, and a second panic would abort the test binary.
        assert!(
            !failed || std::thread::panicking(),
            "a thread of the Messages API stand-in panicked"
        );
    }
}

impl Request {
    /// The last text that a human typed.
    pub fn last_text(&self) -> Option<&str> {
        self.texts.last().map(String::as_str)
    }

    /// Whether the client hung up before the answer was complete.
    pub fn client_gone(&self) -> bool {
        self.end == End::ClientGone
    }
}

/// One line for the message of a failed wait.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {:?} {} {:?} texts={:?}",
            self.path, self.kind, self.model, self.end, self.texts
        )?;
        match &self.tool_result {
            Some(result) => write!(f, " tool_result={:?}", result.text),
            None => Ok(()),
        }
    }
}

impl Shared {
    /// A test that fails inside `wait` poisons the mutex; the data stays good, and the others go on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept() else {
                continue;
            };
            let mut state = self.lock();
            if state.stopping {
                return;
            }
            let Ok(handle) = stream.try_clone() else {
                continue;
            };
            state.open.insert(number, handle);
            let shared = Arc::clone(self);
            let thread = std::thread::Builder::new()
                .name(format!("model-{number}"))
                .spawn(move || {
                    let _leave = Leave {
                        shared: &shared,
                        number,
                    };
                    shared.serve(Connection::new(stream));
                });
            state.threads.push(thread.expect("a thread can be started"));
        }
    }

    /// Answers the requests of one connection until one side closes it.
    fn serve(&self, mut connection: Connection) {
        while let Ok(Some(request)) = connection.read_request() {
            let (seen, index) = self.note(&request);
            let answered = match seen {
                Seen::Json(status, body) => {
                    connection.reply(status, &[], &body, request.method == "HEAD")
                }
                Seen::Messages(delivery) => delivery.send(&mut connection),
            };
            let end = match answered {
                Ok(end) => end,
                Err(_) => End::ClientGone,
            };
            {
                let mut state = self.lock();
                // A connection that we shut down ourselves looks like a client that went away.
                if !state.stopping {
                    state.requests[index].end = end;
                }
            }
            self.changed.notify_all();
            if end != End::Answered {
                return;
            }
        }
    }

    /// Records a request and decides what it is answered with.
    fn note(&self, request: &HttpRequest) -> (Seen, usize) {
        let posted_messages = request.method == "POST" && request.path == "/v1/messages";
        let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        let conversation = Conversation::new(&body);
        let mut state = self.lock();
        let index = state.requests.len();
        let (kind, seen) = if posted_messages && !body.is_object() {
            let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": "not a JSON object"}});
            (Kind::Other, Seen::Json(400, error))
        } else if posted_messages {
            let answer = answer::decide(&conversation, &mut state.attempts);
            let delivery = stream::Delivery {
                id: format!("{}{index:04}", self.id_prefix),
                model: conversation.model().to_owned(),
                streamed: body["stream"] == true,
                input_tokens: answer
                    .input_tokens
                    .unwrap_or_else(|| estimated_tokens(request)),
                answer,
            };
            (delivery.answer.kind, Seen::Messages(delivery))
        } else if request.path == "/v1/messages/count_tokens" {
            (
                Kind::CountTokens,
                Seen::Json(200, json!({"input_tokens": estimated_tokens(request)})),
            )
        } else {
            // The CLI asks for reachability (`HEAD /`) and may ask for more; an empty object has always been enough.
            (Kind::Other, Seen::Json(200, json!({})))
        };
        state.requests.push(Request {
            path: request.path.clone(),
            kind,
            session: conversation.session(),
            model: conversation.model().to_owned(),
            texts: conversation
                .typed
                .iter()
                .map(|typed| typed.text.clone())
                .collect(),
            system: conversation.system(),
            tools: conversation
                .tools()
                .into_iter()
                .map(str::to_owned)
                .collect(),
            tool_result: conversation.tool_results_since_typed().pop(),
            at: Instant::now(),
            end: End::Open,
        });
        drop(state);
        self.changed.notify_all();
        (seen, index)
    }
}

/// What a request is answered with.
enum Seen {
    Json(u16, Value),
    Messages(stream::Delivery),
}

/// About four bytes make a token; nothing depends on the exact figure.
fn estimated_tokens(request: &HttpRequest) -> u64 {
    (request.body.len() as u64 / 4).max(1)
}

/// Closes our second handle of a connection when its thread ends, even by a panic; the socket lives until both are gone.
struct Leave<'a> {
    shared: &'a Shared,
    number: usize,
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.shared.lock().open.remove(&self.number);
    }
}
