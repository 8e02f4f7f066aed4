//! What goes wrong on request: API errors, silence, a process that dies, lines that nobody can read.

use std::str::FromStr as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::engine::{Engine, Wake};
use super::message::Block;
use super::outcome::Outcome;
use super::script::{self, Answer, Fault, Prank, Script};
use super::transcript::Entry;
use super::{LAST_WORDS_MAX, fresh_id};

/// The pause before the first repetition of a failed request; it grows with each attempt. The real one waits half a minute
/// in the end, which would teach a test nothing more.
const RETRY_STEP_MS: u64 = 20;

/// The real CLI gives an overloaded API up earlier than others.
const OVERLOADED_RETRIES: u32 = 2;

/// After this time the real CLI gives a silent API up, about.
const SILENCE_MAX: Duration = Duration::from_secs(50 * 60);

/// An error of the API that ends a turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    /// The HTTP status; `None`: there was no answer.
    pub(super) status: Option<u16>,
    /// The API's own name for it.
    pub(super) kind: &'static str,
    /// The CLI's name for it.
    pub(super) name: &'static str,
    pub(super) text: String,
}

impl ApiError {
    fn new(status: u16, model: &str) -> ApiError {
        let temporary = "This is a server-side issue, usually temporary — try again in a moment.";
        let (kind, name, text) = match status {
            401 => (
                "authentication_error",
                "authentication_failed",
                "Invalid API key · Fix external API key".to_owned(),
            ),
            403 => (
                "permission_error",
                "authentication_failed",
                "Failed to authenticate. API Error: 403 forbidden".to_owned(),
            ),
            404 => (
                "not_found_error",
                "model_not_found",
                format!(
                    "There's an issue with the selected model ({model}). It may not exist or you may not have access to it. \
                     Run --model to pick a different model."
                ),
            ),
            413 => (
                "request_too_large",
                "invalid_request",
                "Request too large (max 32MB).".to_owned(),
            ),
            429 => (
                "rate_limit_error",
                "rate_limit",
                "API Error: Request rejected (429) · This request would exceed your rate limit"
                    .to_owned(),
            ),
            529 => (
                "overloaded_error",
                "overloaded",
                format!("API Error: 529 Overloaded. {temporary}"),
            ),
            500.. => (
                "api_error",
                "server_error",
                format!("API Error: {status} Internal server error. {temporary}"),
            ),
            _ => (
                "invalid_request_error",
                "unknown",
                format!("API Error: {status} bad request"),
            ),
        };
        ApiError {
            status: Some(status),
            kind,
            name,
            text,
        }
    }

    fn may_pass(&self) -> bool {
        self.status
            .is_none_or(|status| status == 429 || status >= 500)
    }
}

impl Engine {
    /// Does what a script wants done before its first message.
    pub(super) fn play_pranks(&mut self, script: &Script) -> Result<(), Outcome> {
        for prank in &script.pranks {
            match prank {
                Prank::Garbage => {
                    self.wire.raw("this line is not JSON {");
                    self.wire.raw(r#"{"type":"stand_in_unknown","value":1}"#);
                    self.wire.raw(r#"{"type":"assistant","message":42}"#);
                    self.wire
                        .raw(r#"{"type":"system","subtype":7,"status":[]}"#);
                    self.wire.raw("[1,2,3]");
                    self.wire.raw("");
                }
                Prank::LongLine(length) => {
                    let filler = "x".repeat(*length);
                    self.wire.raw(format!(
                        r#"{{"type":"stand_in_filler","filler":"{filler}"}}"#
                    ));
                }
                Prank::Deaf => self.intake.deaf.store(true, Ordering::SeqCst),
                Prank::UnknownRequest => self.ask_the_unknown()?,
                Prank::Background(delay_ms) => {
                    self.start_simulated_task(Duration::from_millis(*delay_ms))
                }
            }
        }
        Ok(())
    }

    /// A request that no bridge knows. The answer is told in the turn's text.
    fn ask_the_unknown(&mut self) -> Result<(), Outcome> {
        let id = fresh_id();
        self.wire.request(
            &id,
            json!({ "subtype": "stand_in_unknown", "question": "does anybody know this?" }),
        );
        self.open_request = Some(id.clone());
        let note = loop {
            match self.next_wake(None) {
                Wake::Aborted => return Err(Outcome::AbortedInText),
                Wake::Eof => break "unknown request: no answer".to_owned(),
                Wake::Response {
                    request_id,
                    response,
                } if request_id == id => {
                    let subtype = response["subtype"].as_str().unwrap_or("?");
                    let said = response["error"].as_str().unwrap_or("");
                    break format!("unknown request: {subtype} {said}");
                }
                _ => {}
            }
        };
        self.open_request = None;
        self.turn().notes.push(note);
        Ok(())
    }

    /// The API answers with an error, until it has done so often enough or the CLI gives up.
    pub(super) fn fail_at_api(
        &mut self,
        script: &Script,
        status: u16,
        times: Option<u32>,
    ) -> Result<(), Outcome> {
        let error = ApiError::new(status, &self.model);
        let max_retries = self.surroundings.max_retries;
        let retries = if status == 529 {
            max_retries.min(OVERLOADED_RETRIES)
        } else {
            max_retries
        };
        self.announce_request();
        for attempt in 1.. {
            let attempts = self.attempts.entry(script.text.clone()).or_default();
            *attempts += 1;
            if times.is_some_and(|times| *attempts > times) {
                return Ok(());
            }
            if !error.may_pass() || attempt > retries {
                break;
            }
            let delay_ms = RETRY_STEP_MS * u64::from(attempt);
            let fields = json!({
                "attempt": attempt, "max_retries": max_retries, "retry_delay_ms": delay_ms, "error_status": status,
                "error": error.name,
            });
            self.wire.system("api_retry", fields);
            if self.pause(Duration::from_millis(delay_ms)) {
                return Err(Outcome::AbortedInText);
            }
        }
        Err(self.give_up(error))
    }

    /// The error as a message of the assistant.
    fn give_up(&mut self, error: ApiError) -> Outcome {
        self.acknowledge();
        let uuid = fresh_id();
        let mut message = self.message(
            &fresh_id(),
            json!([{ "type": "text", "text": error.text }]),
            "stop_sequence".into(),
        );
        message["model"] = Value::from("<synthetic>");
        let mut extra = json!({
            "error": error.name, "is_api_error_message": true, "api_error_status": error.status, "api_error_type": error.kind,
        });
        super::transcript::merge(&mut extra, self.turn().first_marks());
        self.wire.assistant(&uuid, &message, extra);
        let row = json!({ "error": error.name, "isApiErrorMessage": true, "apiErrorStatus": error.status });
        self.transcript.assistant(&uuid, &message, row);
        self.remember(Entry::Said);
        Outcome::Failed(error)
    }

    /// Faults that come instead of the answer.
    pub(super) fn fail_before_answer(&mut self, script: &Script) -> Result<(), Outcome> {
        match &script.fault {
            Some(Fault::Hang) => {
                self.announce_request();
                Err(self.wait_in_silence())
            }
            Some(Fault::MaxTurns) => Err(Outcome::MaxTurns),
            Some(fault) if script.answer == Answer::Natural && self.is_due(fault, script) => {
                self.die(fault)
            }
            _ => Ok(()),
        }
    }

    /// Faults that come in the middle of the answer.
    pub(super) fn fail_in_answer(
        &mut self,
        script: &Script,
        blocks: &[Block],
    ) -> Result<(), Outcome> {
        let dies = script
            .fault
            .as_ref()
            .filter(|fault| self.is_due(fault, script));
        if dies.is_none() && script.fault != Some(Fault::Stall) {
            return Ok(());
        }
        let text = blocks.iter().rev().find_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let half: String = text
            .map(|text| text.chars().take(text.chars().count() / 2).collect())
            .unwrap_or_default();
        let id = self
            .begin_message(Duration::ZERO)
            .map_err(|_| Outcome::AbortedInText)?;
        let start = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
        self.wire.stream(&id, start, Value::Null);
        self.delta(&id, 0, json!({ "type": "text_delta", "text": half }));
        if let Some(fault) = dies {
            self.die(fault)?;
        }
        let outcome = self.wait_in_silence();
        if matches!(outcome, Outcome::AbortedInText) {
            self.cut_off(&id, 0, &half);
        }
        Err(outcome)
    }

    /// Waits for an interruption.
    fn wait_in_silence(&mut self) -> Outcome {
        let until = Instant::now() + SILENCE_MAX;
        loop {
            match self.next_wake(Some(until)) {
                Wake::Aborted => return Outcome::AbortedInText,
                Wake::Timeout => break,
                Wake::Eof | Wake::Response { .. } | Wake::ToolEnded(_) => {}
            }
        }
        let text = "API Error: Request timed out".to_owned();
        self.give_up(ApiError {
            status: None,
            kind: "timeout_error",
            name: "unknown",
            text,
        })
    }

    /// Whether the process must die now. How often it has died is read from the history: this text and every request to go on
    /// with it was an attempt.
    fn is_due(&self, fault: &Fault, script: &Script) -> bool {
        let (Fault::Exit { times, .. } | Fault::Kill { times, .. }) = fault else {
            return false;
        };
        let texts = self
            .history
            .texts()
            .skip_while(|text| text.trim() != script.text);
        let attempts = texts
            .filter(|text| text.trim() == script.text || script::asks_to_go_on(text))
            .count();
        times.is_none_or(|times| attempts <= times as usize)
    }

    /// Ends the process in the middle of the turn. Comes back only if the signal lets it live.
    fn die(&mut self, fault: &Fault) -> Result<(), Outcome> {
        self.wire.flush(LAST_WORDS_MAX);
        match fault {
            Fault::Exit { code, .. } => {
                eprintln!("stand-in: exits with {code} in mid-turn, as it was asked to");
                std::process::exit(i32::from(*code));
            }
            Fault::Kill { signal, .. } => {
                let name = format!("SIG{}", signal.strip_prefix("SIG").unwrap_or(signal));
                let number = signal
                    .parse()
                    .ok()
                    .and_then(|number: i32| Signal::try_from(number).ok());
                let signal = number
                    .or_else(|| Signal::from_str(&name).ok())
                    .unwrap_or(Signal::SIGKILL);
                eprintln!("stand-in: kills itself with {signal} in mid-turn, as it was asked to");
                // Rust's own handler swallows the first SIGSEGV or SIGBUS that no bad access caused.
                for _ in 0..2 {
                    let _ = kill(Pid::this(), signal);
                }
                // SIGTERM and SIGINT arrive on the channel.
                Err(self.wait_in_silence())
            }
            _ => Ok(()),
        }
    }
}
