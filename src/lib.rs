//! chappe: Claude Code on your own host, from Telegram.
//!
//! A synchronous daemon of threads. A message goes one way through it, and at each joint it is on disk before anybody
//! is told so:
//!
//! ```text
//!             getUpdates (long poll)                       sendMessage, edit …
//!   Telegram ───────────────► poller                     courier ─────────────► Telegram
//!                               │ store, then wake          ▲ outbox rows + the board
//!                               ▼                           │
//!                     one owner thread per live session ────┘
//!                       │            ▲
//!               lines   ▼            │ lines, exit
//!                     stdin   stdout, stderr, wait    (a thread each, per live child)
//!                       └── claude ──┘   own process group
//! ```
//!
//! # The way of a message
//!
//! 1. [`telegram::poller`] holds the long poll. Each update is decoded alone ([`telegram::update`]), [`router`] says
//!    what it means and who may speak, and one transaction of the [`store`] takes the whole answer with its offset. What
//!    is for something that Claude asks is dealt with by [`requests`].
//! 2. [`session::registry`] wakes the session's owner, or starts one.
//! 3. [`session::owner`] reads its rows and does what [`session::machine`] decides: start `claude` (once
//!    [`session::admission`] has a place for it: [`claude::process`], [`claude::arguments`]), give it the prompt
//!    ([`claude::protocol`]), keep what it says.
//! 4. At the `result`, [`render`] makes messages of the answer, and one transaction closes the prompt and stores them.
//! 5. [`telegram::courier`] sends them, in the order and at the pace that [`telegram::pacing`] decides; what an end of
//!    a call means says [`telegram::settling`]. What is only progress goes over the [`board`], where the latest wins.
//!
//! [`chat`] is the vocabulary that both sides share; [`config`] is read once; where a session may work, and as whom, is
//! looked up in [`workplace`], with [`patience`] for disks that do not answer; [`daemon`] starts and ends it all;
//! [`loopback`] plays Telegram and Claude for the demo and the tests. How long chappe was away, and what follows from
//! that, is decided in [`absence`]; at a [`failpoint`] a test lets it die or fail. An [`archive`] is a session's folder in
//! one file.
//!
//! # Invariants
//!
//! - The store is the queue. A wake carries nothing, so none can be lost or be one too many.
//! - A prompt is on disk as `sent` before its first byte goes to Claude; an answer is on disk before its turn counts
//!   as done, and stays until Telegram has it.
//! - At most one process for a session, held by its owner alone, signalled only before it is reaped.
//! - Every queue has a bound, every wait an end. An owner blocks only in its select.
//! - `session` does not know `telegram`, `telegram` does not know `claude`: they meet in `chat` and `store`.
//! - Deciding code is pure and takes the time as an argument. `tests/tidy` keeps all of this so.

pub mod absence;
pub mod archive;
pub mod board;
pub mod chat;
pub mod claude;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod exit;
pub mod failpoint;
pub mod logging;
pub mod loopback;
pub mod notify;
pub mod patience;
pub mod pulse;
pub mod render;
pub mod requests;
pub mod router;
pub mod session;
pub mod store;
pub mod telegram;
pub mod thread;
pub mod workplace;
