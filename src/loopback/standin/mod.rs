//! The stand-in: a scripted `claude` that speaks the stream-json protocol like Claude Code 2.1.330, without an account or a network.
//!
//! It is a program of its own, run as `chappe stand-in <claude's own arguments>`, for `chappe demo` and for tests. It imports
//! nothing of the daemon: what both sides know of the protocol must be written down twice, or a mistake would cancel out.
//!
//! ```text
//!   stdin ──► reader thread ─┐
//!   SIGINT, SIGTERM ─────────┼──► one channel ──► engine (main thread) ──► writer thread ──► stdout
//!   programs of tools ───────┘                      │
//!                                                   └──► transcript, files
//! ```
//!
//! The engine is one thread that blocks in one place, [`Engine::next_wake`]; whatever arrives while a turn waits is handled there.
//! In reading order: [`script`] and [`fault`] (what a text makes it do) and [`texts`], [`args`], [`input`], [`wire`], [`transcript`], [`history`], [`ledger`],
//! [`rule`], [`shell`], [`permission`]; then the engine: [`intake`] (queue), [`engine`] (wakes), [`turn`], [`converse`] and
//! [`outcome`] (a turn from prompt to result), [`message`] (one message of the model), [`calls`] (asking about a tool),
//! [`tools`], [`files`], [`bash`], [`servers`] (MCP over the pipe), [`agents`] (sub-agents), [`tasks`] (background work),
//! [`control`] (requests of the bridge), [`commands`] (`/compact` and the like), [`failure`] and [`api_error`], [`death`].
//!
//! Known differences: no attachments but what is steered; the rows of a turn are late by fixed times; API retries wait
//! milliseconds; a sub-agent's own calls are not stored; calls of one message are asked about one after the other; a request that
//! is too large is not compacted; hooks, images and plugins are ignored.

mod agents;
mod api_error;
mod args;
mod bash;
mod calls;
mod commands;
mod control;
mod converse;
mod death;
mod engine;
mod failure;
mod fault;
mod files;
mod history;
mod input;
mod intake;
mod ledger;
mod message;
mod outcome;
mod permission;
mod rule;
mod script;
mod servers;
mod shell;
mod tasks;
mod texts;
mod tools;
mod transcript;
mod turn;
mod wire;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use args::{Options, Request, Start};
use engine::Engine;
use history::History;
use transcript::{OpenError, Transcript};
use wire::Wire;

/// The version it pretends to be.
const VERSION: &str = "2.1.330";

/// The model it pretends to be.
const DEFAULT_MODEL: &str = "claude-opus-5-5";

/// How long a line on stdout may wait for its reader when the process ends because of an error.
const LAST_WORDS_MAX: Duration = Duration::from_secs(5);

/// What the environment says.
#[derive(Debug, Clone)]
struct Surroundings {
    config_dir: PathBuf,
    cwd: PathBuf,
    /// `session_state_changed` lines are wanted.
    states: bool,
    /// Sub-agents and Bash may run on after the result.
    background: bool,
    /// The task list tools exist.
    todo_tools: bool,
    /// `IS_SANDBOX`: an API that is overloaded is not given up early.
    sandbox: bool,
    /// Attempts after the first one, for API errors that may pass.
    max_retries: u32,
}

impl Surroundings {
    fn read() -> Surroundings {
        let is_on = |name: &str| {
            env::var(name).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
        };
        let home = env::var_os("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
        Surroundings {
            config_dir: env::var_os("CLAUDE_CONFIG_DIR")
                .map_or_else(|| home.join(".claude"), PathBuf::from),
            cwd: env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            states: is_on("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"),
            background: !is_on("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS"),
            todo_tools: is_on("CLAUDE_CODE_ENABLE_TODO_TOOLS"),
            sandbox: is_on("IS_SANDBOX"),
            max_retries: env::var("CLAUDE_CODE_MAX_RETRIES")
                .ok()
                .and_then(|text| text.parse().ok())
                .unwrap_or(10),
        }
    }
}

/// Runs the stand-in with claude's own arguments, without the program's name. Reads environment, stdin and signals itself.
///
/// Exit codes are the real one's: 0; 1 for a refused command line, bad input or a failed last turn; 143 after SIGTERM.
pub fn main(args: Vec<OsString>) -> ExitCode {
    if let [flag, command] = args.as_slice()
        && flag == bash::RUN_FLAG
    {
        return bash::run_in_session_of_its_own(command);
    }
    let surroundings = Surroundings::read();
    match args::parse(args, &surroundings.cwd) {
        Request::Version => {
            println!("{VERSION} (Claude Code)");
            ExitCode::SUCCESS
        }
        Request::Refused(message) => refuse(&message),
        Request::NoSession(message) => no_session(&fresh_id(), &message),
        Request::Run(options) => run(*options, surroundings),
    }
}

fn run(options: Options, surroundings: Surroundings) -> ExitCode {
    if options.bypass_allowed
        && nix::unistd::Uid::effective().is_root()
        && env::var("IS_SANDBOX").as_deref() != Ok("1")
    {
        return refuse(
            "--dangerously-skip-permissions cannot be used with root/sudo privileges for security reasons",
        );
    }
    let (config_dir, cwd) = (&surroundings.config_dir, &surroundings.cwd);
    let opened = match &options.start {
        Start::New(id) => Transcript::create(config_dir, cwd, id)
            .map(|transcript| (transcript, History::default())),
        Start::Resume(id) => Transcript::resume(config_dir, cwd, id),
    };
    let (Start::New(id) | Start::Resume(id)) = &options.start;
    match opened {
        Ok((transcript, history)) => {
            let signals = input::hold_signals();
            let wire = Wire::start(id.clone());
            Engine::new(options, surroundings, wire, transcript, history).run(signals)
        }
        Err(OpenError::InUse) => refuse(&format!("Error: Session ID {id} is already in use.")),
        Err(OpenError::NotFound) => {
            no_session(id, &format!("No conversation found with session ID: {id}"))
        }
    }
}

fn refuse(message: &str) -> ExitCode {
    eprintln!("{message}");
    ExitCode::FAILURE
}

/// A resume that fails is told twice: on stderr, and by a `result` without an `init`.
fn no_session(id: &str, message: &str) -> ExitCode {
    let line = json!({
        "type": "result", "subtype": "error_during_execution", "duration_ms": 0, "duration_api_ms": 0, "is_error": true,
        "num_turns": 0, "stop_reason": null, "session_id": id, "total_cost_usd": 0, "usage": {}, "modelUsage": {},
        "permission_denials": [], "errors": [message], "uuid": fresh_id(), "result_index": 0,
    });
    println!("{line}");
    refuse(message)
}

fn fresh_id() -> String {
    uuid::Uuid::new_v4().to_string()
}
